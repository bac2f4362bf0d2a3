//! Who takes the requests, and hands them to the workers.

use super::{
    ATTEMPTS, DISPATCHER, GATEWAY,
    cluster::{Cluster, Place},
    ledger::TOTAL,
    messages::{TransferRequest, WorkerReply},
};
use crate::{
    error::{AppError, Handler, Incident},
    platform::ProcessEvent,
    scenario::{
        Context,
        arrivals::Arrivals,
        railway::{ErrorLog, ErrorResponse, HANDED_BACK, SECRET, answer, id_of},
        workers::LOST,
    },
    trace::{NameId, RecordKind, Span},
};
use std::mem;

pub(super) struct Gateway {
    context: Context,
    id: NameId,
    dispatcher: NameId,
    cluster: Cluster,
    log: ErrorLog,
    handler: Handler,
    retries_all: bool,
    arrivals: Arrivals,
    /// Requests that are not answered yet.
    open: Vec<OpenTransfer>,
    /// Those of them that wait for a worker.
    waiting: Vec<u64>,
}

/// A request that is not answered yet.
struct OpenTransfer {
    transfer: TransferRequest,
    request: Span,
    attempt: Option<Span>,
    /// Who has it.
    at: Option<Place>,
    tries: u64,
}

impl Gateway {
    pub(super) fn start(context: &Context) -> Self {
        let trace = &context.trace;
        let [id, dispatcher] = [GATEWAY, DISPATCHER].map(|name| {
            let id = trace.name(name);
            trace.instant(RecordKind::Start, id, 0);
            id
        });
        let cluster = Cluster::start(context);
        let log = ErrorLog::open(trace);
        let lines = log.clone();
        Gateway {
            id,
            dispatcher,
            cluster,
            log,
            handler: Handler::new().log_to(move |_, line| lines.write(line)),
            retries_all: context.params.choice("retry") == "everything",
            arrivals: Arrivals::new(context),
            open: Vec::new(),
            waiting: Vec::new(),
            context: context.clone(),
        }
    }

    /// Does what is to be done next; `false` if there is nothing more.
    pub(super) async fn next(&mut self) -> bool {
        let is_over = self.arrivals.is_finished() && self.open.is_empty();
        if is_over && self.cluster.is_settled() {
            return false;
        }
        match self.cluster.next(self.arrivals.due()).await {
            Some((place, ProcessEvent::Ready)) => self.cluster.ready(place),
            Some((place, ProcessEvent::Message(line))) => self.on_message(place, &line),
            Some((place, ProcessEvent::Exited(exit))) => {
                self.cluster.exited(place, &exit);
                self.lose(place);
            }
            None => {}
        }
        for number in mem::take(&mut self.waiting) {
            self.dispatch(number);
        }
        if !self.arrivals.has_started() && self.cluster.is_settled() {
            self.arrivals.begin(self.context.platform.now());
        }
        self.admit();
        true
    }

    /// Lets the workers come to their end.
    pub(super) async fn close(self) {
        self.cluster.close().await;
    }

    /// Takes the requests that have arrived by now.
    fn admit(&mut self) {
        let now = self.context.platform.now();
        while let Some((number, came)) = self.arrivals.take(now) {
            let trace = &self.context.trace;
            self.open.push(OpenTransfer {
                transfer: TransferRequest::draw(&self.context, number),
                request: trace.begin_at(came, RecordKind::Request, self.id, number),
                attempt: None,
                at: None,
                tries: 0,
            });
            self.dispatch(number);
        }
    }

    /// Hands a request to whose turn it is. If there is nobody it waits, or is
    /// turned down if there will be nobody.
    fn dispatch(&mut self, number: u64) {
        let place = self.cluster.pick();
        if place.is_none() && self.cluster.is_worth_waiting() {
            self.waiting.push(number);
            return;
        }
        let (Some(id), Some(open)) = (place, self.find(number)) else {
            return self.turn_down(number);
        };
        open.at = Some(id);
        open.tries += 1;
        let transfer = open.transfer.to_string();
        let worker = self.cluster.id(id.slot);
        let trace = &self.context.trace;
        trace.send(RecordKind::Call, self.id, worker, number);
        let attempt = trace.begin(RecordKind::Handle, worker, number);
        if let Some(open) = self.find(number) {
            open.attempt = Some(attempt);
        }
        self.cluster.send(id.slot, transfer);
    }

    /// There is no worker, and there will be none.
    fn turn_down(&mut self, number: u64) {
        let trace = &self.context.trace;
        let attempt = trace.begin(RecordKind::Handle, self.dispatcher, number);
        attempt.fail("no worker");
        let error = AppError::unavailable("a worker").with_context("cluster", SECRET);
        let incident = Incident::new(id_of(number), "POST /transfers");
        let decision = self.handler.handle(&error, &incident);
        let (Some(problem), Some(open)) = (decision.problem(), self.close_request(number)) else {
            return;
        };
        let body = problem.to_json();
        let answered = ErrorResponse::of(problem, &body);
        let trace = &self.context.trace;
        answer(trace, self.id, (number, open.request), answered);
    }

    /// A worker tells something.
    fn on_message(&mut self, place: Place, line: &str) {
        let Some(reply) = WorkerReply::read(line) else {
            return;
        };
        let worker = self.cluster.id(place.slot);
        let trace = self.context.trace.clone();
        match reply {
            WorkerReply::Log { line } => self.log.write(line),
            WorkerReply::Drain => self.cluster.drain(place.slot),
            WorkerReply::Raised { number, error } => {
                if let Some(attempt) = self.end_attempt(number) {
                    attempt.fail(error);
                }
            }
            WorkerReply::Retry { number, code } => {
                trace.instant_with_cause(RecordKind::Retry, self.log.id(), number, code);
                if let Some(open) = self.find(number) {
                    open.attempt = Some(trace.begin(RecordKind::Handle, worker, number));
                }
            }
            WorkerReply::Done { number, total } => {
                let Some(open) = self.close_request(number) else {
                    return;
                };
                if let Some(attempt) = open.attempt {
                    attempt.succeed();
                }
                // The client knows what all accounts hold together.
                if total != TOTAL {
                    trace.instant(RecordKind::Wrong, worker, number);
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
                    let answered = ErrorResponse { status, code, body };
                    answer(&trace, self.id, (number, open.request), answered);
                }
            }
            WorkerReply::Back { number } => {
                if let Some(attempt) = self.end_attempt(number) {
                    attempt.fail(HANDED_BACK);
                }
                if let Some(open) = self.find(number) {
                    // It never had it, and cannot lose it.
                    open.at = None;
                    open.tries -= 1;
                }
                self.dispatch(number);
            }
        }
    }

    /// What was under way in a process that has exited is lost.
    fn lose(&mut self, place: Place) {
        let theirs = self.open.iter().filter(|open| open.at == Some(place));
        let theirs: Vec<u64> = theirs.map(|open| open.transfer.number).collect();
        for number in theirs {
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

    /// A gateway that retries everything does not ask what it was.
    fn retry(&mut self, number: u64, cause: &str) -> bool {
        let retries_all = self.retries_all;
        let Some(open) = self.find(number) else {
            return false;
        };
        if !retries_all || open.tries >= ATTEMPTS {
            return false;
        }
        open.at = None;
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
        let mut places = self.open.iter();
        let place = places.position(|open| open.transfer.number == number)?;
        Some(self.open.remove(place))
    }
}
