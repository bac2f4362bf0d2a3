//! A summary of a trace, for the checks.

use super::{
    faults::{HANGING, RELOADING, STOPPED},
    front::{FRONT, REJECTED},
    request_log::{RequestLog, RequestRecord},
};
use crate::{
    scenario::{
        supervised_cluster::{NOT_DRAINED, RELOAD_ABORTED, RELOADED, SUPERVISOR},
        workers::{DRAINING, KILLED, STARTING},
    },
    trace::{Event, NameId, Phase, RecordKind, Trace},
};
use std::collections::VecDeque;

/// The workers and requests of a run, collected in one pass over the trace. Indexes
/// refer to trace events.
#[derive(Default)]
pub(super) struct ClusterSummary<'a> {
    pub(super) requests: RequestLog<'a>,
    /// All processes, including those that failed to start.
    pub(super) processes: Vec<ProcessRecord<'a>>,
    pub(super) workers: usize,
    /// The index at which the supervisor gave up.
    pub(super) given_up: Option<usize>,
    pub(super) reload: Option<Reload<'a>>,
    /// Number of requests sent out of order or to another worker than load balancing
    /// should pick, and of records made while a request waited that a worker could
    /// take.
    pub(super) misrouted_count: usize,
    /// The number of requests that may wait.
    pub(super) queue: usize,
    /// The maximum number of waiting requests, at the front and at the workers.
    pub(super) max_waiting: usize,
    /// `true` if all workers became ready again after the last unexpected exit.
    pub(super) is_complete: bool,
    balance: &'a str,
    /// The entries of the requests that were not sent to a worker, oldest first.
    waiting: VecDeque<usize>,
}

/// The history of a process.
pub(super) struct ProcessRecord<'a> {
    pub(super) worker: NameId,
    pub(super) id: u64,
    pub(super) started: usize,
    is_ready: bool,
    /// `true` if the supervisor drained it, or if it was a replacement whose failure
    /// aborted the reload.
    is_exit_expected: bool,
    pub(super) has_hung: bool,
    /// The index of its exit, and the cause unless it exited normally.
    pub(super) exit: Option<(usize, Option<&'a str>)>,
    /// Requests started by earlier processes under the same worker name.
    earlier_calls: u64,
    /// Requests sent to it, or started by it if not all are recorded.
    pub(super) calls: u64,
    /// Its recorded requests in flight, or after its exit, its unfinished ones.
    pub(super) in_flight: u64,
    last_call: usize,
}

/// A complete or incomplete reload.
pub(super) struct Reload<'a> {
    pub(super) begin: usize,
    /// The index of its end, and the outcome.
    pub(super) end: Option<(usize, &'a str)>,
    pub(super) ready_at_begin: usize,
    /// The lowest number of ready workers during the reload.
    pub(super) min_ready_count: usize,
}

