//! Who takes the requests, and hands them to the workers.

use super::{
    FRONT, HAVE_ASKED, REFUSED,
    users::{self, Users},
    worker::WorkerReport,
    worker_pool::WorkerPool,
};
use crate::{
    platform::ProcessEvent,
    scale::WorkerId,
    scenario::{Context, arrivals::Arrivals, workers::LOST},
    trace::{NameId, RecordKind, Recorder, Span},
};
use std::{collections::VecDeque, mem, time::Duration};

pub(super) struct Front {
    context: Context,
    id: NameId,
    pool: WorkerPool,
    arrivals: Arrivals,
    /// In place of arrivals from outside.
    users: Option<Users>,
    /// Of how many users one is on record.
    one_of: u64,
    /// For the others.
    counting: Recorder,
    /// How many requests have come.
    came: u64,
    /// With which of them something happens.
    fault_at: u64,
    /// RequestLog that are not answered yet, each at its place in the order in which
    /// they came, from the first of them on.
    open: VecDeque<Option<OpenRequest>>,
    /// Those of them that wait for a worker.
    waiting: Vec<u64>,
}

/// A request that is not answered yet.
struct OpenRequest {
    /// Which it is of all.
    number: u64,
    /// The same, or whose it is.
    subject: u64,
    request: Span,
    /// While it holds a loop.
    work: Option<Span>,
    /// Who has it.
    at: Option<WorkerId>,
}

impl Front {
    pub(super) fn start(context: &Context) -> Self {
        let id = context.trace.name(FRONT);
        context.trace.instant(RecordKind::Start, id, 0);
        let users = Users::of(context);
        let outside = || context.params.integer("requests");
        let requests = users.as_ref().map_or_else(outside, Users::requests);
        Front {
            id,
            pool: WorkerPool::start(context),
            arrivals: Arrivals::new(context),
            users,
            one_of: users::one_of(context.params.integer("users")),
            counting: context.trace.counting(),
            came: 0,
            fault_at: (requests * 2).div_ceil(5),
            open: VecDeque::new(),
            waiting: Vec::new(),
            context: context.clone(),
        }
    }

    /// Does what is to be done next; `false` if there is nothing more.
    pub(super) async fn next(&mut self) -> bool {
        let (has_started, due) = match &self.users {
            Some(users) => (users.has_started(), users.due()),
            None => (self.arrivals.has_started(), self.arrivals.due()),
        };
        let is_over = has_started && due.is_none() && self.open.is_empty();
        if is_over && self.pool.is_settled() {
            return false;
        }
        match self.pool.next(due).await {
            Some((member, ProcessEvent::Ready)) => self.pool.ready(member),
            Some((member, ProcessEvent::Message(line))) => self.on_message(member, &line),
            Some((member, ProcessEvent::Exited(exit))) => {
                self.pool.exited(member, &exit);
                self.lose(member);
            }
            None => {}
        }
        if !self.pool.keeps_waiting() {
            for number in mem::take(&mut self.waiting) {
                self.dispatch(number);
            }
        }
        if !has_started && self.pool.is_settled() {
            let now = self.now();
            match &mut self.users {
                Some(users) => users.begin(now),
                None => self.arrivals.begin(now),
            }
        }
        self.admit();
        true
    }

    /// Lets the workers come to their end.
    pub(super) async fn close(self) {
        if let Some(users) = &self.users {
            let trace = &self.context.trace;
            trace.send(
                RecordKind::Result,
                self.id,
                trace.name(HAVE_ASKED),
                users.asked(),
            );
        }
        self.pool.close().await;
    }

    /// Takes the requests that have arrived by now.
    fn admit(&mut self) {
        let now = self.now();
        loop {
            let next = match &mut self.users {
                Some(users) => users.take(now),
                None => self.arrivals.take(now),
            };
            let Some((subject, came)) = next else {
                return;
            };
            self.came += 1;
            let number = self.came;
            let trace = self.trace(subject);
            let open = OpenRequest {
                number,
                subject,
                request: trace.begin_at(came, RecordKind::Request, self.id, subject),
                work: None,
                at: None,
            };
            self.open.push_back(Some(open));
            self.dispatch(number);
            if number == self.fault_at {
                self.pool.inject_fault();
            }
        }
    }

    /// Hands a request to a worker. If there is none it waits, or is refused if
    /// there will be none.
    fn dispatch(&mut self, number: u64) {
        let Some((member, worker)) = self.pool.pick() else {
            if self.pool.is_worth_waiting() {
                self.waiting.push(number);
            } else {
                self.end(number, Some(REFUSED));
            }
            return;
        };
        if let Some(open) = self.find(number) {
            open.at = Some(member);
            let subject = open.subject;
            self.trace(subject)
                .send(RecordKind::Call, self.id, worker, subject);
        }
        self.pool.send(member, number.to_string());
    }

    /// A worker tells something.
    fn on_message(&mut self, member: WorkerId, line: &str) {
        match WorkerReport::read(line) {
            None => {}
            Some(WorkerReport::Beat) => self.pool.beat(member),
            Some(WorkerReport::Begun(number)) => {
                if let Some(worker) = self.pool.id(member)
                    && let Some(subject) = self.find(number).map(|open| open.subject)
                {
                    let work = self
                        .trace(subject)
                        .begin(RecordKind::Handle, worker, subject);
                    if let Some(open) = self.find(number) {
                        open.work = Some(work);
                    }
                }
            }
            Some(WorkerReport::Done(number)) => {
                self.pool.done(member);
                self.end(number, None);
            }
        }
    }

    /// What was in flight in a process that has exited is lost. To do it again
    /// would be wrong where nobody knows how far it was.
    fn lose(&mut self, member: WorkerId) {
        let open = self.open.iter().flatten();
        let theirs = open.filter(|open| open.at == Some(member));
        let theirs: Vec<u64> = theirs.map(|open| open.number).collect();
        for number in theirs {
            self.end(number, Some(LOST));
        }
    }

    /// A request is answered, or has failed.
    fn end(&mut self, number: u64, failure: Option<&str>) {
        let Some(open) = self.place(number).and_then(Option::take) else {
            return;
        };
        while let Some(None) = self.open.front() {
            self.open.pop_front();
        }
        let end = |span: Span| match failure {
            Some(cause) => span.fail(cause),
            None => span.succeed(),
        };
        open.work.map(end);
        end(open.request);
        let now = self.now();
        if let Some(users) = &mut self.users {
            users.answer(open.subject, now);
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut OpenRequest> {
        self.place(number)?.as_mut()
    }

    fn place(&mut self, number: u64) -> Option<&mut Option<OpenRequest>> {
        // The last is the latest that came.
        let from_last = usize::try_from(self.came.checked_sub(number)?).ok()?;
        let place = self.open.len().checked_sub(from_last + 1)?;
        self.open.get_mut(place)
    }

    /// Where what is about a user or a request is recorded.
    fn trace(&self, subject: u64) -> &Recorder {
        if subject.is_multiple_of(self.one_of) {
            &self.context.trace
        } else {
            &self.counting
        }
    }

    fn now(&self) -> Duration {
        self.context.platform.now()
    }
}
