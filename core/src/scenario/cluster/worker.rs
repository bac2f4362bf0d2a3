//! The worker program, which handles one request at a time.

use crate::{
    latency::nanos,
    platform::{ProcessContext, Program},
};
use futures_util::FutureExt;
use std::time::Duration;

pub(in crate::scenario) static WORKER: Program = Program {
    name: "cluster-worker",
    run: |context| run(context).boxed_local(),
};

/// The heartbeat interval of an idle worker.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);

/// The time for which a hanging worker blocks its loop. It exceeds any run.
const HANG_DURATION: Duration = Duration::from_mins(10);

/// Encodes the settings for the first message to a worker.
pub(super) fn settings(startup_ms: u64, is_broken: bool) -> String {
    let version = if is_broken { "bad" } else { "good" };
    format!("{startup_ms} {version}")
}

/// Encodes a request: its number, and its CPU time in nanoseconds.
pub(super) fn request(number: u64, work: Duration) -> String {
    let mut line = String::with_capacity(24);
    push_number(&mut line, number);
    line.push(' ');
    push_number(&mut line, nanos(work));
    line
}

/// Appends a number. Formatting it takes several times as long, and there may be
/// millions of requests.
fn push_number(line: &mut String, number: u64) {
    if number > 9 {
        push_number(line, number / 10);
    }
    line.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or(0)));
}

const STARTED: &str = "started ";
const DONE: &str = "done ";

/// The message that makes a worker hang. Other messages are requests.
pub(super) const HANG: &str = "hang";

/// A worker's report to the front.
#[derive(Clone, Copy)]
pub(super) enum WorkerReport {
    /// A heartbeat.
    Beat,
    /// It started a request.
    Started(u64),
    /// It completed a request.
    Done(u64),
}

impl WorkerReport {
    pub(super) fn read(line: &str) -> Option<Self> {
        if let Some(number) = line.strip_prefix(STARTED) {
            Some(WorkerReport::Started(number.parse().ok()?))
        } else if let Some(number) = line.strip_prefix(DONE) {
            Some(WorkerReport::Done(number.parse().ok()?))
        } else {
            (line == "beat").then_some(WorkerReport::Beat)
        }
    }
}

async fn run(context: ProcessContext) {
    let settings = context.recv().await.unwrap_or_default();
    let mut fields = settings.split(' ');
    let mut next = || fields.next().unwrap_or_default();
    let startup = Duration::from_millis(next().parse().unwrap_or(0));
    context.platform().sleep(startup).await;
    if next() == "bad" {
        match context.crash("this version is broken").await {}
    }
    context.ready();
    // The task is dropped when the program exits.
    drop(context.platform().spawn(beat(context.clone())));
    while let Some(line) = context.recv().await {
        let Some((number, work)) = line.split_once(' ') else {
            context.platform().timer().block(HANG_DURATION);
            continue;
        };
        context.send([STARTED, number].concat());
        let work = Duration::from_nanos(work.parse().unwrap_or(0));
        context.platform().occupy_loop(work);
        context.send([DONE, number].concat());
        // Yields to the heartbeat, which shares this loop.
        context.platform().sleep(Duration::ZERO).await;
    }
}

/// Sends heartbeats while the loop is not blocked.
async fn beat(context: ProcessContext) {
    loop {
        context.send("beat");
        context.platform().sleep(HEARTBEAT_INTERVAL).await;
    }
}
