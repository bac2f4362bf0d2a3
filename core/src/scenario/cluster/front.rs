//! Who takes the requests, and hands them to the workers.

use super::{FRONT, REFUSED, crew::Crew, worker::Told};
use crate::{
    platform::ProcessEvent,
    scenario::{
        Context,
        arrivals::Arrivals,
        fleet::{LOST, Member},
    },
    trace::{Kind, NameId, Span},
};
use std::mem;

pub(super) struct Front {
    context: Context,
    id: NameId,
    crew: Crew,
    arrivals: Arrivals,
    /// With which request something happens.
    strike_at: u64,
    /// Requests that are not answered yet.
    open: Vec<Open>,
    /// Those of them that wait for a worker.
    waiting: Vec<u64>,
}

/// A request that is not answered yet.
struct Open {
    number: u64,
    request: Span,
    /// While it holds a loop.
    work: Option<Span>,
    /// Who has it.
    at: Option<Member>,
}

impl Front {
    pub(super) fn start(context: &Context) -> Self {
        let id = context.trace.name(FRONT);
        context.trace.instant(Kind::Start, id, 0);
        let requests = context.params.integer("requests");
        Front {
            id,
            crew: Crew::start(context),
            arrivals: Arrivals::new(context),
            strike_at: (requests * 2).div_ceil(5),
            open: Vec::new(),
            waiting: Vec::new(),
            context: context.clone(),
        }
    }

    /// Does what is to be done next; `false` if there is nothing more.
    pub(super) async fn next(&mut self) -> bool {
        let is_over = self.arrivals.are_over() && self.open.is_empty();
        if is_over && self.crew.is_settled() {
            return false;
        }
        match self.crew.next(self.arrivals.due()).await {
            Some((member, ProcessEvent::Ready)) => self.crew.ready(member),
            Some((member, ProcessEvent::Message(line))) => self.hear(member, &line),
            Some((member, ProcessEvent::Exited(exit))) => {
                self.crew.exited(member, &exit);
                self.lose(member);
            }
            None => {}
        }
        for number in mem::take(&mut self.waiting) {
            self.dispatch(number);
        }
        if !self.arrivals.have_begun() && self.crew.is_settled() {
            self.arrivals.begin(self.context.platform.now());
        }
        self.admit();
        true
    }

    /// Lets the workers come to their end.
    pub(super) async fn close(self) {
        self.crew.close().await;
    }

    /// Takes the requests that have arrived by now.
    fn admit(&mut self) {
        let now = self.context.platform.now();
        while let Some((number, came)) = self.arrivals.take(now) {
            let trace = &self.context.trace;
            self.open.push(Open {
                number,
                request: trace.begin_at(came, Kind::Request, self.id, number),
                work: None,
                at: None,
            });
            self.dispatch(number);
            if number == self.strike_at {
                self.crew.strike();
            }
        }
    }

    /// Hands a request to a worker. If there is none it waits, or is refused if
    /// there will be none.
    fn dispatch(&mut self, number: u64) {
        let Some((member, worker)) = self.crew.pick() else {
            if self.crew.is_worth_waiting() {
                self.waiting.push(number);
            } else if let Some(open) = self.close_request(number) {
                open.request.fail(REFUSED);
            }
            return;
        };
        let trace = &self.context.trace;
        trace.send(Kind::Call, self.id, worker, number);
        if let Some(open) = self.find(number) {
            open.at = Some(member);
        }
        self.crew.send(member, number.to_string());
    }

    /// A worker tells something.
    fn hear(&mut self, member: Member, line: &str) {
        match Told::read(line) {
            None => {}
            Some(Told::Beat) => self.crew.beat(member),
            Some(Told::Begun(number)) => {
                let trace = self.context.trace.clone();
                if let Some(worker) = self.crew.id(member)
                    && let Some(open) = self.find(number)
                {
                    open.work = Some(trace.begin(Kind::Handle, worker, number));
                }
            }
            Some(Told::Done(number)) => {
                self.crew.done(member);
                if let Some(open) = self.close_request(number) {
                    if let Some(work) = open.work {
                        work.succeed();
                    }
                    open.request.succeed();
                }
            }
        }
    }

    /// What was in flight in a process that has exited is lost. To do it again
    /// would be wrong where nobody knows how far it was.
    fn lose(&mut self, member: Member) {
        let theirs = self.open.iter().filter(|open| open.at == Some(member));
        let theirs: Vec<u64> = theirs.map(|open| open.number).collect();
        for number in theirs {
            if let Some(open) = self.close_request(number) {
                if let Some(work) = open.work {
                    work.fail(LOST);
                }
                open.request.fail(LOST);
            }
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut Open> {
        self.open.iter_mut().find(|open| open.number == number)
    }

    fn close_request(&mut self, number: u64) -> Option<Open> {
        let mut places = self.open.iter();
        let place = places.position(|open| open.number == number)?;
        Some(self.open.remove(place))
    }
}
