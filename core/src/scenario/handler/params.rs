//! What can be set.

use crate::scenario::{
    Param,
    ParamUnit::{Count, Ms, Percent},
    railway::{INTERVAL, REQUESTS},
};

pub(super) const ALL: &[Param] = &[
    Param::choice(
        "policy",
        "A bug in a worker",
        "Drains it, for a supervisor to replace it; ends it at once, with nobody to replace it; or is answered with a 500 and forgotten.",
        &["supervise", "crash", "swallow"],
    ),
    Param::integer(
        "workers",
        "Workers",
        "How many processes serve.",
        (Count, 1, 4, 2),
    ),
    REQUESTS,
    INTERVAL,
    Param::integer(
        "latency",
        "Time for a request",
        "How long a worker takes for one, in which it may begin others.",
        (Ms, 0, 1_000, 60),
    )
    .live(),
    Param::integer(
        "bug_every",
        "A bug every",
        "One request in so many runs into the bug; 0 for none.",
        (Count, 0, 1_000, 20),
    )
    .live(),
    Param::integer(
        "operational",
        "Operational errors",
        "Requests that are invalid, ask for what is not there, or time out.",
        (Percent, 0, 100, 15),
    )
    .live(),
    Param::choice(
        "retry",
        "What the gateway retries",
        "Nothing, as a worker's handler retries what is worth it; or everything that failed with a 5xx or was lost, bugs too.",
        &["nothing", "everything"],
    ),
    Param::integer(
        "restarts",
        "Restarts allowed",
        "How many of a worker there may be within ten seconds: with one more the supervisor gives up.",
        (Count, 0, 20, 5),
    ),
];
