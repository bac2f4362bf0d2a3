//! The parameters.

use crate::scenario::{
    Param,
    ParamUnit::{Count, Ms, Us},
    load,
};

pub(super) const ALL: &[Param] = &[
    Param::choice(
        "event",
        "Event",
        "At 40 % of the requests, one worker is killed, hangs, or is killed and crashes on every restart; or all reload, with a working or broken version.",
        &["kill", "hang", "crash_loop", "reload", "bad_reload", "none"],
    ),
    Param::choice(
        "restart",
        "Reload",
        "Replaces workers one by one, draining each after its replacement is ready; or stops all, then starts new ones.",
        &["rolling", "stop_then_start"],
    ),
    Param::choice(
        "balance",
        "Load balancing",
        "Workers take turns; or the least busy is picked; or free workers take requests from one shared queue.",
        &["round_robin", "least_busy", "shared_queue"],
    ),
    Param::integer(
        "queue",
        "Queue",
        "Number of requests that may wait, at the front and at the workers together. More are rejected. The default is never reached.",
        (Count, 0, 1_000_000, 1_000_000),
    ),
    Param::integer(
        "workers",
        "Workers",
        "Number of processes. In simulation each has its own core.",
        (Count, 1, 8, 3),
    ),
    Param::integer(
        "requests",
        "Requests",
        "Total number. All are counted and timed; about 2,000 are recorded in detail.",
        (Count, 1, 200_000, 120),
    ),
    Param::integer(
        "interval",
        "Time between requests",
        "Mean time between arrivals, regardless of responses.",
        (Ms, 0, 200, 15),
    )
    .live(),
    load::arrivals("poisson"),
    load::BURST,
    Param::integer(
        "users",
        "Users",
        "Each sends a request, thinks and repeats, for twice the think time; 0 for plain arrivals. At most 2,000 are recorded.",
        (Count, 0, 1_000_000, 0),
    ),
    Param::integer(
        "think",
        "Think time",
        "Time between a response and the user's next request, ±50 %.",
        (Ms, 100, 60_000, 20_000),
    ),
    Param::integer(
        "service",
        "Time per user request",
        "Mean; replaces the time per request.",
        (Us, 1, 10_000, 100),
    ),
    Param::integer(
        "work",
        "Time per request",
        "Mean CPU time, approximate except in simulation. It blocks its worker.",
        (Ms, 0, 200, 25),
    ),
    load::times("lognormal"),
    load::CV,
    load::CAP,
    Param::integer(
        "startup",
        "Startup time",
        "Time from a worker's start until it is ready.",
        (Ms, 0, 1_000, 50),
    )
    .live(),
    Param::integer(
        "heartbeat",
        "Heartbeat timeout",
        "A worker without a heartbeat for this long is killed. Longer work looks like a hang.",
        (Ms, 500, 5_000, 1_000),
    ),
    Param::integer(
        "restarts",
        "Restarts allowed",
        "Per worker and minute. At one more, the supervisor gives up.",
        (Count, 0, 10, 5),
    ),
];
