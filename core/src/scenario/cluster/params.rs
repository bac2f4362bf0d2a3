//! What can be set.

use crate::scenario::{
    Param,
    ParamUnit::{Count, Ms, Us},
};

pub(super) const ALL: &[Param] = &[
    Param::choice(
        "event",
        "What happens",
        "To a worker, or to all, when 40 % of the requests have come: one is killed, hangs, or is killed and cannot be started again; all are replaced by new ones, which are well or die at their start.",
        &["kill", "hang", "crash_loop", "reload", "bad_reload", "none"],
    ),
    Param::choice(
        "restart",
        "A reload",
        "Starts a new worker, and lets an old one finish when that is ready, one after the other; or stops all first and starts new ones then.",
        &["rolling", "stop_then_start"],
    ),
    Param::choice(
        "balance",
        "Who gets a request",
        "Each worker in turn, or the one that has the fewest to do.",
        &["round_robin", "least_busy"],
    ),
    Param::integer(
        "workers",
        "Workers",
        "How many processes serve. In simulation each has a core of its own.",
        (Count, 1, 8, 3),
    ),
    Param::integer(
        "requests",
        "Requests",
        "How many there are.",
        (Count, 1, 2_000, 120),
    ),
    Param::integer(
        "interval",
        "Time between requests",
        "How far apart they arrive, give or take a quarter. They do not wait for each other.",
        (Ms, 0, 200, 15),
    )
    .live(),
    Param::integer(
        "users",
        "Users",
        "Each asks, thinks and asks again, for twice its time to think; 0 for requests from outside. All are counted, at most 2,000 on record.",
        (Count, 0, 1_000_000, 0),
    ),
    Param::integer(
        "think",
        "Time to think",
        "How long a user thinks, give or take half.",
        (Ms, 100, 60_000, 20_000),
    ),
    Param::integer(
        "service",
        "Time for a user's request",
        "In place of the time for a request.",
        (Us, 1, 10_000, 100),
    ),
    Param::integer(
        "work",
        "Time for a request",
        "About how much CPU time it takes; its worker begins no other meanwhile. Exactly so in simulated time.",
        (Ms, 0, 200, 25),
    ),
    Param::integer(
        "startup",
        "Startup time",
        "How long a worker takes, once it runs, until it takes requests.",
        (Ms, 0, 1_000, 50),
    )
    .live(),
    Param::integer(
        "heartbeat",
        "Heartbeat timeout",
        "How long it may give no sign of life until it is killed.",
        (Ms, 500, 5_000, 1_000),
    ),
    Param::integer(
        "restarts",
        "Restarts allowed",
        "How many of a worker there may be within a minute: with one more the supervisor gives up.",
        (Count, 0, 10, 5),
    ),
];
