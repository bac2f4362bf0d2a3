//! A sign-up service that becomes one that holds up: see `GUIDE.md`.

use axum::{
    Router,
    extract::{Path, Query},
    routing::{get, post},
};
use highwater::error::AppError;
use highwater_server::{ExitCode, Limits, Server};
use std::{collections::HashMap, time::Duration};
use tokio::time::sleep;

fn main() -> ExitCode {
    Server::new("127.0.0.1:8080")
        .limits(Limits::new().head(Duration::from_secs(2)))
        .run(|_worker| async { router() })
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/primes/{below}", get(primes))
        .route("/signup", post(sign_up))
}

/// Counts the primes below a number.
async fn primes(Path(below): Path<u64>) -> String {
    let count = (2..below).filter(|n| is_prime(*n)).count();
    format!("{count}\n")
}

fn is_prime(n: u64) -> bool {
    (2..=n.isqrt()).all(|d| !n.is_multiple_of(d))
}

/// Signs a user up.
async fn sign_up(
    Query(mut user): Query<HashMap<String, String>>,
) -> Result<&'static str, AppError> {
    let name = user.remove("name").ok_or_else(|| {
        AppError::invalid_input("The sign-up is incomplete.").with_field("name", "is missing")
    })?;
    tokio::spawn(send_welcome(name));
    Ok("welcome\n")
}

/// Stands in for a mail server.
async fn send_welcome(name: String) {
    sleep(Duration::from_secs(1)).await;
    log::info!("sent a mail to {name}");
}
