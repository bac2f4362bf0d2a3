//! A summary of a trace, for the checks.

use super::ledger::BUG;
use crate::{
    scenario::{
        railway::HANDED_BACK,
        supervised_cluster::SUPERVISOR,
        workers::{BUG_EXIT, KILLED, KILLED_FROM_OUTSIDE, LOST},
    },
    trace::{Event, NameId, Phase, RecordKind, Trace},
};

/// The workers and requests of a run, collected in one pass over the trace. Indexes
/// refer to trace events.
#[derive(Default)]
pub(super) struct HandlerSummary<'a> {
    /// Indexed by request number. Entry 0 collects records without a known request.
    pub(super) requests: Vec<TransferRecord<'a>>,
    /// All processes that became ready.
    pub(super) processes: Vec<WorkerRecord<'a>>,
    /// Number of processes that exited before becoming ready, without killed ones.
    pub(super) failed_starts: usize,
    /// The index at which the supervisor gave up.
    pub(super) given_up: Option<usize>,
}

/// The history of a request.
#[derive(Clone, Default)]
pub(super) struct TransferRecord<'a> {
    /// The index of its arrival.
    pub(super) begin: usize,
    /// The processes it was sent to, and the indexes of those records.
    pub(super) calls: Vec<(usize, usize)>,
    pub(super) handed_back: usize,
    /// The errors of its attempts in order.
    pub(super) faults: Vec<&'a str>,
    /// The logged error codes.
    pub(super) logged: Vec<&'a str>,
    pub(super) retries: usize,
    pub(super) is_wrong: bool,
    pub(super) exposed: usize,
    pub(super) end_count: usize,
    /// The status and code of the error response.
    pub(super) failure: Option<&'a str>,
}

/// The history of a process.
pub(super) struct WorkerRecord<'a> {
    pub(super) worker: NameId,
    pub(super) id: u64,
    /// Attempts that hit the bug.
    pub(super) bugs: usize,
    /// Attempts with another error.
    pub(super) operational_errors: usize,
    /// The index of the first request that hit the bug. Later requests used a corrupt
    /// ledger.
    pub(super) corrupt_since: Option<usize>,
    /// The index of its exit, and the cause unless it exited normally.
    pub(super) exit: Option<(usize, Option<&'a str>)>,
}

