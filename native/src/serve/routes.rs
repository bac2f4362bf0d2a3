//! The routes of the page and its API.

use super::{
    api, deadline, errors, faults, headers,
    hosts::{self, Hosts},
    problems,
    service::{self, EndpointState},
};
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, Uri},
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use highwater::error::{AppError, http::HandlerLayer};
use percent_encoding::percent_decode_str;
use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};
use tower_http::services::ServeDir;

/// The configuration of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    /// The folder of the page.
    pub(super) www: &'a Path,
    /// True if `POST /api/faults/bug` is served.
    pub(super) faults: bool,
    /// The hosts that requests may address.
    pub(super) hosts: &'a Hosts,
}

/// Returns the router. All errors go to `handler`.
pub(super) fn router(
    site: Site<'_>,
    state: Arc<api::ApiState>,
    shared: &EndpointState,
    handler: HandlerLayer,
) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        // Requests queue while the page is built, so that a response means ready.
        .route("/readyz", get(service::readyz).with_state(shared.clone()))
        .route("/metrics", get(service::metrics).with_state(shared.clone()))
        .route("/api/scenarios", get(api::scenarios))
        .route("/api/runs", post(api::run))
        .route("/api/", any(api::not_found))
        .route("/api/{*unknown}", any(api::not_found))
        .route("/problems/", get(problems::list))
        .route("/problems/{code}", get(problems::one));
    if site.faults {
        router = router.route("/api/faults/bug", post(faults::bug));
    }
    let hosts = Arc::new(site.hosts.clone());
    router
        .method_not_allowed_fallback(api::method_not_allowed)
        .fallback_service(files(site.www))
        .layer(api::body_limit())
        .layer(from_fn_with_state(
            shared.limits,
            deadline::enforce_deadline,
        ))
        .layer(from_fn_with_state(hosts, check_host))
        .layer(handler)
        .layer(from_fn(errors::errors_as_text))
        .layer(map_response(headers::set_security_headers))
        .with_state(state)
}

async fn check_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts::rejection(&hosts, &request) {
        Some(rejection) => rejection,
        None => next.run(request).await,
    }
}

/// Serves the page's files, except hidden ones.
fn files(www: &Path) -> Router {
    let folder = ServeDir::new(www);
    Router::new().fallback(async move |request: Request| file(folder, request).await)
}

async fn file(mut folder: ServeDir, request: Request) -> Response {
    let uri = request.uri().clone();
    if is_hidden(&uri) {
        return no_such_file(&uri).into_response();
    }
    match folder.try_call(request).await {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => {
            no_such_file(&uri).into_response()
        }
        Ok(response) => response.into_response(),
        Err(cause) if is_absent(&cause) => no_such_file(&uri).with_source(cause).into_response(),
        Err(cause) => AppError::from(cause).into_response(),
    }
}

/// Returns true if there is no file at the path, or none that this process may read.
/// Other errors are failures of the system.
fn is_absent(cause: &io::Error) -> bool {
    // `ErrorKind::FilesystemLoop` is not stable.
    #[cfg(unix)]
    let is_loop = cause.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32);
    #[cfg(not(unix))]
    let is_loop = false;
    is_loop
        || matches!(
            cause.kind(),
            ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::NotADirectory
                | ErrorKind::IsADirectory
                // The name or the whole path is too long.
                | ErrorKind::InvalidFilename
                // The path contains a NUL.
                | ErrorKind::InvalidInput
        )
}

/// Returns true if a file or folder in the path begins with a dot. The path is decoded
/// first, as it is for the lookup.
fn is_hidden(uri: &Uri) -> bool {
    let path = percent_decode_str(uri.path()).decode_utf8_lossy();
    path.split(['/', '\\']).any(|name| name.starts_with('.'))
}

fn no_such_file(uri: &Uri) -> AppError {
    AppError::not_found(format!("There is no {}: the page is at /.", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{
        metrics::Metrics,
        worker::{Limits, Phase},
    };
    use axum::{
        body::{Body, to_bytes},
        http::header,
    };
    use futures::{FutureExt, future, stream};
    use tokio::sync::watch;
    use tower::ServiceExt;

    #[tokio::test(start_paused = true)]
    async fn endless_body_times_out() {
        let (_phase, phase) = watch::channel(Phase::Serving);
        let site = Site {
            www: Path::new("."),
            faults: false,
            hosts: &Hosts::Any,
        };
        let state = Arc::new(api::ApiState::new(phase.clone()));
        let shared = EndpointState {
            limits: Limits::default(),
            phase,
            scrape: Arc::new(|| future::ready(Some(Metrics::default())).boxed()),
            failing: service::FailingWorkers::default(),
        };
        let handler = errors::layer(errors::handler(), || panic!("a slow client is not a bug"));
        let body = Body::from_stream(stream::pending::<Result<String, io::Error>>());
        let request = Request::post("/api/runs")
            .header(header::HOST, "test")
            .header(header::CONTENT_TYPE, "application/json");
        let request = request.body(body).unwrap();
        let Ok(answer) = router(site, state, &shared, handler).oneshot(request).await;
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["code"], "timeout");
        assert_eq!(problem["type"], "/problems/timeout");
    }
}
