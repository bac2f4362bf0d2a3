//! What can be set.

use crate::scenario::{
    Param,
    ParamUnit::{Count, Ms, Percent},
    params::Range,
    railway::{INTERVAL, REQUESTS},
};

pub(super) const ALL: &[Param] = &[
    Param::choice(
        "design",
        "Design",
        "One handler that acts by the class of an error, or a catch-all that logs, retries and answers 500 whatever it is.",
        &["classified", "catch_all"],
    ),
    REQUESTS,
    INTERVAL,
    Param::integer(
        "latency",
        "Latency of the bank",
        "How long a call takes, give or take a fifth. One that times out is given up after three times as long.",
        (Ms, 0, 1_000, 20),
    ),
    Param::integer(
        "invalid",
        "Invalid input",
        "Requests that break a rule.",
        share(6),
    )
    .live(),
    Param::integer(
        "not_found",
        "Not found",
        "Requests for what is not there.",
        share(6),
    )
    .live(),
    Param::integer(
        "conflict",
        "Conflict",
        "Payments that were made already.",
        share(5),
    )
    .live(),
    Param::integer(
        "rate_limited",
        "Rate-limited",
        "Requests of who asks too often.",
        share(4),
    )
    .live(),
    Param::integer(
        "timeout",
        "Timeouts",
        "Requests whose first call to the bank times out.",
        share(8),
    )
    .live(),
    Param::integer("bug", "Bugs", "Requests that run into the bug.", share(10)).live(),
    Param::integer(
        "outage",
        "Outage of the bank",
        "For how long the bank is down, from when a third of the requests have arrived.",
        (Ms, 0, 10_000, 400),
    ),
    Param::integer(
        "attempts",
        "Attempts",
        "How often a request is attempted at most, the first time included.",
        (Count, 1, 5, 3),
    ),
    Param::integer(
        "budget",
        "Retry budget",
        "How many retries a hundred requests pay for. A catch-all has none.",
        share(20),
    ),
    Param::choice(
        "breaker",
        "Circuit breaker",
        "After five failures in a row the bank is left alone for a while, and then probed with one call.",
        &["on", "off"],
    ),
];

const fn share(default: u64) -> Range {
    (Percent, 0, 100, default)
}
