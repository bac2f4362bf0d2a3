//! A graceful shutdown: endless responses end, and the server exits.
//!
//! ```sh
//! cargo run -p highwater-server --example graceful    # then, in another terminal:
//! curl -N http://127.0.0.1:8080/ticks                 # then press Ctrl-C in the first one
//! ```

use axum::{Router, body::Body, extract::State, routing::get};
use futures_util::stream;
use highwater_server::{ExitCode, Limits, Server, Shutdown};
use std::{convert::Infallible, time::Duration};
use tokio::time::interval;

fn main() -> ExitCode {
    Server::new("127.0.0.1:8080")
        // Open connections are still served for this long.
        .limits(Limits::new().linger(Duration::from_millis(500)))
        // Afterwards, open requests are aborted.
        .shutdown_timeout(Duration::from_secs(5))
        .run(|worker| async move {
            Router::new()
                .route("/", get(|| async { "hello" }))
                .route("/ticks", get(ticks))
                .with_state(worker.shutdown())
        })
}

/// Sends a line every 100 ms until the server shuts down.
async fn ticks(State(shutdown): State<Shutdown>) -> Body {
    let ticks = interval(Duration::from_millis(100));
    Body::from_stream(stream::unfold(Some((ticks, shutdown)), async |state| {
        let (mut ticks, shutdown) = state?;
        tokio::select! {
            _ = ticks.tick() => Some((Ok::<_, Infallible>("tick\n"), Some((ticks, shutdown)))),
            () = shutdown.draining() => Some((Ok("bye\n"), None)),
        }
    }))
}
