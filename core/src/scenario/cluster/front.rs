//! The front: it accepts requests and distributes them to the workers.

use super::{
    faults::Faults,
    sampling::Sampling,
    users::Users,
    worker::{self, WORKER, WorkerReport},
};
use crate::{
    latency::nanos,
    scale::WorkerId,
    scenario::{
        Context,
        arrivals::Arrivals,
        load,
        supervised_cluster::{
            self, Assignment, Balancing, ClusterEvent, ClusterOptions, SupervisedCluster,
        },
        workers::LOST,
    },
    trace::{NameId, RecordKind, Recorder, Span, TOTAL_SERVICE_TIME},
    workload::Times,
};
use std::{cell::Cell, collections::VecDeque, rc::Rc, time::Duration};

/// The front's name in the trace.
pub(super) const FRONT: &str = "Front";

/// The failure of a request that no worker can take and that may not wait.
pub(super) const REJECTED: &str = "rejected";

/// The name of the recorded number of users that sent a request.
const ACTIVE_USERS: &str = "Active users";

/// The period over which restarts are counted.
pub(super) const RESTART_PERIOD: Duration = Duration::from_mins(1);

pub(super) struct Front {
    context: Context,
    id: NameId,
    cluster: SupervisedCluster,
    faults: Faults,
    arrivals: Arrivals,
    /// `Some` if simulated users send the requests instead of `arrivals`.
    users: Option<Users>,
    /// The mean time that a worker needs for a request.
    work: Duration,
    times: Times,
    sampling: Sampling,
    /// Writes no records, only counts.
    counting_recorder: Recorder,
    /// Writes only the ends of requests.
    ends_recorder: Recorder,
    /// Number of requests that have arrived.
    arrived: u64,
    /// The sum of the service times of all answered requests.
    service_time: Duration,
    /// The number of the request that triggers the event.
    fault_number: u64,
    /// The open requests in order of arrival. A finished request leaves a gap until all
    /// earlier ones have finished.
    open: VecDeque<Option<OpenRequest>>,
}

/// An unanswered request.
struct OpenRequest {
    /// Numbered from 1 in order of arrival.
    number: u64,
    /// Its subject in the trace: the user's number, or `number` if there are no users.
    subject: u64,
    /// `true` if it is part of the sample.
    is_recorded: bool,
    request: Span,
    /// The time that a worker needs for it.
    work: Duration,
    /// The span during which a worker handles it.
    handle_span: Option<Span>,
    /// The time at which the worker started it.
    started: Duration,
    /// The worker it was sent to.
    worker: Option<WorkerId>,
}

impl Front {
    pub(super) fn start(context: &Context) -> Self {
        let id = context.trace.name(FRONT);
        context.trace.instant(RecordKind::Start, id, 0);
        let params = &context.params;
        let users = Users::of(context);
        let arrival_count = params.integer("requests");
        let requests = users.as_ref().map_or(arrival_count, Users::requests);
        let work = match users {
            None => params.millis("work"),
            Some(_) => Duration::from_micros(params.integer("service")),
        };
        let is_broken = Rc::default();
        Front {
            id,
            cluster: SupervisedCluster::start(context, options(context, &is_broken)),
            faults: Faults::new(params, is_broken),
            arrivals: Arrivals::new(context, arrival_count),
            users,
            work,
            times: load::work_times(context, 1),
            sampling: Sampling::new(params.integer("users"), arrival_count),
            counting_recorder: context.trace.counting(),
            ends_recorder: context.trace.ends_only(),
            arrived: 0,
            service_time: Duration::ZERO,
            fault_number: (requests * 2).div_ceil(5),
            open: VecDeque::new(),
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
        if is_over && self.is_settled() {
            return false;
        }
        let event = self.cluster.next(due).await;
        self.faults.advance(&mut self.cluster);
        match event {
            Some(ClusterEvent::Message { worker, name, line }) => {
                self.on_message(worker, name, &line);
            }
            Some(ClusterEvent::Exited(worker)) => self.fail_in_flight(worker),
            None => {}
        }
        while let Some(number) = self.cluster.take_waiting() {
            self.dispatch(number);
        }
        if !has_started && self.is_settled() {
            let now = self.now();
            match &mut self.users {
                Some(users) => users.begin(now),
                None => self.arrivals.begin(),
            }
        }
        self.admit();
        true
    }

    /// Drains the workers and waits for their exits.
    pub(super) async fn close(self) {
        let result = match &self.users {
            Some(users) => Some((ACTIVE_USERS, users.active_count())),
            // The records contain only the service times of the sample.
            None if self.sampling.every > 1 => Some((TOTAL_SERVICE_TIME, nanos(self.service_time))),
            None => None,
        };
        if let Some((name, value)) = result {
            let trace = &self.context.trace;
            trace.send(RecordKind::Result, self.id, trace.name(name), value);
        }
        self.cluster.close().await;
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
            let is_recorded = self.sampling.includes(subject);
            let trace = match self.users {
                None if !is_recorded => &self.ends_recorder,
                _ => self.trace(is_recorded),
            };
            let open = OpenRequest {
                number,
                subject,
                is_recorded,
                request: trace.begin_at(arrived, RecordKind::Request, self.id, subject),
                work: self.times.next_time(self.work),
                handle_span: None,
                started: arrived,
                worker: None,
            };
            self.open.push_back(Some(open));
            self.dispatch(number);
            if number == self.fault_number {
                self.faults.inject(&mut self.cluster);
            }
        }
    }

