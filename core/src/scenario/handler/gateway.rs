//! The gateway: it accepts requests and distributes them to the workers.

use super::{
    ledger::TOTAL,
    messages::{TransferRequest, WorkerReply},
    worker::{self, WORKER},
};
use crate::{
    error::{AppError, Handler, Incident},
    scale::WorkerId,
    scenario::{
        Context,
        arrivals::Arrivals,
        load,
        railway::{ErrorLog, ErrorResponse, HANDED_BACK, SECRET, correlation_id, respond},
        supervised_cluster::{self, Assignment, ClusterEvent, ClusterOptions, SupervisedCluster},
        workers::{KILLED, LOST},
    },
    trace::{NameId, RecordKind, Span},
    workload::Times,
};
use std::time::Duration;

// Trace names.
const GATEWAY: &str = "Gateway";
const DISPATCHER: &str = "Dispatcher";

/// The maximum attempts per request if the gateway retries everything.
pub(super) const ATTEMPTS: u64 = 3;

/// The period over which restarts are counted.
pub(super) const RESTART_PERIOD: Duration = Duration::from_secs(10);

pub(super) struct Gateway {
    context: Context,
    id: NameId,
    dispatcher: NameId,
    cluster: SupervisedCluster,
    log: ErrorLog,
    handler: Handler,
    retries_all: bool,
    arrivals: Arrivals,
    times: Times,
    /// The unanswered requests.
    open: Vec<OpenTransfer>,
}

/// An unanswered request.
struct OpenTransfer {
    transfer: TransferRequest,
    request: Span,
    attempt: Option<Span>,
    /// The worker it was sent to.
    worker: Option<WorkerId>,
    attempt_count: u64,
}

impl Gateway {
    pub(super) fn start(context: &Context) -> Self {
        let trace = &context.trace;
        let [id, dispatcher] = [GATEWAY, DISPATCHER].map(|name| {
            let id = trace.name(name);
            trace.instant(RecordKind::Start, id, 0);
            id
        });
        let cluster = SupervisedCluster::start(context, options(context));
        let log = ErrorLog::open(trace);
        let lines = log.clone();
        Gateway {
            id,
            dispatcher,
            cluster,
            log,
            handler: Handler::new().log_to(move |_, line| lines.write(line)),
            retries_all: context.params.choice("retry") == "everything",
            arrivals: Arrivals::new(context, context.params.integer("requests")),
            times: load::work_times(context, 1),
            open: Vec::new(),
            context: context.clone(),
        }
    }

    /// Handles the next event. Returns `false` when the run is complete.
    pub(super) async fn next(&mut self) -> bool {
        let is_over = self.arrivals.is_finished() && self.open.is_empty();
        if is_over && self.cluster.is_settled() {
            return false;
        }
        match self.cluster.next(self.arrivals.due()).await {
            Some(ClusterEvent::Message { worker, name, line }) => {
                self.on_message(worker, name, &line);
            }
            Some(ClusterEvent::Exited(worker)) => self.fail_in_flight(worker),
            None => {}
        }
        while let Some(number) = self.cluster.take_waiting() {
            self.dispatch(number);
        }
        if !self.arrivals.has_started() && self.cluster.is_settled() {
            self.arrivals.begin();
        }
        self.admit();
        true
    }

    /// Drains the workers and waits for their exits.
    pub(super) async fn close(self) {
        self.cluster.close().await;
    }

    /// Admits all requests that have arrived.
    fn admit(&mut self) {
        let now = self.context.platform.now();
        while let Some((number, arrived)) = self.arrivals.take(now) {
            let latency = self.times.next_time(self.context.params.millis("latency"));
            let trace = &self.context.trace;
            self.open.push(OpenTransfer {
                transfer: TransferRequest::draw(&self.context, number, latency),
                request: trace.begin_at(arrived, RecordKind::Request, self.id, number),
                attempt: None,
                worker: None,
                attempt_count: 0,
            });
            self.dispatch(number);
        }
    }

    /// Sends a request to the next ready worker. If none is ready, the request waits, or
    /// is rejected if no worker can become ready.
    fn dispatch(&mut self, number: u64) {
        let (worker, name) = match self.cluster.assign(number) {
            Assignment::Worker(worker, name) => (worker, name),
            Assignment::Waiting => return,
            Assignment::Rejected => return self.reject(number),
        };
        let trace = &self.context.trace;
        trace.send(RecordKind::Call, self.id, name, number);
        let attempt = trace.begin(RecordKind::Handle, name, number);
        if let Some(open) = self.find(number) {
            open.attempt = Some(attempt);
            open.worker = Some(worker);
            open.attempt_count += 1;
            let transfer = open.transfer.to_string();
            self.cluster.send(worker, transfer);
        }
    }

