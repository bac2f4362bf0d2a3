//! The cost of an error, from `?` to the response and the log.

use std::hint::black_box;
use std::time::Instant;

use highwater::error::{
    AppError, Classification, Classify, CorrelationId, ErrorKind, Handler, IdGenerator, Incident,
    Problem,
};

const TIMES: u32 = 5_000;

/// The steps that are timed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Converts the error with `?` and renders it as JSON.
    Rendered,
    /// Passes it through the handler as well, which counts and logs it.
    Handled,
}

#[derive(Debug, thiserror::Error)]
#[error("order {0} is not in the table")]
struct UnknownOrder(u64);

impl Classify for UnknownOrder {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::NotFound)
            .with_code("unknown_order")
            .with_public_message("There is no such order.")
    }
}

impl Step {
    pub(super) const ALL: [Self; 2] = [Self::Rendered, Self::Handled];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rendered => "classified and rendered",
            Self::Handled => "also logged and counted",
        }
    }

    /// Returns nanoseconds per error.
    pub(super) fn time(self) -> f64 {
        let ids = IdGenerator::new(7);
        let handler = Handler::new().log_to(|_, line| {
            black_box(line);
        });
        let start = Instant::now();
        for _ in 0..TIMES {
            let error = find(black_box(42)).expect_err("there are no orders");
            black_box(match self {
                Self::Rendered => rendered(&error, &ids.generate()),
                Self::Handled => handled(&error, ids.generate(), &handler),
            });
        }
        start.elapsed().as_nanos() as f64 / f64::from(TIMES)
    }
}

#[inline(never)]
fn find(order: u64) -> Result<u64, AppError> {
    black_box(Err(UnknownOrder(order)))?;
    Ok(order)
}

fn rendered(error: &AppError, id: &CorrelationId) -> String {
    Problem::new(error, id).to_json()
}

fn handled(error: &AppError, id: CorrelationId, handler: &Handler) -> String {
    let decision = handler.handle(error, &Incident::new(id, "GET /orders/42"));
    let problem = decision
        .problem()
        .expect("a client error has a problem document");
    problem.to_json()
}
