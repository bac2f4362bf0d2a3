//! What the checks ask of a trace.

use super::{
    FRONT, HANGING, NOT_DRAINED, RELOAD_ABORTED, RELOADED, RELOADING, STOPPED, SUPERVISOR,
    served::Requests,
};
use crate::{
    scenario::fleet::{DRAINING, KILLED, STARTING},
    trace::{Event, Kind, NameId, Phase, Trace},
};

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(super) struct Facts<'a> {
    pub(super) requests: Requests<'a>,
    /// Every process that was started, or was to be.
    pub(super) lives: Vec<Life<'a>>,
    pub(super) workers: usize,
    /// Where the supervisor gave up, by the place in the trace.
    pub(super) given_up: Option<usize>,
    pub(super) reload: Option<Reload<'a>>,
    /// Requests that were handed to a worker although it was another's turn.
    pub(super) passed_over: usize,
    /// Whether as many were ready again as there should be, after the last end
    /// that nobody had asked for.
    pub(super) is_whole: bool,
    spares_the_busy: bool,
}

/// What became of a process.
pub(super) struct Life<'a> {
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
    /// Requests on record that it has and has not done; once it has exited, those
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

impl<'a> Facts<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_usize);
        let mut facts = Facts {
            requests: Requests::of(trace),
            workers: number("workers"),
            spares_the_busy: trace.param("balance") == "least_busy",
            ..Facts::default()
        };
        for (place, event) in trace.events.iter().enumerate() {
            facts.add(trace, place, event);
            let ready = facts.ready();
            facts.is_whole |= ready >= facts.workers;
            if let Some(reload) = &mut facts.reload
                && reload.end.is_none()
            {
                reload.fewest = reload.fewest.min(ready);
            }
        }
        facts
    }

    /// Processes whose end nobody had asked for.
    pub(super) fn unasked(&self) -> impl Iterator<Item = &Life<'a>> + '_ {
        self.lives.iter().filter(|life| life.ended_unasked())
    }

    /// Whether this happened during a reload.
    pub(super) fn is_in_reload(&self, place: usize) -> bool {
        self.reload.as_ref().is_some_and(|reload| {
            let is_over = reload.end.is_some_and(|(end, _)| end < place);
            reload.begin < place && !is_over
        })
    }

    fn ready(&self) -> usize {
        self.lives.iter().filter(|life| life.takes_work).count()
    }

    fn add(&mut self, trace: &'a Trace, place: usize, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        let is_supervisor = trace.name(event.source) == SUPERVISOR;
        if trace.name(event.source) == FRONT {
            self.requests.counters = event.counters;
        } else if self.requests.is_sample()
            && let Some(life) = self.present(event.source)
        {
            let life = &mut self.lives[life];
            life.calls = event.counters.started - life.earlier;
        }
        match event.kind {
            Kind::Switch => {
                let state = event.target.map_or("", |state| trace.name(state));
                self.switch(place, event, state);
            }
            Kind::Exit if is_supervisor => self.given_up = Some(place),
            Kind::Start | Kind::Exit => {
                let Some(life) = self.present(event.source) else {
                    return;
                };
                let life = &mut self.lives[life];
                life.takes_work = event.kind == Kind::Start;
                if event.kind == Kind::Exit {
                    life.exit = Some((place, cause));
                    self.is_whole &= !life.ended_unasked();
                }
            }
            Kind::Call => self.call(place, event),
            Kind::Result => self.requests.asked = event.subject,
            Kind::Request => self.request(place, event, cause),
            _ => {}
        }
    }

    fn switch(&mut self, place: usize, event: &Event, state: &'a str) {
        if state == STARTING {
            self.lives.push(Life {
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
                let is_it = |life: &&mut Life| life.exit.map(|(exit, _)| exit) == just_now;
                if state == RELOAD_ABORTED
                    && let Some(life) = self.lives.iter_mut().find(is_it)
                {
                    life.was_asked = true;
                }
                if let Some(reload) = &mut self.reload {
                    reload.end = reload.end.or(Some((place, state)));
                }
            }
            (HANGING, Some(life)) => self.lives[life].hangs = true,
            (DRAINING | KILLED, Some(life)) => {
                self.lives[life].takes_work = false;
                self.lives[life].was_asked |= state == DRAINING;
            }
            _ => {}
        }
    }

    fn call(&mut self, place: usize, event: &Event) {
        let Some(chosen) = event.target.and_then(|worker| self.present(worker)) else {
            return;
        };
        let rank = |life: &Life| {
            let in_flight = if self.spares_the_busy {
                life.in_flight
            } else {
                0
            };
            (in_flight, life.last_call)
        };
        let others = self.lives.iter().filter(|life| life.takes_work);
        let first = others.map(rank).min();
        let is_its_turn = self.lives[chosen].takes_work && Some(rank(&self.lives[chosen])) == first;
        self.passed_over += usize::from(!is_its_turn);
        let life = &mut self.lives[chosen];
        life.calls += 1;
        life.in_flight += 1;
        life.last_call = place;
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
        if let Some((life, _)) = request.call
            && self.lives[life].exit.is_none()
        {
            let in_flight = &mut self.lives[life].in_flight;
            *in_flight = in_flight.saturating_sub(1);
        }
    }

    /// The process of a worker that there is at this time.
    fn present(&self, worker: NameId) -> Option<usize> {
        let last = self.lives.iter().rposition(|life| life.worker == worker)?;
        self.lives[last].exit.is_none().then_some(last)
    }
}

impl Life<'_> {
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
