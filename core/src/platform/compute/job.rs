//! A job on its way to a thread, and back.

use super::name_of;
use crate::{
    Clock,
    scale::{Cancellation, Job, RunPermit, WorkError, WorkOutcome},
    trace::{RecordKind, Recorder, Span},
};
use futures::channel::oneshot;
use std::{fmt, sync::Arc, time::Duration};

/// A job that was accepted.
pub(crate) struct AcceptedJob {
    pub(super) job: Job,
    pub(super) number: u64,
    pub(super) trace: Recorder,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sender: oneshot::Sender<Result<u64, WorkError>>,
    pub(super) cancellation: Cancellation,
}

/// A job on its way to a thread, which is to [`run`](Self::run) it. Dropped
/// instead, it is [lost](WorkError::Lost).
#[must_use = "dropped, it is lost"]
pub struct QueuedJob {
    computing: AcceptedJob,
    place: RunPermit<AcceptedJob>,
}

impl QueuedJob {
    pub(super) fn new(computing: AcceptedJob, place: RunPermit<AcceptedJob>) -> Self {
        QueuedJob { computing, place }
    }

    /// Does the job on this thread, and then those that wait. `thread` is its
    /// number in the trace: unlike that of any other thread of the run.
    pub fn run(self, thread: u32) {
        let mut next = Some(self);
        while let Some(job) = next {
            next = job.run_one(thread);
        }
    }

    /// Does the job on this thread, and answers the next: for a loop, 0 in the
    /// trace, which does other things in between.
    pub fn run_one(self, thread: u32) -> Option<QueuedJob> {
        match self.begin(thread) {
            JobStart::Running(running) => running.run(),
            JobStart::Cancelled(next) => next,
        }
    }

    /// Begins, and leaves it to the caller to let time pass.
    pub(crate) fn begin(self, thread: u32) -> JobStart {
        let QueuedJob { computing, place } = self;
        if computing.cancellation.is_cancelled() {
            return JobStart::Cancelled(next(place, WorkOutcome::Cancelled, None));
        }
        let trace = computing.trace.on_thread(thread);
        let name = name_of(thread, &trace);
        JobStart::Running(RunningJob {
            span: trace.begin(RecordKind::Compute, name, computing.number),
            at: computing.clock.now(),
            computing,
            place,
        })
    }
}

impl fmt::Debug for QueuedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedJob")
            .field("job", &self.computing.job)
            .finish_non_exhaustive()
    }
}

/// What has become of an job that was to begin.
pub(crate) enum JobStart {
    Running(RunningJob),
    /// It was cancelled before; that is the next.
    Cancelled(Option<QueuedJob>),
}

/// A job under way.
pub(crate) struct RunningJob {
    span: Span,
    at: Duration,
    computing: AcceptedJob,
    place: RunPermit<AcceptedJob>,
}

impl RunningJob {
    pub(crate) fn job(&self) -> Job {
        self.computing.job
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.computing.cancellation.is_cancelled()
    }

    fn run(self) -> Option<QueuedJob> {
        let cancellation = self.computing.cancellation.clone();
        let result = self.job().run_until(|| cancellation.is_cancelled());
        self.end(result)
    }

    /// It has come to a result, or was cancelled. Answers what its thread does
    /// next.
    pub(crate) fn end(self, result: Option<u64>) -> Option<QueuedJob> {
        let took = self.computing.clock.now().saturating_sub(self.at);
        let Some(result) = result else {
            self.span.fail("cancelled");
            return next(self.place, WorkOutcome::Cancelled, None);
        };
        // On record before its place is free: never more at once than there are.
        self.span.succeed();
        let next = next(self.place, WorkOutcome::Done, Some(took));
        // Nobody waits if the ticket was dropped at the last moment.
        let _ = self.computing.sender.send(Ok(result));
        next
    }
}

fn next(
    mut place: RunPermit<AcceptedJob>,
    ended: WorkOutcome,
    took: Option<Duration>,
) -> Option<QueuedJob> {
    let computing = place.next(ended, took)?;
    Some(QueuedJob { computing, place })
}
