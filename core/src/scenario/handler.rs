//! `handler`: a gateway, worker processes, and a bug.
//!
//! Each worker has a ledger that must balance. The bug corrupts it halfway through a
//! transfer. The worker's error policy then decides whether the worker drains and is
//! replaced, crashes, or keeps running.

mod checks;
mod gateway;
mod ledger;
mod messages;
mod narrate;
mod params;
mod summary;
mod worker;

pub(super) use worker::WORKER;

use super::{Context, Preset, Scenario};
use futures_util::FutureExt;
use gateway::Gateway;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "handler",
    chapter: "errors",
    summary: "A bug in a worker process: supervised, fatal or swallowed",
    params: params::ALL,
    presets: &[
        Preset {
            title: "A bug drains its worker, which is replaced",
            set: &[],
        },
        Preset {
            title: "The same bug, swallowed: wrong responses",
            set: &[("policy", "swallow")],
        },
        Preset {
            title: "The same bug: crash, no restart",
            set: &[("policy", "crash")],
        },
        Preset {
            title: "A retried bug crashes worker after worker",
            set: &[("retry", "everything"), ("workers", "4"), ("restarts", "2")],
        },
        Preset {
            title: "A crash loop: the supervisor gives up",
            set: &[("bug_every", "3"), ("restarts", "3")],
        },
        Preset {
            title: "Operational errors only: no restarts",
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