impl<'a> HandlerSummary<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let requests = trace.param("requests").parse().unwrap_or(0_usize);
        let mut summary = HandlerSummary {
            requests: vec![TransferRecord::default(); requests + 1],
            ..HandlerSummary::default()
        };
        for (index, event) in trace.events.iter().enumerate() {
            summary.add(trace, index, event);
        }
        summary
    }

    /// Returns the requests that hit the bug.
    pub(super) fn requests_with_bug(&self) -> impl Iterator<Item = &TransferRecord<'a>> + '_ {
        self.requests.iter().filter(|it| it.bugs() > 0)
    }

    pub(super) fn bugs(&self) -> usize {
        self.requests.iter().map(TransferRecord::bugs).sum()
    }

    pub(super) fn errors(&self) -> usize {
        self.requests.iter().map(|it| it.faults.len()).sum()
    }

    pub(super) fn lost(&self) -> usize {
        self.ended_with(LOST)
    }

    pub(super) fn ended_with(&self, failure: &str) -> usize {
        let requests = self.requests.iter();
        requests.filter(|it| it.failure == Some(failure)).count()
    }

    /// Returns whether the request ran on a corrupt ledger.
    pub(super) fn ran_on_corrupt_ledger(&self, request: &TransferRecord) -> bool {
        let last = request.calls.last();
        last.is_some_and(|(process, index)| {
            let process = self.processes.get(*process);
            let corrupt_since = process.and_then(|process| process.corrupt_since);
            corrupt_since.is_some_and(|since| since < *index)
        })
    }

    /// Counts the processes that crashed on the bug.
    pub(super) fn crashes(&self) -> usize {
        self.processes
            .iter()
            .filter(|process| process.has_crashed())
            .count()
    }

    /// Counts the processes killed from outside.
    pub(super) fn killed_from_outside(&self) -> usize {
        let is_killed = |process: &&WorkerRecord| process.exited_with(KILLED_FROM_OUTSIDE);
        self.processes.iter().filter(is_killed).count()
    }

    /// Returns whether another process replaced this one.
    pub(super) fn is_replaced(&self, process: usize) -> bool {
        let worker = self.processes[process].worker;
        self.processes[process + 1..]
            .iter()
            .any(|it| it.worker == worker)
    }

    fn add(&mut self, trace: &'a Trace, index: usize, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        match event.kind {
            RecordKind::Start if event.subject > 0 => self.processes.push(WorkerRecord {
                worker: event.source,
                id: event.subject,
                bugs: 0,
                operational_errors: 0,
                corrupt_since: None,
                exit: None,
            }),
            RecordKind::Exit if trace.name(event.source) == SUPERVISOR => {
                self.given_up = Some(index);
            }
            RecordKind::Exit => match self.current(event.source) {
                Some(process) => self.processes[process].exit = Some((index, cause)),
                None => self.failed_starts += usize::from(cause != Some(KILLED)),
            },
            _ => self.add_to_request(trace, index, event),
        }
    }

    fn add_to_request(&mut self, trace: &'a Trace, index: usize, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        let process = self.current(event.target.unwrap_or(event.source));
        let number = usize::try_from(event.subject).unwrap_or(0);
        let number = if number < self.requests.len() {
            number
        } else {
            0
        };
        let request = &mut self.requests[number];
        match (event.kind, event.phase) {
            (RecordKind::Request, Phase::Begin) => request.begin = index,
            (RecordKind::Request, _) => {
                request.end_count += 1;
                request.failure = cause;
            }
            (RecordKind::Call, _) => request
                .calls
                .extend(process.map(|process| (process, index))),
            (RecordKind::Handle, Phase::End) => match cause {
                None | Some(LOST) => {}
                Some(HANDED_BACK) => request.handed_back += 1,
                Some(fault) => {
                    request.faults.push(fault);
                    let call = request.calls.last().map(|(_, index)| *index);
                    if let Some(process) = process {
                        self.processes[process].fail(fault, call);
                    }
                }
            },
            (RecordKind::Log, _) => request.logged.extend(cause),
            (RecordKind::Retry, _) => request.retries += 1,
            (RecordKind::Wrong, _) => request.is_wrong = true,
            (RecordKind::Expose, _) => request.exposed += 1,
            _ => {}
        }
    }

    /// Returns the running process of a worker.
    fn current(&self, worker: NameId) -> Option<usize> {
        let last = self
            .processes
            .iter()
            .rposition(|process| process.worker == worker)?;
        self.processes[last].exit.is_none().then_some(last)
    }
}

impl TransferRecord<'_> {
    pub(super) fn bugs(&self) -> usize {
        self.faults.iter().filter(|fault| **fault == BUG).count()
    }

    /// Returns the number of workers that accepted it.
    pub(super) fn attempt_count(&self) -> usize {
        self.calls.len().saturating_sub(self.handed_back)
    }
}

impl WorkerRecord<'_> {
    pub(super) fn has_crashed(&self) -> bool {
        self.exited_with(BUG_EXIT)
    }

    pub(super) fn exited_with(&self, cause: &str) -> bool {
        self.exit.is_some_and(|(_, actual)| actual == Some(cause))
    }

    fn fail(&mut self, fault: &str, call: Option<usize>) {
        if fault != BUG {
            self.operational_errors += 1;
            return;
        }
        self.bugs += 1;
        self.corrupt_since = match (self.corrupt_since, call) {
            (Some(since), Some(call)) => Some(since.min(call)),
            (since, call) => since.or(call),
        };
    }
}

/// Returns the configured number of workers.
pub(super) fn workers(trace: &Trace) -> usize {
    trace.param("workers").parse().unwrap_or(0)
}
