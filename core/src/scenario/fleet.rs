//! The processes of a cluster, each at a place of its own, and on record.
//!
//! Who is to be started, drained or killed others decide: a
//! [`Supervisor`](crate::scale::Supervisor), mostly.

use super::Context;
use crate::{
    platform::{Exit, Platform, Process, ProcessEvent, Program},
    trace::{Kind, NameId, Recorder},
};
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use std::{rc::Rc, time::Duration};

/// What a process changes to, in the trace.
pub(super) const STARTING: &str = "starting";
pub(super) const DRAINING: &str = "draining";
pub(super) const KILLED: &str = "killed";

/// How a process ends that nobody here killed: whoever found its id in the report
/// did.
pub(super) const KILLED_FROM_OUTSIDE: &str = "killed from outside";

/// How a process ends that panicked.
pub(super) const BUG_EXIT: &str = "a bug";

/// How a supervisor ends that has given up.
pub(super) const GIVEN_UP: &str = "too many restarts";

/// How a request ends, or an attempt at it, of whoever had it when it died.
pub(super) const LOST: &str = "lost";

/// Who a process is to its supervisor: which slot's, and which generation there.
pub(super) type Member = (usize, u64);

/// The processes of a cluster.
///
/// In a reload two processes of a slot run at once, so a place is not a slot: a
/// process gets its slot's place if nobody is there, else the first that is free.
/// Who is gone leaves its place.
pub(super) struct Fleet {
    platform: Platform,
    trace: Recorder,
    places: Vec<Place>,
    sender: mpsc::UnboundedSender<(Member, ProcessEvent)>,
    news: mpsc::UnboundedReceiver<(Member, ProcessEvent)>,
}

struct Place {
    id: NameId,
    crew: Option<Crew>,
}

/// Who is at a place.
struct Crew {
    member: Member,
    process: Rc<Process>,
    state: State,
}

/// What a process does, as far as it is known here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Ready,
    Draining,
    /// It is to be gone, because of that.
    Killed(&'static str),
}

impl Fleet {
    /// So many places, and nobody there.
    pub(super) fn new(context: &Context, places: usize) -> Self {
        let (sender, news) = mpsc::unbounded();
        let mut fleet = Fleet {
            platform: context.platform.clone(),
            trace: context.trace.clone(),
            places: Vec::new(),
            sender,
            news,
        };
        for _place in 0..places {
            fleet.add_place();
        }
        fleet
    }

    /// Starts a process, and tells it its settings. Answers its place.
    pub(super) fn start(
        &mut self,
        member: Member,
        program: &'static Program,
        settings: &str,
    ) -> usize {
        let process = Rc::new(self.platform.start(program));
        process.send(settings);
        let place = self.free_place(member.0);
        self.places[place].crew = Some(Crew {
            member,
            process: Rc::clone(&process),
            state: State::Starting,
        });
        self.switch(place, STARTING);
        let sender = self.sender.clone();
        drop(self.platform.spawn(async move {
            loop {
                let event = process.next().await;
                let is_last = matches!(event, ProcessEvent::Exited(_));
                if sender.unbounded_send((member, event)).is_err() || is_last {
                    return;
                }
            }
        }));
        place
    }

    /// Waits for news, but not beyond `until`.
    pub(super) async fn next(&mut self, until: Option<Duration>) -> Option<(Member, ProcessEvent)> {
        let Some(at) = until else {
            return self.news.next().await;
        };
        let pause = at.saturating_sub(self.platform.now());
        match select(self.news.next(), self.platform.sleep(pause)).await {
            Either::Left((news, _)) => news,
            Either::Right(_) => None,
        }
    }

    /// The name of a place in the trace.
    pub(super) fn id(&self, place: usize) -> NameId {
        self.places[place].id
    }

    /// Where a process is, unless it is gone.
    pub(super) fn place_of(&self, member: Member) -> Option<usize> {
        let is_it = |place: &Place| place.crew.as_ref().is_some_and(|it| it.member == member);
        self.places.iter().position(is_it)
    }

