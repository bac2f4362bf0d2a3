//! The program of a worker: books, and a handler for what goes wrong.

use super::{
    ledger::{Ledger, LedgerError},
    lines::{Order, Told},
};
use crate::{
    error::{AppError, Decision, Handler, Incident, Policy, Problem, RetryPolicy},
    platform::ProcessContext,
    scenario::railway::id_of,
};
use std::{
    cell::RefCell,
    mem,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often a worker attempts what its handler wants done again.
const ATTEMPTS: u32 = 2;

/// What the first line that a worker gets tells it.
pub(super) fn settings(policy: &str, latency: Duration) -> String {
    format!(
        "{policy} {}",
        u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)
    )
}

pub(super) async fn run(context: ProcessContext) {
    let Some(settings) = context.recv().await else {
        return;
    };
    let worker = Rc::new(Worker::new(context.clone(), &settings));
    context.ready();
    let mut under_way = Vec::new();
    let mut bug = None;
    while let Some(line) = context.recv().await {
        let Some(order) = Order::read(&line) else {
            continue;
        };
        let number = order.number;
        if bug.is_some() {
            // Of what a bug has left behind nothing more is made.
            worker.tell(Told::Back { number });
            continue;
        }
        match worker.begin(order) {
            Begun::UnderWay(total) => {
                let confirm = Rc::clone(&worker).confirm(order, total);
                under_way.push(context.platform().spawn(confirm));
            }
            Begun::Over => {}
            Begun::Drain => bug = Some(number),
            Begun::Crash => match context.crash(last_words(number)).await {},
        }
    }
    for request in under_way {
        request.await;
    }
    if let Some(number) = bug {
        match context.crash(last_words(number)).await {}
    }
}

fn last_words(number: u64) -> String {
    format!("the books do not balance, since {}", id_of(number))
}

/// What has become of a request that was taken.
enum Begun {
    /// What the accounts held together; it has to be confirmed yet.
    UnderWay(i64),
    /// It is answered.
    Over,
    /// It is answered, and there must not be another.
    Drain,
    /// This is the end.
    Crash,
}

struct Worker {
    context: ProcessContext,
    ledger: RefCell<Ledger>,
    handler: Handler,
    /// Lines of the log that are not told yet: the handler's log may be written
    /// from any thread, and a process's context is of one only.
    log: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    fn new(context: ProcessContext, settings: &str) -> Self {
        let (policy, latency) = settings.split_once(' ').unwrap_or((settings, ""));
        let latency = Duration::from_millis(latency.parse().unwrap_or(0));
        let policy = match policy {
            "swallow" => Policy::Swallow,
            "crash" => Policy::Crash,
            _ => Policy::Supervise,
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

    fn tell(&self, told: Told<'_>) {
        self.context.send(told.to_string());
    }

    /// Moves the money at once: requests take effect in the order in which they
    /// come.
    fn begin(&self, order: Order) -> Begun {
        let number = order.number;
        let transfer = self.ledger.borrow_mut().transfer(order.amount, order.from);
        let error = match transfer {
            Ok(total) => return Begun::UnderWay(total),
            Err(error) => error,
        };
        match self.handle(number, error, 1) {
            Decision::Respond(problem) => {
                self.answer(number, &problem);
                Begun::Over
            }
            Decision::Drain(problem) => {
                // First, so that nobody who has the answer sends more.
                self.tell(Told::Drain);
                self.answer(number, &problem);
                Begun::Drain
            }
            Decision::Crash => Begun::Crash,
            // Nothing that comes up here is worth it.
            Decision::Retry(_) => Begun::Over,
        }
    }

    /// Has the transfer confirmed. To ask twice is the same as to ask once.
    async fn confirm(self: Rc<Self>, order: Order, total: i64) {
        let number = order.number;
        let mut attempt = 1;
        loop {
            let latency = Duration::from_millis(order.latency_ms);
            self.context.platform().sleep(latency).await;
            if attempt > order.timeouts {
                return self.tell(Told::Done { number, total });
            }
            match self.handle(number, LedgerError::TimedOut, attempt) {
                Decision::Retry(after) => {
                    self.context.platform().sleep(after).await;
                    let code = "timeout";
                    self.tell(Told::Again { number, code });
                }
                Decision::Respond(problem) | Decision::Drain(problem) => {
                    return self.answer(number, &problem);
                }
                Decision::Crash => return,
            }
            attempt += 1;
        }
    }

    /// Whatever it is, the handler knows what to do.
    fn handle(&self, number: u64, error: LedgerError, attempt: u32) -> Decision {
        let name = error.name();
        self.tell(Told::Raised {
            number,
            error: name,
        });
        let error = AppError::from(error);
        let incident = Incident::new(id_of(number), "POST /transfers")
            .idempotent()
            .attempt(attempt)
            .at(self.context.platform().now());
        let decision = self.handler.handle(&error, &incident);
        let lines = mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner));
        for line in lines {
            self.tell(Told::Log { line: &line });
        }
        decision
    }

    fn answer(&self, number: u64, problem: &Problem) {
        self.tell(Told::Failed {
            number,
            status: problem.status(),
            code: problem.code(),
            body: &problem.to_json(),
        });
    }
}
