//! A native run in progress, on its own thread.

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

/// A native run in progress. Dropping it stops the run.
#[derive(Debug)]
pub(crate) struct RunThread {
    recorder: Recorder,
    timer: Arc<NativeTimer>,
    stop: Arc<Stop>,
    ended: oneshot::Receiver<Option<RunFailure>>,
}

impl RunThread {
    /// Starts an experiment on a new thread. The thread drops `guard` when it exits,
    /// which can be shortly after a stop.
    ///
    /// # Errors
    ///
    /// If the thread or its runtime cannot be started.
    pub(crate) fn start(experiment: &Experiment, guard: impl Send + 'static) -> io::Result<Self> {
        let experiment = experiment.clone();
        let start = move |platform, recorder| experiment.start(platform, recorder);
        RunThread::start_with(start, guard)
    }

    /// Like [`start`](Self::start), but runs any future.
    ///
    /// # Errors
    ///
    /// If the thread or its runtime cannot be started.
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
        let (failure_sender, ended) = oneshot::channel();

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
                // Cancels the remaining tasks, so that their spans are recorded as
                // cancelled before the end is reported.
                drop(tasks);
                drop(guard);
                let _ = failure_sender.send(failure);
            })?;
        Ok(RunThread {
            recorder,
            timer,
            stop,
            ended,
        })
    }

    /// Returns the recorder of the run.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Returns the time since the start of the run.
    pub(crate) fn now(&self) -> Duration {
        self.timer.now()
    }

    /// Waits until the run ends. Returns its failure, if any. Must not be called again
    /// after it has completed.
    pub(crate) async fn ended(&mut self) -> Option<RunFailure> {
        (&mut self.ended)
            .await
            .unwrap_or_else(|_| Some(RunFailure::new("the loop thread exited unexpectedly")))
    }
}

impl Drop for RunThread {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// The parts of a run that move to its thread.
struct Run<S> {
    start: S,
    timer: Arc<dyn Timer>,
    recorder: Recorder,
    stop: Arc<Stop>,
}

impl<S: FnOnce(Platform, Recorder) -> LocalBoxFuture<'static, ()>> Run<S> {
    async fn complete(self) -> Result<(), RunFailure> {
        let (spawn, mut panics) = NativeSpawn::new();
        let platform = Platform::new(self.timer, Rc::new(spawn));
        let platform = platform
            .with_processes(Rc::new(NativeProcesses))
            .with_compute(Rc::new(NativeCompute::new(Arc::clone(&self.stop))));
        let scenario = (self.start)(platform, self.recorder);
        tokio::select! {
            // A task that waited for the panicked one may panic in turn. The first panic
            // is the cause.
            biased;
            Some(panic) = panics.recv() => Err(panic),
            () = self.stop.wait_for_request() => Err(RunFailure::new("stopped")),
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

    /// The time limit of a test, generous enough for slow machines.
    const TEST_TIMEOUT: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn run_completes_and_passes_its_checks() {
        let experiment = short_experiment(&[]);
        let (failure, trace) =
            run_to_end(&experiment, RunThread::start(&experiment, ()).unwrap()).await;
        assert_eq!(failure, None);
        let verdicts = experiment.scenario().judge(&trace);
        let count = |outcome| verdicts.iter().filter(|it| it.outcome == outcome).count();
        assert_eq!(count(Outcome::Failed), 0, "{verdicts:#?}");
        assert!(count(Outcome::Passed) >= 5, "{verdicts:#?}");
    }

    #[tokio::test]
    async fn first_panic_ends_the_run() {
        // Sync listeners panic in the scenario itself, async listeners in a task.
        for listeners in ["sync", "async"] {
            let experiment = short_experiment(&[
                ("fault", "panic"),
                ("fail_rate", "100"),
                ("listeners", listeners),
            ]);
            let (failure, trace) =
                run_to_end(&experiment, RunThread::start(&experiment, ()).unwrap()).await;
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
            assert_eq!(in_flight, 0, "{listeners}: calls in flight");
            assert!(trace.id("cancelled").is_some(), "{listeners}");
        }
    }

    #[tokio::test]
    async fn dropped_run_releases_its_guard_while_blocked() {
        // Half an hour of blocking work. The first handler record shows that it has
        // started.
        let experiment = short_experiment(&[("email_latency", "5000"), ("users", "400")]);
        let (guard, released) = oneshot::channel::<()>();
        let mut running = RunThread::start(&experiment, guard).unwrap();
        let recorder = running.recorder();
        let has_started = || {
            let batch = recorder.drain();
            batch
                .events
                .iter()
                .any(|event| event.kind == RecordKind::Handle)
        };
        let since = Instant::now();
        while !has_started() {
            assert_eq!(running.ended.try_recv().ok(), None, "the run ended early");
            assert!(since.elapsed() < TEST_TIMEOUT, "no handler started");
            tokio::task::yield_now().await;
        }
        drop(running);
        let released = tokio::time::timeout(TEST_TIMEOUT, released).await;
        assert!(released.unwrap().is_err(), "the guard was not dropped");
    }

    fn short_experiment(set: &[(&str, &str)]) -> Experiment {
        let mut experiment = scenario::find("decoupling").unwrap().experiment();
        let defaults = [("users", "4"), ("interval", "1"), ("email_latency", "2")];
        for (key, value) in defaults.iter().chain(set) {
            experiment.set(key, value).unwrap();
        }
        experiment.set("seed", "3").unwrap();
        experiment
    }

    async fn run_to_end(
        experiment: &Experiment,
        mut running: RunThread,
    ) -> (Option<RunFailure>, Trace) {
        let failure = running.ended().await;
        let mut trace = experiment.new_trace("native");
        trace.append(running.recorder().drain());
        (failure, trace)
    }
}
