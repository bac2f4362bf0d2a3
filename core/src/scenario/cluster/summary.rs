//! What the checks ask of a trace.

use super::{
    FRONT, HANGING, NOT_DRAINED, RELOAD_ABORTED, RELOADED, RELOADING, STOPPED, SUPERVISOR,
    request_log::RequestLog,
};
use crate::{
    scenario::workers::{DRAINING, KILLED, STARTING},
    trace::{Event, NameId, Phase, RecordKind, Trace},
};

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(super) struct ClusterSummary<'a> {
    pub(super) requests: RequestLog<'a>,
    /// Every process that was started, or was to be.
    pub(super) processes: Vec<ProcessRecord<'a>>,
    pub(super) workers: usize,
    /// Where the supervisor gave up, by the place in the trace.
    pub(super) given_up: Option<usize>,
    pub(super) reload: Option<Reload<'a>>,
    /// RequestLog that were handed to a worker although it was another's turn.
    pub(super) passed_over: usize,
    /// Whether as many were ready again as there should be, after the last end
    /// that nobody had asked for.
    pub(super) is_whole: bool,
    spares_the_busy: bool,
}

/// What became of a process.
pub(super) struct ProcessRecord<'a> {
    pub(super) worker: NameId,
    pub(super) id: u64,
    pub(super) started: usize,
    takes_work: bool,
    /// It was asked to come to its end; or it ended before it could take the place
    /// that a reload had for it, which was aborted for that.
    was_asked: bool,
    pub(super) hangs: bool,
    /// Where it exited, and why if not at its own end.
    pub(super) exit: Option<(usize, Option<&'a str>)>,
    /// How many requests its place had begun before.
    earlier: u64,
    /// How many it was handed; or has begun, where not all are on record.
    pub(super) calls: u64,
    /// RequestLog on record that it has and has not done; once it has exited, those
    /// it left.
    pub(super) in_flight: u64,
    last_call: usize,
}

/// How all workers were replaced, or were to be.
pub(super) struct Reload<'a> {
    pub(super) begin: usize,
    /// Where it was over, and how.
    pub(super) end: Option<(usize, &'a str)>,
    /// How few were ready meanwhile, at worst.
    pub(super) fewest: usize,
}

