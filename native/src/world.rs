//! Runs experiments until they complete or panic, in real or simulated time.

use crate::{
    panic_report::{LOOP_THREAD, RunFailure},
    run_thread::RunThread,
};
use clap::ValueEnum;
use highwater::{
    platform::VirtualTime,
    scenario::{Experiment, TRACE_CAPACITY},
    trace::{Recorder, Trace},
};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// The world that a scenario runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum World {
    /// Real time on this machine
    Native,
    /// Simulated time: instant and reproducible
    Virtual,
}

impl World {
    /// Returns the world's name in traces and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            World::Native => "native",
            World::Virtual => "virtual",
        }
    }
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct FinishedRun {
    /// The records of the run.
    pub(crate) trace: Trace,
    /// The failure that ended the run early; `trace.died` has its message.
    pub(crate) failure: Option<RunFailure>,
}

/// Runs an experiment until it completes or panics. A native run calls `progress` every
/// 100 ms with the number of records.
///
/// # Errors
///
/// If a thread cannot be started.
pub(crate) async fn run(
    world: World,
    experiment: &Experiment,
    progress: impl Fn(u64),
) -> io::Result<FinishedRun> {
    let (recorder, failure) = match world {
        World::Native => run_native(experiment, progress).await?,
        World::Virtual => simulate(experiment).await?,
    };
    let mut trace = experiment.new_trace(world.name());
    trace.append(recorder.drain());
    trace.died = failure.as_ref().map(|failure| failure.message.clone());
    Ok(FinishedRun { trace, failure })
}

type RunResult = (Recorder, Option<RunFailure>);

async fn run_native(experiment: &Experiment, progress: impl Fn(u64)) -> io::Result<RunResult> {
    let mut running = RunThread::start(experiment, ())?;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            failure = running.ended() => return Ok((running.recorder(), failure)),
            _ = ticks.tick() => progress(running.recorder().recorded()),
        }
    }
}

/// Like [`Experiment::simulate`], but keeps the records that precede a panic. Runs on its
/// own thread, so that a long simulation can be interrupted.
async fn simulate(experiment: &Experiment) -> io::Result<RunResult> {
    let experiment = experiment.clone();
    let (send, receive) = oneshot::channel();
    let thread = thread::Builder::new().name(LOOP_THREAD.to_owned());
    thread.spawn(move || {
        let world = VirtualTime::new();
        let recorder = Recorder::new(world.timer(), TRACE_CAPACITY);
        let run = AssertUnwindSafe(|| experiment.simulate_in(&world, &recorder));
        let failure = match catch_unwind(run) {
            Ok(Ok(())) => None,
            Ok(Err(deadlock)) => Some(RunFailure::new(&deadlock.to_string())),
            Err(panic) => Some(RunFailure::of(&*panic)),
        };
        // Cancels the remaining tasks, so that their spans are recorded as cancelled.
        drop(world);
        let _ = send.send((recorder, failure));
    })?;
    receive.await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::scenario;

    #[tokio::test]
    async fn failed_simulation_leaves_nothing_in_flight() {
        // The audit log is still running in the background when the bug in the metrics
        // service ends the run.
        let mut experiment = scenario::find("decoupling").unwrap().experiment();
        for (key, value) in [
            ("listeners", "async"),
            ("fail", "metrics"),
            ("fault", "panic"),
            ("fail_rate", "100"),
        ] {
            experiment.set(key, value).unwrap();
        }
        let finished_run = run(World::Virtual, &experiment, |_| {}).await.unwrap();
        assert_eq!(
            finished_run.trace.died.as_deref(),
            Some("Metrics has a bug: it cannot handle user 1")
        );
        let summary = finished_run.trace.summary();
        for source in summary.sources() {
            let name = finished_run.trace.name(source);
            assert_eq!(summary.counters(source).in_flight(), 0, "{name}");
        }
        let audit = finished_run.trace.id("AuditLog").unwrap();
        assert_eq!(
            summary.counters(audit).failed,
            1,
            "the cancelled call counts as failed"
        );
    }

    #[tokio::test]
    async fn simulation_matches_the_experiment() {
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let finished_run = run(World::Virtual, &experiment, |_| {}).await.unwrap();
        assert_eq!(finished_run.trace, experiment.simulate());
    }
}
