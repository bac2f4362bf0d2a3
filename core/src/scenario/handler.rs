//! `handler`: a gateway, workers in processes of their own, and a bug.
//!
//! Each worker keeps books that have to balance. A request with the bug breaks
//! that, half-way through a transfer. What then becomes of the worker is the
//! policy of its handler: it drains and is replaced, it dies, or it goes on.

mod checks;
mod cluster;
mod gateway;
mod ledger;
mod messages;
mod narrate;
mod params;
mod summary;
mod worker;

use super::{Context, Preset, Scenario};
use crate::platform::Program;
use futures::FutureExt;
use gateway::Gateway;

/// The names in the trace. Pictures and checks find who they mean by them.
const GATEWAY: &str = "Gateway";
const DISPATCHER: &str = "Dispatcher";
const SUPERVISOR: &str = "Supervisor";

/// How many workers there are at most.
const WORKERS: usize = 4;

/// How often a gateway that retries everything attempts a request.
const ATTEMPTS: u64 = 3;

/// What a worker is.
pub(super) static WORKER: Program = Program {
    name: "ledger",
    run: |context| worker::run(context).boxed_local(),
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "handler",
    chapter: "errors",
    summary: "A bug in a worker process: it is supervised, it crashes, or it is swallowed",
    params: params::ALL,
    presets: &[
        Preset {
            title: "A bug drains its worker, which is replaced",
            set: &[],
        },
        Preset {
            title: "The same bug, swallowed: all is green, and wrong",
            set: &[("policy", "swallow")],
        },
        Preset {
            title: "The same bug, and nobody replaces who dies",
            set: &[("policy", "crash")],
        },
        Preset {
            title: "A bug that is retried, and takes worker after worker",
            set: &[("retry", "everything"), ("workers", "4"), ("restarts", "2")],
        },
        Preset {
            title: "A crash loop: the supervisor gives up",
            set: &[("bug_every", "3"), ("restarts", "3")],
        },
        Preset {
            title: "Operational errors only: nobody restarts",
            set: &[("bug_every", "0"), ("operational", "50")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: narrate::narrate,
};

async fn run(context: Context) {
    let mut gateway = Gateway::start(&context);
    while gateway.next().await {}
    gateway.close().await;
}
