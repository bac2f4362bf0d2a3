//! Two designs for handling the service's errors.

use super::{
    names::{API, CATCH_ALL},
    service::{Payment, PaymentService},
};
use crate::{
    error::{AppError, Decision, Handler, Incident, RetryBudget, RetryPolicy},
    platform::Platform,
    scenario::{
        Context,
        railway::{ERROR_HANDLER, ErrorLog, ErrorResponse, correlation_id, respond},
    },
    trace::{NameId, RecordKind, Recorder, Span},
};
use std::time::Duration;

/// The initial retry budget.
pub(super) const INITIAL_RETRIES: u64 = 3;

/// The delay before the first retry.
const BACKOFF: Duration = Duration::from_millis(40);

pub(super) struct Api {
    id: NameId,
    trace: Recorder,
    platform: Platform,
    service: PaymentService,
    attempts: u32,
    design: Design,
}

enum Design {
    /// One handler that acts by error class.
    Classified(Box<Handler>),
    /// `catch (e) { log(e); retry or answer 500 }` on every layer.
    CatchAll { id: NameId },
}

impl Api {
    pub(super) fn start(context: &Context) -> Self {
        let trace = context.trace.clone();
        let id = context.start_source(API);
        let service = PaymentService::start(context);
        let attempts = u32::try_from(context.params.integer("attempts")).unwrap_or(1);
        let design = if context.params.choice("design") == "classified" {
            Design::Classified(Box::new(handler(context, attempts)))
        } else {
            Design::CatchAll {
                id: context.start_source(CATCH_ALL),
            }
        };
        Api {
            id,
            trace,
            platform: context.platform.clone(),
            service,
            attempts,
            design,
        }
    }

    pub(super) fn service(&self) -> &PaymentService {
        &self.service
    }

    /// Handles a request that arrived at `due`.
    pub(super) async fn serve(&self, mut payment: Payment, due: Duration) {
        let span = self
            .trace
            .begin_at(due, RecordKind::Request, self.id, payment.number);
        match &self.design {
            Design::Classified(handler) => self.serve_classified(&mut payment, span, handler).await,
            Design::CatchAll { id } => self.serve_catch_all(&mut payment, span, *id).await,
        }
    }

    /// Serves a request. The error handler makes all decisions.
    async fn serve_classified(&self, payment: &mut Payment, span: Span, handler: &Handler) {
        let number = payment.number;
        handler.record_request(self.platform.now());
        let mut attempt = 1;
        loop {
            let error: AppError = match self.service.attempt(payment, attempt).await {
                Ok(_) => return span.succeed(),
                Err(error) => error.into(),
            };
            let now = self.platform.now();
            let incident = Incident::new(correlation_id(number), payment.operation());
            let mut incident = incident.attempt(attempt).at(now);
            incident.is_idempotent = payment.is_lookup;
            match handler.handle(&error, &incident) {
                Decision::Retry(after) => self.platform.sleep(after).await,
                // Ending the process after a bug is the subject of `handler`.
                Decision::Respond(problem) | Decision::Drain(problem) => {
                    let body = problem.to_json();
                    let response = ErrorResponse::of(&problem, &body);
                    return respond(&self.trace, self.id, (number, span), response);
                }
                Decision::Crash => return,
            }
            attempt += 1;
        }
    }

    /// Serves a request. Every error is caught, logged, retried and finally returned to
    /// the client.
    async fn serve_catch_all(&self, payment: &mut Payment, span: Span, catch_all: NameId) {
        let number = payment.number;
        let mut attempt = 1;
        loop {
            let Err(error) = self.service.attempt(payment, attempt).await else {
                return span.succeed();
            };
            // Every layer logs the error it passes on.
            for layer in [self.service.operation(payment), catch_all] {
                self.trace
                    .instant_with_cause(RecordKind::Log, layer, number, "error");
            }
            if attempt >= self.attempts {
                let body = format!("Error: {error}");
                let response = ErrorResponse {
                    status: 500,
                    code: "error",
                    body: &body,
                };
                return respond(&self.trace, self.id, (number, span), response);
            }
            let cause = "error";
            self.trace
                .instant_with_cause(RecordKind::Retry, catch_all, number, cause);
            self.platform.sleep(BACKOFF).await;
            attempt += 1;
        }
    }
}

/// Creates the handler for all errors.
fn handler(context: &Context, attempts: u32) -> Handler {
    let percent = u32::try_from(context.params.integer("budget")).unwrap_or(100);
    let burst = u32::try_from(INITIAL_RETRIES).unwrap_or(1);
    let budget = RetryBudget::new().percent(percent).per_second(0);
    let retry = RetryPolicy::new()
        .attempts(attempts)
        .backoff(BACKOFF)
        .max_wait(Duration::from_secs(2))
        .wait_for_breaker()
        .budget(budget.burst(burst));
    let log = ErrorLog::open(&context.trace);
    let trace = context.trace.clone();
    let id = trace.name(ERROR_HANDLER);
    Handler::new()
        .retry(retry)
        .log_to(move |_, line| log.write(line))
        .on_error(move |report| {
            if report.decision.is_retry() {
                let request = crate::scenario::railway::request_number(report.incident.id.as_str());
                trace.instant_with_cause(RecordKind::Retry, id, request, report.error.code());
            }
        })
}
