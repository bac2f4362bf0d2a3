//! The program of a worker: one request after the other.

use super::BEAT;
use crate::{platform::ProcessContext, scale::Job, trace::Recorder};
use std::time::Duration;

/// For how long a worker that hangs holds its loop: longer than anybody waits.
const FOR_EVER: Duration = Duration::from_mins(10);

/// What the first line that a worker gets tells it.
pub(super) fn settings(work: Duration, startup_ms: u64, dies_at_start: bool) -> String {
    let work = Job::costing(Job::Primes, work);
    let version = if dies_at_start { "bad" } else { "good" };
    format!("{work} {startup_ms} {version}")
}

/// That it is to hang, in place of a request's number.
pub(super) const HANG: &str = "hang";

/// What a worker tells.
#[derive(Clone, Copy)]
pub(super) enum WorkerReport {
    /// That it is alive.
    Beat,
    /// It has begun with a request.
    Begun(u64),
    /// It has done it.
    Done(u64),
}

impl WorkerReport {
    pub(super) fn read(line: &str) -> Option<Self> {
        let (what, number) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "beat" => Some(WorkerReport::Beat),
            "begun" => Some(WorkerReport::Begun(number.parse().ok()?)),
            "done" => Some(WorkerReport::Done(number.parse().ok()?)),
            _ => None,
        }
    }
}

pub(super) async fn run(context: ProcessContext) {
    let settings = context.recv().await.unwrap_or_default();
    let mut words = settings.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let work = next().parse().unwrap_or(Job::Primes(0));
    let startup = Duration::from_millis(next().parse().unwrap_or(0));
    context.platform().sleep(startup).await;
    if next() == "bad" {
        match context.crash("this version does not work").await {}
    }
    context.ready();
    // Its parent keeps the record of the run.
    let unread = Recorder::new(context.platform().timer(), 1);
    // Dropped when the program ends.
    drop(context.platform().spawn(beat(context.clone())));
    while let Some(line) = context.recv().await {
        if line == HANG {
            context.platform().timer().block(FOR_EVER);
            continue;
        }
        context.send(format!("begun {line}"));
        let _result = context.platform().run_on_loop(work, &unread, 0);
        context.send(format!("done {line}"));
        // It is somebody else's turn: a heart beats on this loop, too.
        context.platform().sleep(Duration::ZERO).await;
    }
}

/// Gives signs of process for as long as somebody gives this loop a turn.
async fn beat(context: ProcessContext) {
    loop {
        context.send("beat");
        context.platform().sleep(BEAT).await;
    }
}