    /// Sends a request to a worker. If none can take it, the request waits or is
    /// rejected.
    fn dispatch(&mut self, number: u64) {
        let (worker, name) = match self.cluster.assign(number) {
            Assignment::Worker(worker, name) => (worker, name),
            Assignment::Waiting => return,
            Assignment::Rejected => return self.end(number, Some(REJECTED)),
        };
        if let Some(open) = self.find(number) {
            open.worker = Some(worker);
            let (subject, work) = (open.subject, open.work);
            let is_recorded = open.is_recorded;
            self.trace(is_recorded)
                .send(RecordKind::Call, self.id, name, subject);
            self.cluster.send(worker, worker::request(number, work));
        }
    }

    /// Handles a report from a worker.
    fn on_message(&mut self, worker: WorkerId, name: NameId, line: &str) {
        match WorkerReport::read(line) {
            None => {}
            // A long run of many requests has too many heartbeats.
            Some(WorkerReport::Beat) if self.users.is_none() && self.sampling.every > 1 => {}
            Some(WorkerReport::Beat) => self.context.trace.instant(RecordKind::Beat, name, 0),
            Some(WorkerReport::Started(number)) => {
                let now = self.now();
                if let Some(open) = self.find(number) {
                    open.started = now;
                    let (is_recorded, subject) = (open.is_recorded, open.subject);
                    let trace = self.trace(is_recorded);
                    let handle_span = trace.begin(RecordKind::Handle, name, subject);
                    if let Some(open) = self.find(number) {
                        open.handle_span = Some(handle_span);
                    }
                }
            }
            Some(WorkerReport::Done(number)) => {
                if let Some(worker) = self.cluster.workers.get_mut(worker) {
                    worker.in_flight = worker.in_flight.saturating_sub(1);
                }
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
        if failure.is_none() {
            self.service_time += now.saturating_sub(open.started);
        }
        if let Some(users) = &mut self.users {
            users.on_response(open.subject, now);
        }
    }

    fn is_settled(&self) -> bool {
        self.cluster.is_settled() && !self.faults.is_active(&self.cluster)
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

    /// Returns the recorder for a request. Outside the sample, it only counts.
    fn trace(&self, is_recorded: bool) -> &Recorder {
        if is_recorded {
            &self.context.trace
        } else {
            &self.counting_recorder
        }
    }

    fn now(&self) -> Duration {
        self.context.platform.now()
    }
}

fn options(context: &Context, is_broken: &Rc<Cell<bool>>) -> ClusterOptions {
    let params = context.params.clone();
    // Ties go to the worker whose last request is the oldest.
    let balancing: Balancing = match params.choice("balance") {
        "least_busy" => |worker, _| Some((worker.in_flight, worker.last_turn)),
        "shared_queue" => |worker, _| (worker.in_flight == 0).then_some((0, worker.last_turn)),
        _ => |worker, _| Some((0, worker.last_turn)),
    };
    let supervision = supervised_cluster::supervision(context, RESTART_PERIOD)
        .heartbeat_within(params.millis("heartbeat"));
    let is_broken = Rc::clone(is_broken);
    let queue = usize::try_from(params.integer("queue")).unwrap_or(usize::MAX);
    let settings = move || worker::settings(params.integer("startup"), is_broken.get());
    ClusterOptions {
        program: &WORKER,
        settings: Box::new(settings),
        balancing,
        queue,
        supervision: Some(supervision),
        kill_cause: None,
    }
}
