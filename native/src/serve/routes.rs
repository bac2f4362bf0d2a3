//! What is at which address.

use super::{
    api, deadline, errors, faults, headers, problems,
    service::{self, Shared},
};
use axum::{
    Router,
    extract::Request,
    handler::HandlerWithoutStateExt,
    http::Uri,
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::IntoResponse,
    routing::{any, get, post},
};
use highwater::error::{AppError, http::HandlerLayer};
use percent_encoding::percent_decode_str;
use std::{path::Path, sync::Arc};
use tower_http::services::ServeDir;

/// What to serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    /// The folder of the page.
    pub(super) www: &'a Path,
    /// Whether bugs can be asked for.
    pub(super) faults: bool,
}

/// All that is served. Whatever goes wrong in it comes to the handler.
pub(super) fn router(
    site: Site<'_>,
    state: Arc<api::State>,
    shared: &Shared,
    handler: HandlerLayer,
) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        // It listens before the page is there, but answers only after.
        .route(
            "/readyz",
            get(service::ready_or_not).with_state(shared.clone()),
        )
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
    router
        .method_not_allowed_fallback(api::method_not_allowed)
        .fallback_service(files(site.www))
        .layer(api::body_limit())
        .layer(from_fn_with_state(shared.limits, deadline::keep))
        .layer(handler)
        .layer(from_fn(errors::in_words))
        .layer(map_response(headers::harden))
        .with_state(state)
}

/// The page's files. What is hidden in their folder is for programs.
fn files(www: &Path) -> Router {
    let folder = ServeDir::new(www).fallback(no_such_file.into_service());
    Router::new()
        .fallback_service(folder)
        .layer(from_fn(async |request: Request, next: Next| {
            if is_hidden(request.uri()) {
                return no_such_file(request.uri().clone()).await.into_response();
            }
            next.run(request).await
        }))
}

/// Whether a file or folder on the way begins with a dot, however it is
/// spelt: the folder's files are looked up by the decoded path.
fn is_hidden(uri: &Uri) -> bool {
    let path = percent_decode_str(uri.path()).decode_utf8_lossy();
    path.split(['/', '\\']).any(|name| name.starts_with('.'))
}

async fn no_such_file(uri: Uri) -> AppError {
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
        http::{StatusCode, header},
    };
    use futures::{FutureExt, future, stream};
    use tokio::sync::watch;
    use tower::ServiceExt;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_waited_for_no_longer_than_that() {
        let (_phase, phase) = watch::channel(Phase::Serves);
        let site = Site {
            www: Path::new("."),
            faults: false,
        };
        let state = Arc::new(api::State::new(phase.clone()));
        let shared = Shared {
            limits: Limits::default(),
            phase,
            scrape: Arc::new(|| future::ready(Some(Metrics::default())).boxed()),
        };
        let handler = errors::layer(|| panic!("a slow client is no bug"));
        let body = Body::from_stream(stream::pending::<Result<String, std::io::Error>>());
        let request = Request::post("/api/runs").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(body).unwrap();
        let Ok(answer) = router(site, state, &shared, handler).oneshot(request).await;
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["code"], "timeout");
        assert_eq!(problem["type"], "/problems/timeout");
    }
}
