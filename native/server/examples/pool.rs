//! CPU work off the event loop: requests for `/primes` are computed on a bounded pool.
//! While it is full, they are rejected with 503. `/metrics` shows the jobs by outcome, and
//! how long they waited and ran.
//!
//! ```sh
//! cargo run -p highwater-server --example pool    # then, in another terminal:
//! curl http://127.0.0.1:8080/primes
//! curl -s http://127.0.0.1:8080/metrics | grep job
//! ```

use axum::{Router, extract::State, routing::get};
use highwater::{
    error::AppError,
    scale::{Pool, PoolOptions},
    tokio::blocking_pool,
};
use highwater_server::{Endpoints, ExitCode, Server, Worker};

fn main() -> ExitCode {
    Server::new("127.0.0.1:8080")
        .endpoints(Endpoints::new())
        .run(service)
}

async fn service(worker: Worker) -> Router {
    // One job for each core, and a queue for bursts.
    let pool = blocking_pool(PoolOptions::new(2).waiting(64));
    let registered = worker.register("primes", &pool);
    registered.expect("each pool has its own name");
    Router::new().route("/primes", get(primes)).with_state(pool)
}

async fn primes(State(pool): State<Pool>) -> Result<String, AppError> {
    let count = pool.try_run(|_| count_primes(20_000))?.await?;
    Ok(format!("{count} primes\n"))
}

fn count_primes(limit: u32) -> usize {
    let is_prime = |n: &u32| (2..*n).all(|divisor| !n.is_multiple_of(divisor));
    (2..limit).filter(is_prime).count()
}