    /// Who is there.
    pub(super) fn member(&self, place: usize) -> Option<Member> {
        self.places[place].crew.as_ref().map(|crew| crew.member)
    }

    /// What who is there does.
    pub(super) fn state(&self, place: usize) -> Option<State> {
        self.places[place].crew.as_ref().map(|crew| crew.state)
    }

    /// What all do that there are.
    pub(super) fn states(&self) -> impl Iterator<Item = State> + '_ {
        (0..self.places.len()).filter_map(|place| self.state(place))
    }

    /// The places of those that take work.
    pub(super) fn ready_places(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.places.len()).filter(|place| self.state(*place) == Some(State::Ready))
    }

    /// Whether nobody is left.
    pub(super) fn is_empty(&self) -> bool {
        self.states().next().is_none()
    }

    pub(super) fn send(&self, place: usize, line: String) {
        if let Some(crew) = &self.places[place].crew {
            crew.process.send(line);
        }
    }

    /// It says that it takes work.
    pub(super) fn ready(&mut self, member: Member) {
        let Some(place) = self.place_of(member) else {
            return;
        };
        if self.state(place) == Some(State::Starting) {
            self.set(place, State::Ready);
            let id = self.process_id(place);
            self.trace.instant(Kind::Start, self.id(place), id);
        }
    }

    /// Nothing more is sent to it, so that it can come to its end.
    pub(super) fn drain(&mut self, place: usize) {
        self.set(place, State::Draining);
        self.switch(place, DRAINING);
        if let Some(crew) = &self.places[place].crew {
            crew.process.close();
        }
    }

    /// Ends it by force; `cause` is how it will have ended.
    pub(super) fn kill(&mut self, place: usize, cause: &'static str) {
        if self.state(place).is_some() {
            self.set(place, State::Killed(cause));
            self.switch(place, KILLED);
            self.shoot(place);
        }
    }

    /// Ends it by force, as somebody else would: nobody here knows.
    pub(super) fn shoot(&self, place: usize) {
        if let Some(crew) = &self.places[place].crew {
            crew.process.kill();
        }
    }

    /// It has exited.
    pub(super) fn bury(&mut self, member: Member, exit: &Exit) {
        let Some(place) = self.place_of(member) else {
            return;
        };
        let process = self.process_id(place);
        let state = self.state(place);
        let id = self.id(place);
        self.places[place].crew = None;
        let cause = match (exit, state) {
            (Exit::Finished, _) => return self.trace.instant(Kind::Exit, id, process),
            (Exit::Bug { .. }, _) => BUG_EXIT,
            (Exit::Killed, Some(State::Killed(cause))) => cause,
            (Exit::Killed, _) => KILLED_FROM_OUTSIDE,
            (Exit::Lost { reason }, _) => reason,
        };
        self.trace.caused(Kind::Exit, id, process, cause);
    }

    fn add_place(&mut self) {
        let number = self.places.len() + 1;
        let id = self.trace.name(&format!("Worker {number}"));
        self.places.push(Place { id, crew: None });
    }

    fn free_place(&mut self, slot: usize) -> usize {
        let is_free = |place: &usize| self.places.get(*place).is_some_and(|it| it.crew.is_none());
        let free = (0..self.places.len()).find(is_free);
        if let Some(place) = Some(slot).filter(is_free).or(free) {
            return place;
        }
        self.add_place();
        self.places.len() - 1
    }

    fn set(&mut self, place: usize, state: State) {
        if let Some(crew) = &mut self.places[place].crew {
            crew.state = state;
        }
    }

    /// Puts on record what it changes to.
    fn switch(&self, place: usize, state: &str) {
        let state = self.trace.name(state);
        let id = self.process_id(place);
        self.trace.send(Kind::Switch, self.id(place), state, id);
    }

    /// 0 if nobody is there.
    pub(super) fn process_id(&self, place: usize) -> u64 {
        let crew = self.places[place].crew.as_ref();
        crew.map_or(0, |crew| crew.process.id().into())
    }
}
