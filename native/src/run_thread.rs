//! A native run in progress, on a thread of its own.

use crate::{
    compute::NativeCompute,
    panic_report::{LOOP_THREAD, RunFailure},
    platform::{NativeSpawn, NativeTimer, Stop},
    processes::NativeProcesses,
};
use futures::{FutureExt, future::LocalBoxFuture};
use highwater::{
    platform::{Clock, Platform, Timer},
    scenario::{Experiment, TRACE_CAPACITY},
    trace::Recorder,
};
use std::{io, panic::AssertUnwindSafe, rc::Rc, sync::Arc, thread, time::Duration};
use tokio::{sync::oneshot, task::LocalSet};

/// A run in progress. Dropping it asks the run to end.
#[derive(Debug)]
pub(crate) struct RunThread {
    recorder: Recorder,
    timer: Arc<NativeTimer>,
    stop: Arc<Stop>,
    ended: oneshot::Receiver<Option<RunFailure>>,
}

impl RunThread {
    /// Starts an experiment on a new thread, which keeps `guard` until it
    /// really ends: that may be a moment after it was asked to.
    ///
    /// # Errors
    ///
    /// If the system gives no thread, or no runtime for it.
    pub(crate) fn start(experiment: &Experiment, guard: impl Send + 'static) -> io::Result<Self> {
        let experiment = experiment.clone();
        let start = move |platform, recorder| experiment.start(platform, recorder);
        RunThread::start_with(start, guard)
    }

    /// As [`start`](Self::start), with anything that runs as an experiment does.
    ///
    /// # Errors
    ///
    /// If the system gives no thread, or no runtime for it.
    pub(crate) fn start_with(
        start: impl FnOnce(Platform, Recorder) -> LocalBoxFuture<'static, ()> + Send + 'static,
        guard: impl Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let stop = Arc::new(Stop::default());
        let timer = Arc::new(NativeTimer::start(Arc::clone(&stop)));
        let recorder = Recorder::new(timer.clone(), TRACE_CAPACITY);
        let (send_end, ended) = oneshot::channel();

        let run = Run {
            start,
            timer: timer.clone(),
            recorder: recorder.clone(),
            stop: Arc::clone(&stop),
        };
        thread::Builder::new()
            .name(LOOP_THREAD.to_owned())
            .spawn(move || {
                let tasks = LocalSet::new();
                let failure = tasks.block_on(&runtime, run.complete()).err();
                // Tasks that are left over end here, and their spans are
                // recorded as cancelled before anybody hears of the end.
                drop(tasks);
                drop(guard);
                let _ = send_end.send(failure);
            })?;
        Ok(RunThread {
            recorder,
            timer,
            stop,
            ended,
        })
    }

    /// What it records, to be drained.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// The run's own time.
    pub(crate) fn now(&self) -> Duration {
        self.timer.now()
    }

    /// Completes when the run has ended, with the bug if one ended it. To be
    /// asked no more after that.
    pub(crate) async fn ended(&mut self) -> Option<RunFailure> {
        (&mut self.ended)
            .await
            .unwrap_or_else(|_| Some(RunFailure::new("the loop's thread ended")))
    }
}

impl Drop for RunThread {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// What moves to the thread.
struct Run<S> {
    start: S,
    timer: Arc<dyn Timer>,
    recorder: Recorder,
    stop: Arc<Stop>,
}

impl<S: FnOnce(Platform, Recorder) -> LocalBoxFuture<'static, ()>> Run<S> {
    async fn complete(self) -> Result<(), RunFailure> {
        let (spawn, mut bugs) = NativeSpawn::new();
        let platform = Platform::new(self.timer, Rc::new(spawn));
        let platform = platform
            .with_processes(Rc::new(NativeProcesses))
            .with_compute(Rc::new(NativeCompute::new(Arc::clone(&self.stop))));
        let scenario = (self.start)(platform, self.recorder);
        tokio::select! {
            // The task that panicked comes before the one that waited for it
            // and panics in turn: the first bug is the one to tell of.
            biased;
            Some(bug) = bugs.recv() => Err(bug),
            () = self.stop.requested() => Err(RunFailure::new("stopped")),
            ended = AssertUnwindSafe(scenario).catch_unwind() => {
                ended.map_err(|panic| RunFailure::of(&*panic))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::{
        scenario::{self, Outcome},
        trace::{RecordKind, Trace},
    };
    use std::time::Instant;

    /// How long a test waits before it fails: long enough for any machine.
    const PATIENCE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_run_ends_well_and_passes_its_checks() {
        let experiment = quick(&[]);
        let (failure, trace) = end(&experiment, RunThread::start(&experiment, ()).unwrap()).await;
        assert_eq!(failure, None);
        let verdicts = experiment.scenario().judge(&trace);
        let count = |outcome| verdicts.iter().filter(|it| it.outcome == outcome).count();
        assert_eq!(count(Outcome::Failed), 0, "{verdicts:#?}");
        assert!(count(Outcome::Passed) >= 5, "{verdicts:#?}");
    }

    #[tokio::test]
    async fn the_first_bug_ends_the_run_wherever_it_is() {
        // With listeners in turn the scenario itself panics, with listeners in
        // the background one of its tasks does.
        for listeners in ["sync", "async"] {
            let experiment = quick(&[
                ("fault", "panic"),
                ("fail_rate", "100"),
                ("listeners", listeners),
            ]);
            let (failure, trace) =
                end(&experiment, RunThread::start(&experiment, ()).unwrap()).await;
            assert_eq!(
                failure.unwrap().message,
                "EmailService has a bug: it cannot handle user 1",
                "{listeners}"
            );
            let summary = trace.summary();
            let in_flight: u64 = summary
                .sources()
                .map(|source| summary.counters(source).in_flight())
                .sum();
            assert_eq!(in_flight, 0, "{listeners}: all is cancelled");
            assert!(trace.id("cancelled").is_some(), "{listeners}");
        }
    }

    #[tokio::test]
    async fn a_dropped_run_gives_its_guard_back_although_the_loop_is_blocked() {
        // Half an hour of blocking work. It has begun when the first record of
        // a service at work is there.
        let experiment = quick(&[("email_latency", "5000"), ("users", "400")]);
        let (guard, freed) = oneshot::channel::<()>();
        let mut running = RunThread::start(&experiment, guard).unwrap();
        let recorder = running.recorder();
        let is_at_work = || {
            let batch = recorder.drain();
            batch
                .events
                .iter()
                .any(|event| event.kind == RecordKind::Handle)
        };
        let since = Instant::now();
        while !is_at_work() {
            assert_eq!(running.ended.try_recv().ok(), None, "it ended by itself");
            assert!(since.elapsed() < PATIENCE, "it never came to work");
            tokio::task::yield_now().await;
        }
        drop(running);
        let freed = tokio::time::timeout(PATIENCE, freed).await;
        assert!(freed.unwrap().is_err(), "the guard was dropped");
    }

    fn quick(set: &[(&str, &str)]) -> Experiment {
        let mut experiment = scenario::find("decoupling").unwrap().experiment();
        let defaults = [("users", "4"), ("interval", "1"), ("email_latency", "2")];
        for (key, value) in defaults.iter().chain(set) {
            experiment.set(key, value).unwrap();
        }
        experiment.set("seed", "3").unwrap();
        experiment
    }

    async fn end(experiment: &Experiment, mut running: RunThread) -> (Option<RunFailure>, Trace) {
        let failure = running.ended().await;
        let mut trace = experiment.new_trace("native");
        trace.append(running.recorder().drain());
        (failure, trace)
    }
}
