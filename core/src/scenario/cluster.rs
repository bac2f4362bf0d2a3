//! `cluster`: a front, workers in processes of their own, and one event.
//!
//! Each request holds the loop of its worker for a while. Then a worker is
//! killed, hangs or cannot be started again, or all are replaced by new ones: what
//! does a client notice?
//!
//! The requests come from outside, or they are those of users: a million, if so
//! wished.

mod balance;
mod checks;
mod figures;
mod front;
mod narrate;
mod params;
mod request_log;
mod summary;
mod users;
mod worker;
mod worker_pool;

pub(super) use figures::figures;

use super::{Context, Preset, Scenario};
use crate::platform::Program;
use front::Front;
use futures::FutureExt;
use std::time::Duration;

/// The names in the trace. Pictures and checks find who they mean by them.
const FRONT: &str = "Front";
const SUPERVISOR: &str = "Supervisor";

/// What a supervisor changes to, in the trace.
const RELOADING: &str = "reloading";
const RELOADED: &str = "reloaded";
const RELOAD_ABORTED: &str = "reload aborted";

/// What a worker changes to that gives no sign of life any more: its supervisor
/// has yet to find that out.
const HANGING: &str = "hanging";

/// How processes end that are killed, by what they did.
const NO_SIGN_OF_LIFE: &str = "no sign of life";
const NOT_READY: &str = "not ready in time";
const NOT_DRAINED: &str = "not drained in time";
const STOPPED: &str = "stopped";

/// How a request ends that found nobody.
const REFUSED: &str = "refused";

/// What the front comes to in the end, where there are users.
const HAVE_ASKED: &str = "Users that asked";

/// How often a worker gives a sign of life while it has nothing to do.
const BEAT: Duration = Duration::from_millis(100);

/// What a worker is.
pub(super) static WORKER: Program = Program {
    name: "cluster-worker",
    run: |context| worker::run(context).boxed_local(),
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "cluster",
    chapter: "scaling",
    summary: "Workers in processes: one is killed or hangs, or all are replaced",
    params: params::ALL,
    presets: &[
        Preset {
            title: "A worker is killed: what it had is lost, and nothing else",
            set: &[],
        },
        Preset {
            title: "A rolling reload: nobody notices",
            set: &[("event", "reload")],
        },
        Preset {
            title: "The same, stopped first and then started: everybody notices",
            set: &[("event", "reload"), ("restart", "stop_then_start")],
        },
        Preset {
            title: "A worker hangs, and is found by its heartbeat",
            set: &[("event", "hang")],
        },
        Preset {
            title: "The same, but whoever is busy is spared: less is lost",
            set: &[("event", "hang"), ("balance", "least_busy")],
        },
        Preset {
            title: "A crash loop: the supervisor gives up",
            set: &[("event", "crash_loop")],
        },
        Preset {
            title: "A new version that dies at its start: the old one goes on",
            set: &[("event", "bad_reload")],
        },
        Preset {
            title: "The same, stopped first: nobody is left",
            set: &[("event", "bad_reload"), ("restart", "stop_then_start")],
        },
        Preset {
            title: "A million users, and a reload that none of them notices",
            set: &[("event", "reload"), ("users", "1000000"), ("workers", "8")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: narrate::narrate,
};

async fn run(context: Context) {
    let mut front = Front::start(&context);
    while front.next().await {}
    front.close().await;
}
