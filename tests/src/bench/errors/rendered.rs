//! An error, from where it comes up to what is sent and logged.

use std::hint::black_box;
use std::time::Instant;

use highwater::error::{
    AppError, Classification, Classify, CorrelationId, ErrorKind, Handler, Ids, Incident, Problem,
};

const TIMES: u32 = 5_000;

/// How far it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// By `?` from an enum, and to the JSON that is sent.
    Rendered,
    /// Also through the handler, which counts it and writes its line.
    Handled,
}

#[derive(Debug, thiserror::Error)]
#[error("order {0} is not in the table")]
struct UnknownOrder(u64);

impl Classify for UnknownOrder {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::NotFound)
            .with_code("unknown_order")
            .with_public("There is no such order.")
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

    /// Nanoseconds an error.
    pub(super) fn time(self) -> f64 {
        let ids = Ids::new(7);
        let handler = Handler::new().log_to(|_, line| {
            black_box(line);
        });
        let start = Instant::now();
        for _ in 0..TIMES {
            let error = find(black_box(42)).expect_err("there are no orders");
            black_box(match self {
                Self::Rendered => rendered(&error, &ids.make()),
                Self::Handled => handled(&error, ids.make(), &handler),
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
    let problem = decision.problem().expect("it is the client's fault");
    problem.to_json()
}
