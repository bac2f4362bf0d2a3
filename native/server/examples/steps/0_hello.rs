//! A sign-up service that becomes one that holds up: see `GUIDE.md`.

use axum::{
    Router,
    extract::{Path, Query},
    routing::{get, post},
};
use std::{collections::HashMap, env, time::Duration};
use tokio::{net::TcpListener, time::sleep};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let addr = env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = TcpListener::bind(addr).await.unwrap();
    axum::serve(listener, router()).await.unwrap();
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
async fn sign_up(Query(user): Query<HashMap<String, String>>) -> &'static str {
    let name = user["name"].clone();
    tokio::spawn(send_welcome(name));
    "welcome\n"
}

/// Stands in for a mail server.
async fn send_welcome(name: String) {
    sleep(Duration::from_secs(1)).await;
    log::info!("sent a mail to {name}");
}
