//! The smallest server.
//!
//! ```sh
//! cargo run -p highwater-server --example hello
//! ```

use axum::{Router, routing::get};
use highwater_server::{ExitCode, Server};

fn main() -> ExitCode {
    Server::new("127.0.0.1:8080")
        .run(|_worker| async { Router::new().route("/", get(|| async { "hello" })) })
}
