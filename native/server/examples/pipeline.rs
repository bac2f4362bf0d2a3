//! A pipeline for each request: uploads of any size, in bounded memory.
//!
//! ```sh
//! cargo run -p highwater-server --example pipeline    # then, in another terminal:
//! (yes INFO | head -c 1G; echo "ERROR the disk is full") | curl -T - http://127.0.0.1:8080/errors
//! ```

use axum::{Router, body::Body, routing::put};
use highwater::stream::Pipeline;
use highwater_server::{ExitCode, Limits, Server};
use std::time::Duration;

fn main() -> ExitCode {
    Server::new("127.0.0.1:8080")
        // An upload may take a long time.
        .limits(Limits::new().body(Duration::from_hours(1)))
        .run(|_worker| async { Router::new().route("/errors", put(errors)) })
}

/// Returns the lines of the request that start with `ERROR`, while it is received. The
/// server reads only as fast as the client does. A line that is too long ends the
/// response, and the client can tell that it is incomplete.
async fn errors(log: Body) -> Body {
    let errors = Pipeline::from_try_stream("upload", log.into_data_stream())
        .lines("lines", 64 * 1024)
        .filter_map("errors", |line| line.starts_with(b"ERROR").then_some(line))
        .map("line ends", |line| [&line, &b"\n"[..]].concat())
        .into_stream();
    Body::from_stream(errors)
}
