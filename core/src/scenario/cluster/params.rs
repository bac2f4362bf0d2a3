//! What can be set.

use crate::scenario::{
    Param,
    Unit::{Count, Ms},
};

pub(super) const ALL: &[Param] = &[
    Param::choice(
        "event",
        "What happens",
        "To a worker, or to all, when two of five requests have come: one is killed, hangs, or is killed and cannot be started again; all are replaced by new ones, which are well or die at their start.",
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
        "The worker that has waited longest for one, or the one that has the fewest to do.",
        &["round_robin", "least_busy"],
    ),
    Param::integer(
        "workers",
        "Workers",
        "How many processes serve.",
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
    ),
    Param::integer(
        "work",
        "Time for a request",
        "About how long one takes its worker, of CPU time, which begins no other meanwhile; exactly so in simulated time.",
        (Ms, 0, 200, 25),
    ),
    Param::integer(
        "startup",
        "Time for a start",
        "How long a worker takes, once it runs, until it takes requests.",
        (Ms, 0, 1_000, 50),
    ),
    Param::integer(
        "heartbeat",
        "Patience with a worker",
        "How long it may give no sign of life until it is killed.",
        (Ms, 500, 5_000, 1_000),
    ),
    Param::integer(
        "restarts",
        "Restarts allowed",
        "How many there may be within a minute: with one more the supervisor gives up.",
        (Count, 0, 10, 5),
    ),
];
