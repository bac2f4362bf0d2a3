//! `cluster`: a front, worker processes, and one event.
//!
//! Each request blocks its worker's loop for a while. Then a worker is killed, hangs or
//! fails to restart, or all workers are replaced. The scenario shows the effect on
//! clients.
//!
//! Up to 200,000 requests arrive at random times, or come from up to a million simulated
//! users.

mod checks;
mod faults;
mod figures;
mod front;
mod narrate;
mod params;
mod request_log;
mod sampling;
mod summary;
mod users;
mod worker;

pub(super) use figures::figures;
pub(super) use worker::WORKER;

use super::{Context, Preset, Scenario};
use front::Front;
use futures_util::FutureExt;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "cluster",
    chapter: "scaling",
    summary: "Worker processes: one is killed or hangs, or all are replaced",
    params: params::ALL,
    presets: &[
        Preset {
            title: "A killed worker loses only its own requests",
            set: &[],
        },
        Preset {
            title: "A rolling reload: no request fails",
            set: &[("event", "reload")],
        },
        Preset {
            title: "Stop all, then start: requests fail",
            set: &[("event", "reload"), ("restart", "stop_then_start")],
        },
        Preset {
            title: "A hanging worker is detected by heartbeat",
            set: &[("event", "hang")],
        },
        Preset {
            title: "The same with least-busy balancing: fewer losses",
            set: &[("event", "hang"), ("balance", "least_busy")],
        },
        Preset {
            title: "A crash loop: the supervisor gives up",
            set: &[("event", "crash_loop")],
        },
        Preset {
            title: "A broken new version: the old one keeps serving",
            set: &[("event", "bad_reload")],
        },
        Preset {
            title: "The same, stopping first: no worker is left",
            set: &[("event", "bad_reload"), ("restart", "stop_then_start")],
        },
        Preset {
            title: "A shared queue: one line for all workers",
            set: &[("event", "none"), ("balance", "shared_queue")],
        },
        Preset {
            title: "A bounded queue: overload is rejected at once",
            set: &[
                ("event", "none"),
                ("balance", "shared_queue"),
                ("queue", "5"),
                ("work", "60"),
            ],
        },
        Preset {
            title: "A reload that no one of a million users notices",
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