impl<'a> ClusterSummary<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_usize);
        let mut summary = ClusterSummary {
            requests: RequestLog::of(trace),
            workers: number("workers"),
            queue: number("queue"),
            balance: trace.param("balance"),
            ..ClusterSummary::default()
        };
        for (index, event) in trace.events.iter().enumerate() {
            summary.add(trace, index, event);
            let ready = summary.ready();
            summary.is_complete |= ready >= summary.workers;
            if let Some(reload) = &mut summary.reload
                && reload.end.is_none()
            {
                reload.min_ready_count = reload.min_ready_count.min(ready);
            }
        }
        summary
    }

    /// Returns the processes that exited unexpectedly.
    pub(super) fn unexpected_exits(&self) -> impl Iterator<Item = &ProcessRecord<'a>> + '_ {
        self.processes
            .iter()
            .filter(|process| process.exited_unexpectedly())
    }

    /// Returns whether the queue could be full.
    pub(super) fn is_bounded(&self) -> bool {
        let most = match self.requests.users {
            0 => self.requests.all().len() as u64,
            users => users,
        };
        (self.queue as u64) < most
    }

    /// Returns whether a request may have found the queue full. A sample does not show
    /// how many requests wait.
    pub(super) fn may_have_found_queue_full(&self, request: &RequestRecord) -> bool {
        request.found_queue_full || self.requests.is_sample() && self.is_bounded()
    }

    /// Returns whether an index lies within the reload.
    pub(super) fn is_in_reload(&self, index: usize) -> bool {
        self.reload.as_ref().is_some_and(|reload| {
            let is_over = reload.end.is_some_and(|(end, _)| end < index);
            reload.begin < index && !is_over
        })
    }

    fn ready(&self) -> usize {
        self.processes
            .iter()
            .filter(|process| process.is_ready)
            .count()
    }

    fn add(&mut self, trace: &'a Trace, index: usize, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        let is_supervisor = trace.name(event.source) == SUPERVISOR;
        if trace.name(event.source) == FRONT {
            self.requests.counters = event.counters;
        } else if self.requests.is_sample()
            && let Some(process) = self.current(event.source)
        {
            let process = &mut self.processes[process];
            process.calls = event.counters.started - process.earlier_calls;
        }
        match event.kind {
            RecordKind::Switch => {
                let state = event.target.map_or("", |state| trace.name(state));
                self.switch(index, event, state);
            }
            RecordKind::Exit if is_supervisor => self.given_up = Some(index),
            RecordKind::Start | RecordKind::Exit => {
                let Some(process) = self.current(event.source) else {
                    return;
                };
                let process = &mut self.processes[process];
                process.is_ready = event.kind == RecordKind::Start;
                if event.kind == RecordKind::Exit {
                    process.exit = Some((index, cause));
                    self.is_complete &= !process.exited_unexpectedly();
                }
            }
            RecordKind::Call => self.call(index, event),
            RecordKind::Result if self.requests.users > 0 => {
                self.requests.active_users = event.subject;
            }
            RecordKind::Request => self.request(index, event, cause),
            _ => {}
        }
    }

    fn switch(&mut self, index: usize, event: &Event, state: &'a str) {
        if state == STARTING {
            self.processes.push(ProcessRecord {
                worker: event.source,
                id: event.subject,
                started: index,
                is_ready: false,
                is_exit_expected: false,
                has_hung: false,
                exit: None,
                earlier_calls: event.counters.started,
                calls: 0,
                in_flight: 0,
                last_call: 0,
            });
            return;
        }
        let ready = self.ready();
        match (state, self.current(event.source)) {
            (RELOADING, _) => {
                self.reload = Some(Reload {
                    begin: index,
                    end: None,
                    ready_at_begin: ready,
                    min_ready_count: ready,
                });
            }
            (RELOADED | RELOAD_ABORTED, _) => {
                let previous = index.checked_sub(1);
                let just_exited =
                    |process: &&mut ProcessRecord| process.exit.map(|(exit, _)| exit) == previous;
                if state == RELOAD_ABORTED
                    && let Some(process) = self.processes.iter_mut().find(just_exited)
                {
                    process.is_exit_expected = true;
                }
                if let Some(reload) = &mut self.reload {
                    reload.end = reload.end.or(Some((index, state)));
                }
            }
            (HANGING, Some(process)) => self.processes[process].has_hung = true,
            (DRAINING | KILLED, Some(process)) => {
                self.processes[process].is_ready = false;
                self.processes[process].is_exit_expected |= state == DRAINING;
            }
            _ => {}
        }
    }

    fn call(&mut self, index: usize, event: &Event) {
        let Some(chosen) = event.target.and_then(|worker| self.current(worker)) else {
            return;
        };
        let request = self.requests.entry(event.subject);
        let is_next_request = self.stop_waiting(request) == Some(0);
        let rank = self.rank(&self.processes[chosen]);
        let best_rank = self.best().and_then(|best| self.rank(best));
        let is_next_worker = rank.is_some() && rank == best_rank;
        self.misrouted_count += usize::from(!is_next_request || !is_next_worker);
        let process = &mut self.processes[chosen];
        process.calls += 1;
        process.in_flight += 1;
        process.last_call = index;
        self.requests.get_mut(request).call = Some((chosen, index));
    }

    fn request(&mut self, index: usize, event: &Event, cause: Option<&'a str>) {
        // A rejection is part of the arrival of the same request.
        if event.phase == Phase::Begin || cause != Some(REJECTED) {
            let has_delayed = !self.waiting.is_empty() && self.best().is_some();
            self.misrouted_count += usize::from(has_delayed);
            self.max_waiting = self.max_waiting.max(self.waiting_count());
        }
        if event.phase == Phase::Begin {
            let request = self.requests.begin(event.subject, index);
            self.waiting.push_back(request);
            return;
        }
        let entry = self.requests.entry(event.subject);
        self.stop_waiting(entry);
        let is_worker_free = self.best().is_some_and(|best| best.in_flight == 0);
        let found_queue_full = !is_worker_free && self.waiting_count() >= self.queue;
        let request = self.requests.get_mut(entry);
        request.end_count += 1;
        request.end = index;
        request.failure = cause;
        request.found_queue_full = found_queue_full;
        if let Some((process, _)) = request.call
            && self.processes[process].exit.is_none()
        {
            let in_flight = &mut self.processes[process].in_flight;
            *in_flight = in_flight.saturating_sub(1);
        }
    }

    /// Removes a request from those that wait, and returns its position among them.
    fn stop_waiting(&mut self, request: usize) -> Option<usize> {
        let position = self.waiting.binary_search(&request).ok()?;
        self.waiting.remove(position);
        Some(position)
    }

    /// Counts the requests that no worker has started. A worker handles one at a time.
    fn waiting_count(&self) -> usize {
        let running = self.processes.iter().filter(|it| it.exit.is_none());
        let at_workers: u64 = running.map(|it| it.in_flight.saturating_sub(1)).sum();
        self.waiting.len() + usize::try_from(at_workers).unwrap_or(usize::MAX)
    }

    /// Returns the process that load balancing should pick for the next request.
    fn best(&self) -> Option<&ProcessRecord<'a>> {
        let processes = self.processes.iter();
        let ranked = processes.filter_map(|process| Some((self.rank(process)?, process)));
        let (_, best) = ranked.min_by_key(|(rank, _)| *rank)?;
        Some(best)
    }

    /// Returns the rank of a process for the next request, the lowest being the best,
    /// or `None` if it cannot take one.
    fn rank(&self, process: &ProcessRecord) -> Option<(u64, usize)> {
        let in_flight = process.in_flight;
        match self.balance {
            _ if !process.is_ready => None,
            "least_busy" => Some((in_flight, process.last_call)),
            "shared_queue" => (in_flight == 0).then_some((0, process.last_call)),
            _ => Some((0, process.last_call)),
        }
    }

    /// Returns the worker's running process.
    fn current(&self, worker: NameId) -> Option<usize> {
        let last = self
            .processes
            .iter()
            .rposition(|process| process.worker == worker)?;
        self.processes[last].exit.is_none().then_some(last)
    }
}

impl ProcessRecord<'_> {
    pub(super) fn exited_with(&self, cause: &str) -> bool {
        self.exit.is_some_and(|(_, actual)| actual == Some(cause))
    }

    /// Returns whether it exited abnormally.
    pub(super) fn has_failed(&self) -> bool {
        self.exit.is_some_and(|(_, cause)| cause.is_some())
    }

    /// Returns whether the supervisor counts its exit as unexpected.
    pub(super) fn exited_unexpectedly(&self) -> bool {
        let is_exit_expected =
            self.is_exit_expected || self.exited_with(STOPPED) || self.exited_with(NOT_DRAINED);
        self.exit.is_some() && !is_exit_expected
    }
}
