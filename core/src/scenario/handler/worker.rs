//! The worker program: a ledger and an error handler.

use super::{
    ledger::{Ledger, LedgerError},
    messages::{TransferRequest, WorkerReply},
};
use crate::{
    error::{AppError, Decision, Handler, HandlerPolicy, Incident, Problem, RetryPolicy},
    platform::{ProcessContext, Program},
    scenario::railway::correlation_id,
};
use futures_util::FutureExt;
use std::{
    cell::RefCell,
    mem,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub(in crate::scenario) static WORKER: Program = Program {
    name: "ledger",
    run: |context| run(context).boxed_local(),
};

/// The maximum attempts per request within a worker.
const ATTEMPTS: u32 = 2;

/// Encodes the settings for the first message to a worker.
pub(super) fn settings(policy: &str, latency: Duration) -> String {
    format!(
        "{policy} {}",
        u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)
    )
}

async fn run(context: ProcessContext) {
    let Some(settings) = context.recv().await else {
        return;
    };
    let worker = Rc::new(Worker::new(context.clone(), &settings));
    context.ready();
    let mut pending = Vec::new();
    let mut bug = None;
    while let Some(line) = context.recv().await {
        let Some(request) = TransferRequest::read(&line) else {
            continue;
        };
        let number = request.number;
        if bug.is_some() {
            // The ledger may be corrupt, so no further request is started.
            worker.send(WorkerReply::HandedBack { number });
            continue;
        }
        match worker.begin(request) {
            TransferOutcome::Pending(total) => {
                let confirm = Rc::clone(&worker).confirm(request, total);
                pending.push(context.platform().spawn(confirm));
            }
            TransferOutcome::Answered => {}
            TransferOutcome::Drain => bug = Some(number),
            TransferOutcome::Crash => match context.crash(crash_message(number)).await {},
        }
    }
    for request in pending {
        request.await;
    }
    if let Some(number) = bug {
        match context.crash(crash_message(number)).await {}
    }
}

fn crash_message(number: u64) -> String {
    format!(
        "the ledger does not balance since {}",
        correlation_id(number)
    )
}

/// The outcome of a request's first step.
enum TransferOutcome {
    /// The transfer awaits confirmation. Contains the total after the transfer.
    Pending(i64),
    /// The request is answered.
    Answered,
    /// The request is answered and the worker must drain.
    Drain,
    /// The worker must crash.
    Crash,
}

struct Worker {
    context: ProcessContext,
    ledger: RefCell<Ledger>,
    handler: Handler,
    /// Log lines to be sent to the gateway. The handler may log from any thread, but the
    /// process context belongs to one.
    log: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    fn new(context: ProcessContext, settings: &str) -> Self {
        let (policy, latency) = settings.split_once(' ').unwrap_or((settings, ""));
        let latency = Duration::from_millis(latency.parse().unwrap_or(0));
        let policy = match policy {
            "swallow" => HandlerPolicy::Swallow,
            "crash" => HandlerPolicy::Crash,
            _ => HandlerPolicy::Supervise,
        };
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = Arc::clone(&log);
        let handler = Handler::new()
            .policy(policy)
            .retry(RetryPolicy::new().attempts(ATTEMPTS).backoff(latency))
            .log_to(move |_, line| {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line.to_owned());
            });
        Worker {
            context,
            ledger: RefCell::new(Ledger::new()),
            handler,
            log,
        }
    }

    fn send(&self, reply: WorkerReply<'_>) {
        self.context.send(reply.to_string());
    }

    /// Transfers the money immediately, so requests take effect in order of arrival.
    fn begin(&self, request: TransferRequest) -> TransferOutcome {
        let number = request.number;
        let transfer = self
            .ledger
            .borrow_mut()
            .transfer(request.amount, request.from);
        let error = match transfer {
            Ok(total) => return TransferOutcome::Pending(total),
            Err(error) => error,
        };
        match self.handle(number, error, 1) {
            Decision::Respond(problem) => {
                self.answer(number, &problem);
                TransferOutcome::Answered
            }
            Decision::Drain(problem) => {
                // Sent before the response, so that no new request follows the
                // response.
                self.send(WorkerReply::Drain);
                self.answer(number, &problem);
                TransferOutcome::Drain
            }
            Decision::Crash => TransferOutcome::Crash,
            // No error of a transfer is retryable.
            Decision::Retry(_) => TransferOutcome::Answered,
        }
    }

    /// Confirms the transfer. Confirming is idempotent.
    async fn confirm(self: Rc<Self>, request: TransferRequest, total: i64) {
        let number = request.number;
        let mut attempt = 1;
        loop {
            self.context.platform().sleep(request.latency).await;
            if attempt > request.timeouts {
                return self.send(WorkerReply::Done { number, total });
            }
            match self.handle(number, LedgerError::TimedOut, attempt) {
                Decision::Retry(after) => {
                    self.context.platform().sleep(after).await;
                    let code = "timeout";
                    self.send(WorkerReply::Retry { number, code });
                }
                Decision::Respond(problem) | Decision::Drain(problem) => {
                    return self.answer(number, &problem);
                }
                Decision::Crash => return,
            }
            attempt += 1;
        }
    }

    /// Passes an error to the error handler and forwards its log lines.
    fn handle(&self, number: u64, error: LedgerError, attempt: u32) -> Decision {
        let name = error.name();
        self.send(WorkerReply::Raised {
            number,
            error: name,
        });
        let error = AppError::from(error);
        let incident = Incident::new(correlation_id(number), "POST /transfers")
            .idempotent()
            .attempt(attempt)
            .at(self.context.platform().now());
        let decision = self.handler.handle(&error, &incident);
        let lines = mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner));
        for line in lines {
            self.send(WorkerReply::Log { line: &line });
        }
        decision
    }

    fn answer(&self, number: u64, problem: &Problem) {
        self.send(WorkerReply::Failed {
            number,
            status: problem.status(),
            code: problem.code(),
            body: &problem.to_json(),
        });
    }
}
