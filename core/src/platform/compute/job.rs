//! Jobs on their way from the queue to a thread.

use crate::{
    Clock,
    platform::Job,
    scale::{Cancellation, RunPermit, Sender, WorkError, WorkOutcome},
    trace::{NameId, RecordKind, Recorder, Span},
};
use std::{fmt, sync::Arc, time::Duration};

/// A job that the queue accepted, with all it needs to run and report.
pub(crate) struct AcceptedJob {
    pub(super) job: Job,
    pub(super) number: u64,
    pub(super) trace: Recorder,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sender: Sender<Result<u64, WorkError>>,
    pub(super) cancellation: Cancellation,
}

/// A job for a thread to [`run`](Self::run).
///
/// If it is dropped without running, its ticket resolves to [`WorkError::Lost`].
#[must_use = "dropping a job loses it"]
pub struct QueuedJob {
    accepted: AcceptedJob,
    permit: RunPermit<AcceptedJob>,
}

impl QueuedJob {
    pub(super) fn new(accepted: AcceptedJob, permit: RunPermit<AcceptedJob>) -> Self {
        QueuedJob { accepted, permit }
    }

    /// Runs this job and then the waiting ones on the current thread. `thread` is
    /// the thread's number in its pool, from 1.
    pub fn run(self, thread: u32) {
        let mut next = Some(self);
        while let Some(job) = next {
            next = job.run_one(thread);
        }
    }

    /// Runs this job on the current thread and returns the next waiting one. The
    /// loop, thread 0 in the trace, uses this to run its other tasks in between.
    pub fn run_one(self, thread: u32) -> Option<QueuedJob> {
        match self.begin(thread) {
            JobStart::Running(running) => running.run(),
            JobStart::Cancelled(next) => next,
        }
    }

    /// Begins the job. The caller decides how long it takes.
    pub(crate) fn begin(self, thread: u32) -> JobStart {
        let QueuedJob { accepted, permit } = self;
        if accepted.cancellation.is_cancelled() {
            return JobStart::Cancelled(next(permit, WorkOutcome::Cancelled, None));
        }
        let trace = accepted.trace.on_thread(thread);
        let name = name_of(thread, &trace);
        JobStart::Running(RunningJob {
            span: trace.begin(RecordKind::Compute, name, accepted.number),
            started_at: accepted.clock.now(),
            accepted,
            permit,
        })
    }
}

impl fmt::Debug for QueuedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedJob")
            .field("job", &self.accepted.job)
            .finish_non_exhaustive()
    }
}

/// The outcome of [`QueuedJob::begin`].
pub(crate) enum JobStart {
    Running(RunningJob),
    /// The job was cancelled before it began. Holds the next waiting job.
    Cancelled(Option<QueuedJob>),
}

/// A job in progress.
pub(crate) struct RunningJob {
    span: Span,
    started_at: Duration,
    accepted: AcceptedJob,
    permit: RunPermit<AcceptedJob>,
}

impl RunningJob {
    pub(crate) fn job(&self) -> Job {
        self.accepted.job
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.accepted.cancellation.is_cancelled()
    }

    fn run(self) -> Option<QueuedJob> {
        let cancellation = self.accepted.cancellation.clone();
        let result = self.job().run_until(|| cancellation.is_cancelled());
        self.end(result)
    }

    /// Ends the job with its result, or with `None` if it was cancelled. Returns the
    /// next waiting job.
    pub(crate) fn end(self, result: Option<u64>) -> Option<QueuedJob> {
        let took = self.accepted.clock.now().saturating_sub(self.started_at);
        let Some(result) = result else {
            self.span.fail("cancelled");
            return next(self.permit, WorkOutcome::Cancelled, None);
        };
        // Recorded before the permit is released, so that a trace never shows more
        // running jobs than threads.
        self.span.succeed();
        let next = next(self.permit, WorkOutcome::Done, Some(took));
        // Fails if the ticket was just dropped.
        let _ = self.accepted.sender.send(Ok(result));
        next
    }
}

fn next(
    mut permit: RunPermit<AcceptedJob>,
    ended: WorkOutcome,
    took: Option<Duration>,
) -> Option<QueuedJob> {
    let accepted = permit.next(ended, took)?;
    Some(QueuedJob { accepted, permit })
}

/// Returns a thread's source name in a trace; 0 is the loop.
pub(super) fn name_of(thread: u32, trace: &Recorder) -> NameId {
    match thread {
        0 => trace.name("Loop"),
        _ => trace.name(&["Thread ", &thread.to_string()].concat()),
    }
}
