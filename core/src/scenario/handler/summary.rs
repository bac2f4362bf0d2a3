//! What the checks ask of a trace.

use super::{SUPERVISOR, WORKERS, ledger::BUG};
use crate::{
    scenario::{
        railway::HANDED_BACK,
        workers::{BUG_EXIT, KILLED, KILLED_FROM_OUTSIDE, LOST},
    },
    trace::{Event, NameId, Phase, RecordKind, Trace},
};

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(super) struct HandlerSummary<'a> {
    /// By their numbers, from 1. The first is for what belongs to none.
    pub(super) requests: Vec<TransferRecord<'a>>,
    /// Every process that was ready once.
    pub(super) processes: Vec<WorkerRecord<'a>>,
    /// Processes that ended before they were ready, and were not killed.
    pub(super) stillborn: usize,
    /// Where the supervisor gave up, by the place in the trace.
    pub(super) given_up: Option<usize>,
}

/// What became of a request.
#[derive(Clone, Default)]
pub(super) struct TransferRecord<'a> {
    /// Where it arrived, by the place in the trace.
    pub(super) begin: usize,
    /// To which processes it was handed, and where.
    pub(super) calls: Vec<(usize, usize)>,
    pub(super) handed_back: usize,
    /// What its attempts failed with, in turn.
    pub(super) faults: Vec<&'a str>,
    /// The codes that the log has.
    pub(super) logged: Vec<&'a str>,
    pub(super) retries: usize,
    pub(super) is_wrong: bool,
    pub(super) exposed: usize,
    pub(super) ends: usize,
    /// The status and the code, if it was not answered well.
    pub(super) failure: Option<&'a str>,
}

/// What became of a process.
pub(super) struct WorkerRecord<'a> {
    pub(super) worker: NameId,
    pub(super) id: u64,
    /// Requests that ran into the bug, and into other errors.
    pub(super) bugs: usize,
    pub(super) operational: usize,
    /// What was handed to it after this does not count on its books.
    pub(super) tainted: Option<usize>,
    /// Where it exited, and why if not at its own end.
    pub(super) exit: Option<(usize, Option<&'a str>)>,
}

impl<'a> HandlerSummary<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let requests = trace.param("requests").parse().unwrap_or(0_usize);
        let mut summary = HandlerSummary {
            requests: vec![TransferRecord::default(); requests + 1],
            ..HandlerSummary::default()
        };
        for (place, event) in trace.events.iter().enumerate() {
            summary.add(trace, place, event);
        }
        summary
    }

    /// Requests that ran into the bug.
    pub(super) fn with_bug(&self) -> impl Iterator<Item = &TransferRecord<'a>> + '_ {
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

    /// Whether a worker had the request that had run into the bug before.
    pub(super) fn is_tainted(&self, request: &TransferRecord) -> bool {
        let last = request.calls.last();
        last.is_some_and(|(process, place)| {
            let process = self.processes.get(*process);
            let tainted = process.and_then(|process| process.tainted);
            tainted.is_some_and(|since| since < *place)
        })
    }

    /// Processes that ended by the bug.
    pub(super) fn crashes(&self) -> usize {
        self.processes
            .iter()
            .filter(|process| process.has_crashed())
            .count()
    }

    /// Processes that somebody else killed.
    pub(super) fn killed_from_outside(&self) -> usize {
        let is_killed = |process: &&WorkerRecord| process.ended_by(KILLED_FROM_OUTSIDE);
        self.processes.iter().filter(is_killed).count()
    }

    /// Whether another process has taken the place of this one.
    pub(super) fn is_replaced(&self, process: usize) -> bool {
        let worker = self.processes[process].worker;
        self.processes[process + 1..]
            .iter()
            .any(|it| it.worker == worker)
    }

    fn add(&mut self, trace: &'a Trace, place: usize, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        match event.kind {
            RecordKind::Start if event.subject > 0 => self.processes.push(WorkerRecord {
                worker: event.source,
                id: event.subject,
                bugs: 0,
                operational: 0,
                tainted: None,
                exit: None,
            }),
            RecordKind::Exit if trace.name(event.source) == SUPERVISOR => {
                self.given_up = Some(place)
            }
            RecordKind::Exit => match self.present(event.source) {
                Some(process) => self.processes[process].exit = Some((place, cause)),
                None => self.stillborn += usize::from(cause != Some(KILLED)),
            },
            _ => self.add_to_request(trace, place, event),
        }
    }

    fn add_to_request(&mut self, trace: &'a Trace, place: usize, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        let process = self.present(event.target.unwrap_or(event.source));
        let number = usize::try_from(event.subject).unwrap_or(0);
        let number = if number < self.requests.len() {
            number
        } else {
            0
        };
        let request = &mut self.requests[number];
        match (event.kind, event.phase) {
            (RecordKind::Request, Phase::Begin) => request.begin = place,
            (RecordKind::Request, _) => {
                request.ends += 1;
                request.failure = cause;
            }
            (RecordKind::Call, _) => request
                .calls
                .extend(process.map(|process| (process, place))),
            (RecordKind::Handle, Phase::End) => match cause {
                None | Some(LOST) => {}
                Some(HANDED_BACK) => request.handed_back += 1,
                Some(fault) => {
                    request.faults.push(fault);
                    let call = request.calls.last().map(|(_, place)| *place);
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

    /// The process of a worker that there is at this time.
    fn present(&self, worker: NameId) -> Option<usize> {
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

    /// How often it was handed to a worker that took it.
    pub(super) fn tries(&self) -> usize {
        self.calls.len().saturating_sub(self.handed_back)
    }
}

impl WorkerRecord<'_> {
    pub(super) fn has_crashed(&self) -> bool {
        self.ended_by(BUG_EXIT)
    }

    pub(super) fn ended_by(&self, cause: &str) -> bool {
        self.exit.is_some_and(|(_, why)| why == Some(cause))
    }

    fn fail(&mut self, fault: &str, call: Option<usize>) {
        if fault != BUG {
            self.operational += 1;
            return;
        }
        self.bugs += 1;
        self.tainted = match (self.tainted, call) {
            (Some(since), Some(call)) => Some(since.min(call)),
            (since, call) => since.or(call),
        };
    }
}

/// How many workers there are to be.
pub(super) fn workers(trace: &Trace) -> usize {
    let workers = trace.param("workers").parse().unwrap_or(0);
    WORKERS.min(workers)
}
