//! The front: it accepts requests and distributes them to the workers.

use super::{
    ACTIVE_USERS, FRONT, REFUSED,
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
    /// `Some` if simulated users send the requests instead of `arrivals`.
    users: Option<Users>,
    /// One in this many users is recorded.
    sample_every: u64,
    /// Counts the requests of unrecorded users.
    counting_recorder: Recorder,
    /// Number of requests that have arrived.
    arrived: u64,
    /// The number of the request that triggers the event.
    fault_number: u64,
    /// The open requests in order of arrival. A finished request leaves a gap until all
    /// earlier ones have finished.
    open: VecDeque<Option<OpenRequest>>,
    /// The numbers of the open requests that wait for a worker.
    waiting: Vec<u64>,
}

/// An unanswered request.
struct OpenRequest {
    /// Numbered from 1 in order of arrival.
    number: u64,
    /// Its subject in the trace: the user's number, or `number` if there are no users.
    subject: u64,
    request: Span,
    /// The span during which a worker handles it.
    handle_span: Option<Span>,
    /// The worker it was sent to.
    worker: Option<WorkerId>,
}

impl Front {
    pub(super) fn start(context: &Context) -> Self {
        let id = context.trace.name(FRONT);
        context.trace.instant(RecordKind::Start, id, 0);
        let users = Users::of(context);
        let arrival_count = || context.params.integer("requests");
        let requests = users.as_ref().map_or_else(arrival_count, Users::requests);
        Front {
            id,
            pool: WorkerPool::start(context),
            arrivals: Arrivals::new(context),
            users,
            sample_every: users::sample_every(context.params.integer("users")),
            counting_recorder: context.trace.counting(),
            arrived: 0,
            fault_number: (requests * 2).div_ceil(5),
            open: VecDeque::new(),
            waiting: Vec::new(),
            context: context.clone(),
        }
    }

    /// Handles the next event. Returns `false` when the run is complete.
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
            Some((worker, ProcessEvent::Ready)) => self.pool.on_ready(worker),
            Some((worker, ProcessEvent::Message(line))) => self.on_message(worker, &line),
            Some((worker, ProcessEvent::Exited(exit))) => {
                self.pool.on_exit(worker, &exit);
                self.fail_in_flight(worker);
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

    /// Drains the workers and waits for their exits.
    pub(super) async fn close(self) {
        if let Some(users) = &self.users {
            let trace = &self.context.trace;
            trace.send(
                RecordKind::Result,
                self.id,
                trace.name(ACTIVE_USERS),
                users.active_count(),
            );
        }
        self.pool.close().await;
    }

    /// Admits all requests that have arrived.
    fn admit(&mut self) {
        let now = self.now();
        loop {
            let next = match &mut self.users {
                Some(users) => users.take(now),
                None => self.arrivals.take(now),
            };
            let Some((subject, arrived)) = next else {
                return;
            };
            self.arrived += 1;
            let number = self.arrived;
            let trace = self.trace(subject);
            let open = OpenRequest {
                number,
                subject,
                request: trace.begin_at(arrived, RecordKind::Request, self.id, subject),
                handle_span: None,
                worker: None,
            };
            self.open.push_back(Some(open));
            self.dispatch(number);
            if number == self.fault_number {
                self.pool.inject_fault();
            }
        }
    }

    /// Sends a request to a worker. If none is ready, the request waits, or is refused
    /// if none will become ready.
    fn dispatch(&mut self, number: u64) {
        let Some((worker, name)) = self.pool.pick() else {
            if self.pool.expects_workers() {
                self.waiting.push(number);
            } else {
                self.end(number, Some(REFUSED));
            }
            return;
        };
        if let Some(open) = self.find(number) {
            open.worker = Some(worker);
            let subject = open.subject;
            self.trace(subject)
                .send(RecordKind::Call, self.id, name, subject);
        }
        self.pool.send(worker, number.to_string());
    }

    /// Handles a report from a worker.
    fn on_message(&mut self, worker: WorkerId, line: &str) {
        match WorkerReport::read(line) {
            None => {}
            Some(WorkerReport::Beat) => self.pool.record_heartbeat(worker),
            Some(WorkerReport::Started(number)) => {
                if let Some(name) = self.pool.name(worker)
                    && let Some(subject) = self.find(number).map(|open| open.subject)
                {
                    let handle_span = self.trace(subject).begin(RecordKind::Handle, name, subject);
                    if let Some(open) = self.find(number) {
                        open.handle_span = Some(handle_span);
                    }
                }
            }
            Some(WorkerReport::Done(number)) => {
                self.pool.on_completed(worker);
                self.end(number, None);
            }
        }
    }

    /// Fails the requests in flight on a worker that exited. They are not retried,
    /// because they may have taken effect already.
    fn fail_in_flight(&mut self, worker: WorkerId) {
        let open = self.open.iter().flatten();
        let in_flight = open.filter(|open| open.worker == Some(worker));
        let in_flight: Vec<u64> = in_flight.map(|open| open.number).collect();
        for number in in_flight {
            self.end(number, Some(LOST));
        }
    }

    /// Ends a request. `failure` is the cause if it failed.
    fn end(&mut self, number: u64, failure: Option<&str>) {
        let Some(open) = self.entry(number).and_then(Option::take) else {
            return;
        };
        while let Some(None) = self.open.front() {
            self.open.pop_front();
        }
        let end = |span: Span| match failure {
            Some(cause) => span.fail(cause),
            None => span.succeed(),
        };
        open.handle_span.map(end);
        end(open.request);
        let now = self.now();
        if let Some(users) = &mut self.users {
            users.on_response(open.subject, now);
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut OpenRequest> {
        self.entry(number)?.as_mut()
    }

    fn entry(&mut self, number: u64) -> Option<&mut Option<OpenRequest>> {
        // The last entry is the latest arrival.
        let distance_from_last = usize::try_from(self.arrived.checked_sub(number)?).ok()?;
        let index = self.open.len().checked_sub(distance_from_last + 1)?;
        self.open.get_mut(index)
    }

    /// Returns the recorder for a subject. Outside the sample, it only counts.
    fn trace(&self, subject: u64) -> &Recorder {
        if subject.is_multiple_of(self.sample_every) {
            &self.context.trace
        } else {
            &self.counting_recorder
        }
    }

    fn now(&self) -> Duration {
        self.context.platform.now()
    }
}
