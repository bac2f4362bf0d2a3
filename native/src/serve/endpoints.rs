//! The endpoints of both servers: liveness, readiness and metrics.

use axum::{
    Router,
    extract::State,
    http::{HeaderName, header},
    response::IntoResponse,
    routing::get,
};
use highwater::error::AppError;
use highwater_server::Worker;

/// The response header with the process id of the worker.
pub(super) const WORKER_HEADER: HeaderName = HeaderName::from_static("x-worker");

/// Returns the routes of the endpoints.
pub(super) fn router<S: Clone + Send + Sync + 'static>(worker: Worker) -> Router<S> {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(worker)
}

/// `GET /readyz`: returns the id of this process and the workers that fail to start, or
/// 503 if this process is draining.
async fn readyz(State(worker): State<Worker>) -> Result<String, AppError> {
    worker.readiness()
}

/// `GET /metrics`: returns the metrics of all workers, for Prometheus.
async fn metrics(State(worker): State<Worker>) -> Result<impl IntoResponse, AppError> {
    let content_type = [(header::CONTENT_TYPE, Worker::METRICS_CONTENT_TYPE)];
    Ok((content_type, worker.metrics().await?))
}