impl<'a> ClusterSummary<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_usize);
        let mut summary = ClusterSummary {
            requests: RequestLog::of(trace),
            workers: number("workers"),
            spares_the_busy: trace.param("balance") == "least_busy",
            ..ClusterSummary::default()
        };
        for (place, event) in trace.events.iter().enumerate() {
            summary.add(trace, place, event);
            let ready = summary.ready();
            summary.is_whole |= ready >= summary.workers;
            if let Some(reload) = &mut summary.reload
                && reload.end.is_none()
            {
                reload.fewest = reload.fewest.min(ready);
            }
        }
        summary
    }

    /// Processes whose end nobody had asked for.
    pub(super) fn unasked(&self) -> impl Iterator<Item = &ProcessRecord<'a>> + '_ {
        self.processes
            .iter()
            .filter(|process| process.ended_unasked())
    }

    /// Whether this happened during a reload.
    pub(super) fn is_in_reload(&self, place: usize) -> bool {
        self.reload.as_ref().is_some_and(|reload| {
            let is_over = reload.end.is_some_and(|(end, _)| end < place);
            reload.begin < place && !is_over
        })
    }

    fn ready(&self) -> usize {
        self.processes
            .iter()
            .filter(|process| process.takes_work)
            .count()
    }

    fn add(&mut self, trace: &'a Trace, place: usize, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        let is_supervisor = trace.name(event.source) == SUPERVISOR;
        if trace.name(event.source) == FRONT {
            self.requests.counters = event.counters;
        } else if self.requests.is_sample()
            && let Some(process) = self.present(event.source)
        {
            let process = &mut self.processes[process];
            process.calls = event.counters.started - process.earlier;
        }
        match event.kind {
            RecordKind::Switch => {
                let state = event.target.map_or("", |state| trace.name(state));
                self.switch(place, event, state);
            }
            RecordKind::Exit if is_supervisor => self.given_up = Some(place),
            RecordKind::Start | RecordKind::Exit => {
                let Some(process) = self.present(event.source) else {
                    return;
                };
                let process = &mut self.processes[process];
                process.takes_work = event.kind == RecordKind::Start;
                if event.kind == RecordKind::Exit {
                    process.exit = Some((place, cause));
                    self.is_whole &= !process.ended_unasked();
                }
            }
            RecordKind::Call => self.call(place, event),
            RecordKind::Result => self.requests.asked = event.subject,
            RecordKind::Request => self.request(place, event, cause),
            _ => {}
        }
    }

    fn switch(&mut self, place: usize, event: &Event, state: &'a str) {
        if state == STARTING {
            self.processes.push(ProcessRecord {
                worker: event.source,
                id: event.subject,
                started: place,
                takes_work: false,
                was_asked: false,
                hangs: false,
                exit: None,
                earlier: event.counters.started,
                calls: 0,
                in_flight: 0,
                last_call: 0,
            });
            return;
        }
        let ready = self.ready();
        match (state, self.present(event.source)) {
            (RELOADING, _) => {
                self.reload = Some(Reload {
                    begin: place,
                    end: None,
                    fewest: ready,
                });
            }
            (RELOADED | RELOAD_ABORTED, _) => {
                let just_now = place.checked_sub(1);
                let is_it =
                    |process: &&mut ProcessRecord| process.exit.map(|(exit, _)| exit) == just_now;
                if state == RELOAD_ABORTED
                    && let Some(process) = self.processes.iter_mut().find(is_it)
                {
                    process.was_asked = true;
                }
                if let Some(reload) = &mut self.reload {
                    reload.end = reload.end.or(Some((place, state)));
                }
            }
            (HANGING, Some(process)) => self.processes[process].hangs = true,
            (DRAINING | KILLED, Some(process)) => {
                self.processes[process].takes_work = false;
                self.processes[process].was_asked |= state == DRAINING;
            }
            _ => {}
        }
    }

    fn call(&mut self, place: usize, event: &Event) {
        let Some(chosen) = event.target.and_then(|worker| self.present(worker)) else {
            return;
        };
        let rank = |process: &ProcessRecord| {
            let in_flight = if self.spares_the_busy {
                process.in_flight
            } else {
                0
            };
            (in_flight, process.last_call)
        };
        let others = self.processes.iter().filter(|process| process.takes_work);
        let first = others.map(rank).min();
        let is_its_turn =
            self.processes[chosen].takes_work && Some(rank(&self.processes[chosen])) == first;
        self.passed_over += usize::from(!is_its_turn);
        let process = &mut self.processes[chosen];
        process.calls += 1;
        process.in_flight += 1;
        process.last_call = place;
        self.requests.numbered(event.subject).call = Some((chosen, place));
    }

    fn request(&mut self, place: usize, event: &Event, cause: Option<&'a str>) {
        if event.phase == Phase::Begin {
            return self.requests.begin(event.subject, place);
        }
        let request = self.requests.numbered(event.subject);
        request.ends += 1;
        request.end = place;
        request.failure = cause;
        if let Some((process, _)) = request.call
            && self.processes[process].exit.is_none()
        {
            let in_flight = &mut self.processes[process].in_flight;
            *in_flight = in_flight.saturating_sub(1);
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

impl ProcessRecord<'_> {
    pub(super) fn ended_by(&self, cause: &str) -> bool {
        self.exit.is_some_and(|(_, why)| why == Some(cause))
    }

    /// Whether it was gone before it had come to its end.
    pub(super) fn has_died(&self) -> bool {
        self.exit.is_some_and(|(_, cause)| cause.is_some())
    }

    /// Whether its end is one that a supervisor counts.
    pub(super) fn ended_unasked(&self) -> bool {
        let was_asked = self.was_asked || self.ended_by(STOPPED) || self.ended_by(NOT_DRAINED);
        self.exit.is_some() && !was_asked
    }
}
