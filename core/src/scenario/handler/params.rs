//! The parameters.

use crate::scenario::{
    Param,
    ParamUnit::{Count, Ms, Percent},
    load,
    railway::{INTERVAL, REQUESTS},
};

pub(super) const ALL: &[Param] = &[
    Param::choice(
        "policy",
        "Bug policy",
        "The worker drains and is replaced, crashes without replacement, or answers 500 and continues.",
        &["supervise", "crash", "swallow"],
    ),
    Param::integer(
        "workers",
        "Workers",
        "Number of processes.",
        (Count, 1, 4, 2),
    ),
    REQUESTS,
    INTERVAL,
    load::arrivals("poisson"),
    load::BURST,
    Param::integer(
        "latency",
        "Time per request",
        "The mean. A worker can start others during it.",
        (Ms, 0, 1_000, 60),
    )
    .live(),
    load::times("lognormal"),
    load::CV,
    load::CAP,
    Param::integer(
        "bug_every",
        "Requests per bug",
        "One in this many hits the bug; 0 for none.",
        (Count, 0, 1_000, 20),
    )
    .live(),
    Param::integer(
        "operational",
        "Operational errors",
        "Share of requests that are invalid, name an unknown account, or time out.",
        (Percent, 0, 100, 15),
    )
    .live(),
    Param::choice(
        "retry",
        "Gateway retries",
        "Nothing, since workers retry transient errors; or every 5xx and lost request, including bugs.",
        &["nothing", "everything"],
    ),
    Param::integer(
        "restarts",
        "Restarts allowed",
        "Per worker and ten seconds. At one more, the supervisor gives up.",
        (Count, 0, 20, 5),
    )
    .only_with("policy", "supervise"),
];
