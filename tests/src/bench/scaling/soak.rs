//! The soak test: reloads a cluster under load until enough requests were sent.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;
use load::cluster::Cluster;
use load::{Client, Load};

use super::restarts::restart;
use super::servers::WORKERS;
use crate::run::run_checked;
use crate::workspace::Workspace;

/// The time for which a draining worker keeps idle connections of HTTP/1.1 open: the default
/// of `Limits::linger`.
const LINGER: Duration = Duration::from_secs(1);
/// The think times of clients, in milliseconds, below and above the linger time.
const SHORT_THINK_TIMES: [u64; 4] = [50, 250, 500, 800];
const LONG_THINK_TIMES: [u64; 3] = [1_200, 1_500, 1_900];
/// The number of clients of each kind.
const COUNT: usize = 4;
/// The minimum number of reloads.
const MIN_RELOADS: usize = 20;

/// Reloads the example `service` of `highwater-server` under load until `requests` were
/// sent. Returns exit code 1 if any of them failed, except for those that clients sent, after
/// a pause longer than [`LINGER`], just as the server closed the idle connection.
pub(in super::super) fn run(requests: u64) -> Result<ExitCode> {
    let workspace = Workspace::new()?;
    let build = "build --release -p highwater-server --all-features --example service";
    run_checked(&mut workspace.cargo(build))?;
    let mut command = Command::new(workspace.target.join("release/examples/service"));
    command.args(["--json", "--workers", &WORKERS.to_string()]);
    let server = Cluster::start(&mut command, WORKERS)?;

    let start = Instant::now();
    let mut load = Load::on(server.addr())
        .clients(Client::KeepAlive, COUNT)
        .clients(Client::NewConnection, COUNT)
        .clients(Client::Http2, COUNT);
    for think_time in SHORT_THINK_TIMES.iter().chain(&LONG_THINK_TIMES) {
        let think_time = Duration::from_millis(*think_time);
        load = load
            .clients(Client::ThinkTime(think_time), COUNT)
            .clients(Client::Http2ThinkTime(think_time), COUNT);
    }
    let running = load.start();
    let mut reload_count = 0;
    while running.sent() < requests || reload_count < MIN_RELOADS {
        restart(&server)?;
        reload_count += 1;
        if reload_count % 10 == 0 {
            eprintln!("{reload_count} reloads, {} requests", running.sent());
        }
    }
    let ledger = running.stop();
    let total = ledger.total();
    let race_count = ledger
        .failed()
        .filter(|failed| failed.is_idle_close_race(LINGER))
        .count() as u64;
    let failed = total.failures() + total.unsuccessful() - race_count;
    print!("{ledger}");
    println!(
        "{} requests during {reload_count} reloads in {:.0?}, {} workers: {failed} failed.\n\
         {} requests of HTTP/2 were not received by a server that was closing their connection,\n\
         and were sent again. {race_count} requests of HTTP/1.1, from clients that had paused for\n\
         longer than {LINGER:?}, found their idle connection closed.",
        total.sent,
        start.elapsed(),
        total.workers.len(),
        total.sent_again,
    );
    let is_ok = failed == 0 && ledger.adds_up();
    Ok(ExitCode::from(u8::from(!is_ok)))
}
