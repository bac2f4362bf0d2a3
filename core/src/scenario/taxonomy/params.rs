//! The parameters.

use crate::scenario::{
    Param,
    ParamUnit::{Count, Ms, Percent},
    load,
    params::Range,
    railway::{INTERVAL, REQUESTS},
};

pub(super) const ALL: &[Param] = &[
    Param::choice(
        "design",
        "Design",
        "One handler that acts by error class, or a catch-all that logs, retries and answers 500.",
        &["classified", "catch_all"],
    ),
    REQUESTS,
    INTERVAL,
    load::arrivals("jittered"),
    load::BURST,
    Param::integer(
        "latency",
        "Bank latency",
        "Mean duration of a call. Calls time out after three times as long.",
        (Ms, 0, 1_000, 20),
    ),
    load::times("jittered"),
    load::CV,
    load::CAP,
    Param::integer(
        "invalid",
        "Invalid input",
        "Share of invalid requests.",
        share(6),
    )
    .live(),
    Param::integer(
        "not_found",
        "Not found",
        "Share of unknown payments.",
        share(6),
    )
    .live(),
    Param::integer(
        "conflict",
        "Conflict",
        "Share of duplicate payments.",
        share(5),
    )
    .live(),
    Param::integer(
        "rate_limited",
        "Rate-limited",
        "Share of requests over the limit.",
        share(4),
    )
    .live(),
    Param::integer(
        "timeout",
        "Timeouts",
        "Share of requests whose first bank call times out.",
        share(8),
    )
    .live(),
    Param::integer(
        "bug",
        "Bugs",
        "Share of requests that hit the bug.",
        share(10),
    )
    .live(),
    Param::integer(
        "outage",
        "Bank outage",
        "Duration of the outage, which starts after a third of the requests.",
        (Ms, 0, 10_000, 400),
    ),
    Param::integer(
        "attempts",
        "Attempts",
        "Maximum per request, including the first.",
        (Count, 1, 5, 3),
    ),
    Param::integer(
        "budget",
        "Retry budget",
        "Retries allowed per hundred requests. A catch-all has no budget.",
        share(20),
    )
    .only_with("design", "classified"),
    Param::choice(
        "breaker",
        "Circuit breaker",
        "After five failures in a row it rejects calls for a while, then probes with one.",
        &["on", "off"],
    ),
];

const fn share(default: u64) -> Range {
    (Percent, 0, 100, default)
}
