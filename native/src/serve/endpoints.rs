//! The endpoints of every server: liveness, readiness and metrics.

use super::{
    metrics::{Meter, Metrics, ScrapeWorkers},
    worker::{Limits, Phase},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderName, header},
    response::IntoResponse,
    routing::get,
};
use highwater::error::AppError;
use std::{
    process,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// The response header with the process id of the worker.
pub(super) const WORKER_HEADER: HeaderName = HeaderName::from_static("x-worker");

/// The state of a worker that its endpoints and other routes use.
#[derive(Clone)]
pub(super) struct EndpointState {
    pub(super) limits: Limits,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) meter: Arc<Meter>,
    /// Provides the metrics for `GET /metrics`.
    pub(super) scrape: ScrapeWorkers,
    /// The failing workers that `GET /readyz` reports.
    pub(super) failing: FailingWorkers,
}

/// Returns the routes of the endpoints.
pub(super) fn router<S: Clone + Send + Sync + 'static>(state: EndpointState) -> Router<S> {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
}

/// `GET /readyz`: returns the id of this process and the workers that fail to start, or
/// 503 if this process is draining. The service is ready as long as one worker is ready.
async fn readyz(State(state): State<EndpointState>) -> Result<String, AppError> {
    if *state.phase.borrow() > Phase::Serving {
        return Err(AppError::unavailable("the draining process")
            .with_public_message("This process is shutting down. Another one is taking over."));
    }
    let degraded_line = match state.failing.get() {
        workers if workers.is_empty() => String::new(),
        workers => format!("degraded: these workers fail to start: {workers}\n"),
    };
    Ok(format!("ready: process {}\n{degraded_line}", process::id()))
}

/// The numbers of the workers that repeatedly fail to start, as last reported by the
/// supervisor.
#[derive(Clone, Debug, Default)]
pub(super) struct FailingWorkers(Arc<Mutex<String>>);

impl FailingWorkers {
    #[cfg(any(unix, test))]
    pub(super) fn set(&self, workers: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = workers;
    }

    fn get(&self) -> String {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.clone()
    }
}

/// `GET /metrics`: returns the metrics of all workers, for Prometheus.
async fn metrics(State(state): State<EndpointState>) -> Result<impl IntoResponse, AppError> {
    let metrics = (state.scrape)().await.ok_or_else(|| {
        AppError::unavailable("the supervisor")
            .with_public_message("The metrics are temporarily unavailable. Try again later.")
    })?;
    Ok((
        [(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)],
        metrics.to_text(),
    ))
}
