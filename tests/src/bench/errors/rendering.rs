//! The cost of an error, from `?` to the response and the log entry.

use std::hint::black_box;
use std::time::Instant;

use highwater::error::{
    AppError, Classification, Classify, CorrelationId, ErrorKind, Handler, IdGenerator, Incident,
    Problem,
};

const ERROR_COUNT: u32 = 5_000;

/// The measured steps of error handling.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Converts the error with `?` and renders it as JSON.
    Rendered,
    /// Also passes it to the handler, which counts and logs it.
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
            Self::Handled => "and logged and counted",
        }
    }

    /// Returns the time per error in nanoseconds.
    pub(super) fn nanoseconds_per_error(self) -> f64 {
        let ids = IdGenerator::new(7);
        let handler = Handler::new().log_to(|_, line| {
            black_box(line);
        });
        let start = Instant::now();
        for _ in 0..ERROR_COUNT {
            let error = find_order(black_box(42)).expect_err("no order exists");
            black_box(match self {
                Self::Rendered => render(&error, &ids.generate()),
                Self::Handled => handle_and_render(&error, ids.generate(), &handler),
            });
        }
        start.elapsed().as_nanos() as f64 / f64::from(ERROR_COUNT)
    }
}

#[inline(never)]
fn find_order(order: u64) -> Result<u64, AppError> {
    black_box(Err(UnknownOrder(order)))?;
    Ok(order)
}

fn render(error: &AppError, id: &CorrelationId) -> String {
    Problem::new(error, id).to_json()
}

fn handle_and_render(error: &AppError, id: CorrelationId, handler: &Handler) -> String {
    let decision = handler.handle(error, &Incident::new(id, "GET /orders/42"));
    let problem = decision
        .problem()
        .expect("client errors have problem details");
    problem.to_json()
}
