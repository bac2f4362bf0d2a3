//! Two worker processes behind one address.
//!
//! ```sh
//! cargo run -p highwater-server --example cluster
//! ```

use axum::{Router, routing::get};
use highwater_server::{Cluster, ExitCode};

fn main() -> ExitCode {
    Cluster::new("127.0.0.1:8080")
        .workers(2)
        .run(|_worker| async { Router::new().route("/", get(|| async { "hello" })) })
}
