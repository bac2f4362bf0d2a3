//! `native serve`: the page and its API.

mod api;
mod headers;
mod page;
mod problem;
mod stream;

use crate::{
    cli::ServeOptions,
    error::Error,
    interrupt::interrupted,
    report::{self, BAD},
};
use axum::{
    Router,
    extract::Request,
    handler::HandlerWithoutStateExt,
    http::{StatusCode, Uri},
    middleware::{Next, from_fn, map_response},
    response::IntoResponse,
    routing::{any, get, post},
    serve::ListenerExt,
};
use percent_encoding::percent_decode_str;
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};
use tower_http::services::ServeDir;

/// How long clients have to take what they were promised once the server is
/// asked to end.
const GRACE: Duration = Duration::from_secs(2);

/// Binds, builds the page, and serves until it is asked to end.
///
/// # Errors
///
/// Bad input, an address that cannot be had, or no page to serve.
pub(crate) async fn serve(options: &ServeOptions) -> Result<ExitCode, Error> {
    let addr = options.addr()?;
    let (www, build) = options.www();
    // Before the build: who has to choose another port should not wait for it.
    let listener = listen(addr).await?;
    let addr = listener.local_addr().unwrap_or(addr);
    if !addr.ip().is_loopback() {
        anstream::eprintln!(
            "{BAD}warning:{BAD:#} whoever reaches {addr} can open the page and start runs; \
             browsers give the page threads on 127.0.0.1 or over HTTPS only"
        );
    }
    // One listener for all that follows: a signal between two would be lost.
    let mut interrupted = pin!(interrupted());
    tokio::select! {
        biased;
        signal = &mut interrupted => return Ok(ExitCode::from(signal.exit_code())),
        ready = page::prepare(&www, build) => ready?,
    }

    let (announce_end, end) = watch::channel(false);
    let state = Arc::new(api::State::new(end.clone()));
    let listener = listener.tap_io(|connection| {
        // Small events are to arrive when they happen, not when more follow.
        let _ = connection.set_nodelay(true);
    });
    let server = axum::serve(listener, router(&www, state))
        .with_graceful_shutdown(api::ended(end))
        .into_future();
    report::print(&format!(
        "Highwater is at http://{addr}/ (Ctrl-C stops it)\n"
    ))?;
    let stopped = async {
        interrupted.await;
        announce_end.send_replace(true);
        tokio::time::sleep(GRACE).await;
    };
    let build_the_rest = async {
        if build {
            page::build_the_rest().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = server => {}
        () = stopped => {}
        () = build_the_rest => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder this program was built from.
pub(crate) fn checkout() -> PathBuf {
    let native = Path::new(env!("CARGO_MANIFEST_DIR"));
    native.parent().unwrap_or(native).to_owned()
}

async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr)
        .await
        .map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => Error::PortTaken(addr),
            _ => Error::Listen { addr, cause },
        })
}

fn router(www: &Path, state: Arc<api::State>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        // It listens before the page is there, but answers only after.
        .route("/readyz", get(|| async { "ready\n" }))
        .route("/api/scenarios", get(api::scenarios))
        .route("/api/runs", post(api::run))
        .route("/api/", any(problem::not_found))
        .route("/api/{*unknown}", any(problem::not_found))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback_service(files(www))
        .layer(api::body_limit())
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

async fn no_such_file(uri: Uri) -> (StatusCode, String) {
    let line = format!("There is no {}: the page is at /.\n", uri.path());
    (StatusCode::NOT_FOUND, line)
}
