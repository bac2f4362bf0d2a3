//! The routes of the page and its API.

use super::{
    api, compressed, endpoints, faults, headers,
    hosts::{self, Hosts},
    plain_text, problems,
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header::VARY},
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use highwater::error::AppError;
use highwater_server::Worker;
use percent_encoding::percent_decode_str;
use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

/// The page's configuration.
#[derive(Debug)]
pub(super) struct PageConfig<'a> {
    /// The page's folder.
    pub(super) www: &'a Path,
    /// True if `POST /api/faults/bug` is served.
    pub(super) faults: bool,
    /// The hosts that are allowed in requests.
    pub(super) hosts: Hosts,
}

/// Returns the router.
pub(super) fn router(page_config: PageConfig<'_>, worker: Worker) -> Router {
    let state = Arc::new(api::ApiState::new(worker.shutdown()));
    // Inside the page's middleware, which renders its errors.
    let error_layer = worker.error_layer();
    let mut router = Router::new()
        // Requests queue while the page is being built, so any response means that it is
        // ready.
        .merge(endpoints::router(worker))
        .route("/api/scenarios", get(api::scenarios))
        .route("/api/runs", post(api::run))
        .route("/api/", any(api::not_found))
        .route("/api/{*unknown}", any(api::not_found))
        .route("/problems/", get(problems::list))
        .route("/problems/{code}", get(problems::describe));
    if page_config.faults {
        router = router.route("/api/faults/bug", post(faults::bug));
    }
    let hosts = Arc::new(page_config.hosts);
    router
        .method_not_allowed_fallback(api::method_not_allowed)
        .fallback_service(file_routes(page_config.www))
        .layer(api::body_limit())
        .layer(from_fn_with_state(hosts, check_host))
        .layer(error_layer)
        .layer(from_fn(plain_text::render_errors))
        .layer(map_response(headers::set_response_headers))
        .with_state(state)
}

async fn check_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts::check(&hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Serves the page's files, except hidden ones.
fn file_routes(www: &Path) -> Router {
    let www: Arc<Path> = www.into();
    Router::new().fallback(async move |request: Request| serve_file(&www, request).await)
}

async fn serve_file(www: &Path, request: Request) -> Response {
    let uri = request.uri().clone();
    if is_hidden(&uri) {
        return not_found_error(&uri).into_response();
    }
    let mut folder = compressed::folder(www, &uri).await;
    match folder.try_call(request).await {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => {
            not_found_error(&uri).into_response()
        }
        Ok(mut response) => {
            let headers = response.headers_mut();
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
            response.into_response()
        }
        Err(cause) if is_not_found(&cause) => {
            not_found_error(&uri).with_source(cause).into_response()
        }
        Err(cause) => AppError::from(cause).into_response(),
    }
}

/// Returns true if the path has no file that this process can read. Other errors are
/// system failures.
fn is_not_found(cause: &io::Error) -> bool {
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

/// Returns true if a file or folder name in the path begins with a dot. The path is
/// percent-decoded first, as in the file lookup.
fn is_hidden(uri: &Uri) -> bool {
    let path = percent_decode_str(uri.path()).decode_utf8_lossy();
    path.split(['/', '\\']).any(|name| name.starts_with('.'))
}

fn not_found_error(uri: &Uri) -> AppError {
    AppError::not_found(format!("{} does not exist. The page is at /.", uri.path()))
}