    /// Answers a request with a 503 because no worker is left.
    fn reject(&mut self, number: u64) {
        let trace = &self.context.trace;
        let attempt = trace.begin(RecordKind::Handle, self.dispatcher, number);
        attempt.fail("no worker");
        let error = AppError::unavailable("a worker").with_context("cluster", SECRET);
        let incident = Incident::new(correlation_id(number), "POST /transfers");
        let decision = self.handler.handle(&error, &incident);
        let (Some(problem), Some(open)) = (decision.problem(), self.close_request(number)) else {
            return;
        };
        let body = problem.to_json();
        let response = ErrorResponse::of(problem, &body);
        let trace = &self.context.trace;
        respond(trace, self.id, (number, open.request), response);
    }

    /// Handles a reply from a worker.
    fn on_message(&mut self, worker: WorkerId, name: NameId, line: &str) {
        let Some(reply) = WorkerReply::read(line) else {
            return;
        };
        let trace = self.context.trace.clone();
        match reply {
            WorkerReply::Log { line } => self.log.write(line),
            WorkerReply::Drain => self.cluster.workers.drain(worker),
            WorkerReply::Raised { number, error } => {
                if let Some(attempt) = self.end_attempt(number) {
                    attempt.fail(error);
                }
            }
            WorkerReply::Retry { number, code } => {
                trace.instant_with_cause(RecordKind::Retry, self.log.id(), number, code);
                if let Some(open) = self.find(number) {
                    open.attempt = Some(trace.begin(RecordKind::Handle, name, number));
                }
            }
            WorkerReply::Done { number, total } => {
                let Some(open) = self.close_request(number) else {
                    return;
                };
                if let Some(attempt) = open.attempt {
                    attempt.succeed();
                }
                // The client knows the correct total of all accounts.
                if total != TOTAL {
                    trace.instant(RecordKind::Wrong, name, number);
                }
                open.request.succeed();
            }
            WorkerReply::Failed {
                number,
                status,
                code,
                body,
            } => {
                if status >= 500 && self.retry(number, code) {
                    return;
                }
                if let Some(open) = self.close_request(number) {
                    let response = ErrorResponse { status, code, body };
                    respond(&trace, self.id, (number, open.request), response);
                }
            }
            WorkerReply::HandedBack { number } => {
                if let Some(attempt) = self.end_attempt(number) {
                    attempt.fail(HANDED_BACK);
                }
                if let Some(open) = self.find(number) {
                    // The worker never started the request, so its exit cannot lose it.
                    open.worker = None;
                    open.attempt_count -= 1;
                }
                self.dispatch(number);
            }
        }
    }

    /// Fails or retries the requests in flight on a worker that exited.
    fn fail_in_flight(&mut self, worker: WorkerId) {
        let in_flight = self.open.iter().filter(|open| open.worker == Some(worker));
        let in_flight: Vec<u64> = in_flight.map(|open| open.transfer.number).collect();
        for number in in_flight {
            if let Some(attempt) = self.end_attempt(number) {
                attempt.fail(LOST);
            }
            if self.retry(number, LOST) {
                continue;
            }
            if let Some(open) = self.close_request(number) {
                open.request.fail(LOST);
            }
        }
    }

    /// Retries a failed request if the gateway retries everything. Returns whether it
    /// did.
    fn retry(&mut self, number: u64, cause: &str) -> bool {
        let retries_all = self.retries_all;
        let Some(open) = self.find(number) else {
            return false;
        };
        if !retries_all || open.attempt_count >= ATTEMPTS {
            return false;
        }
        open.worker = None;
        let trace = &self.context.trace;
        trace.instant_with_cause(RecordKind::Retry, self.id, number, cause);
        self.dispatch(number);
        true
    }

    fn find(&mut self, number: u64) -> Option<&mut OpenTransfer> {
        self.open
            .iter_mut()
            .find(|open| open.transfer.number == number)
    }

    fn end_attempt(&mut self, number: u64) -> Option<Span> {
        self.find(number)?.attempt.take()
    }

    fn close_request(&mut self, number: u64) -> Option<OpenTransfer> {
        let mut open = self.open.iter();
        let index = open.position(|open| open.transfer.number == number)?;
        Some(self.open.remove(index))
    }
}

fn options(context: &Context) -> ClusterOptions {
    let params = &context.params;
    let policy = params.choice("policy");
    let settings = worker::settings(policy, params.millis("latency"));
    let supervision = supervised_cluster::supervision(context, RESTART_PERIOD);
    ClusterOptions {
        program: &WORKER,
        settings: Box::new(move || settings.clone()),
        // Round robin over the slots.
        balancing: |worker, next_slot| {
            let slot = worker.id.slot;
            Some((usize::from(slot < next_slot), slot as u64))
        },
        queue: usize::MAX,
        supervision: (policy != "crash").then_some(supervision),
        // The supervisor drains only when it gives up. Killing instead shows what
        // giving up costs.
        kill_cause: Some(KILLED),
    }
}
