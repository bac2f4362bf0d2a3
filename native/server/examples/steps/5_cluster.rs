//! A sign-up service that becomes one that holds up: see `GUIDE.md`.

use axum::{
    Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use futures_util::StreamExt;
use highwater::{
    Overflow,
    error::AppError,
    events::{Bus, Inbox},
    scale::{Pool, PoolOptions},
    tokio::blocking_pool,
};
use highwater_server::{Cluster, ExitCode, Limits, Worker};
use std::{collections::HashMap, time::Duration};
use tokio::time::sleep;

fn main() -> ExitCode {
    Cluster::new("127.0.0.1:8080")
        .workers(2)
        .limits(Limits::new().head(Duration::from_secs(2)))
        .run(|worker| async move { router(&worker) })
}

#[derive(Clone)]
struct App {
    pool: Pool,
    bus: Bus,
}

/// The event that a user signed up.
#[derive(Clone)]
struct SignedUp {
    name: String,
}

fn router(worker: &Worker) -> Router {
    let pool = blocking_pool(PoolOptions::new(2).waiting(16));
    let bus = Bus::new();
    let inbox = bus.inbox("mail", 16, Overflow::Fail).expect("has room");
    worker.spawn(send_mails(inbox));
    Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/primes/{below}", get(primes))
        .route("/signup", post(sign_up))
        .with_state(App { pool, bus })
}

/// Counts the primes below a number.
async fn primes(State(app): State<App>, Path(below): Path<u64>) -> Result<String, AppError> {
    let work = app.pool.try_run(move |cancellation| {
        let numbers = (2..below).take_while(|_| !cancellation.is_cancelled());
        numbers.filter(|n| is_prime(*n)).count()
    });
    let count = work?.await?;
    Ok(format!("{count}\n"))
}

fn is_prime(n: u64) -> bool {
    (2..=n.isqrt()).all(|d| !n.is_multiple_of(d))
}

/// Signs a user up.
async fn sign_up(
    State(app): State<App>,
    Query(mut user): Query<HashMap<String, String>>,
) -> Result<&'static str, AppError> {
    let name = user.remove("name").ok_or_else(|| {
        AppError::invalid_input("The sign-up is incomplete.").with_field("name", "is missing")
    })?;
    app.bus.emit(&SignedUp { name })?;
    Ok("welcome\n")
}

async fn send_mails(mut inbox: Inbox<SignedUp>) {
    while let Some(event) = inbox.next().await {
        send_welcome(event.name).await;
    }
}

/// Stands in for a mail server.
async fn send_welcome(name: String) {
    sleep(Duration::from_secs(1)).await;
    log::info!("sent a mail to {name}");
}
