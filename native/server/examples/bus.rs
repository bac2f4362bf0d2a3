//! Events between the parts of a service: a sign-up is answered at once, and its mail is
//! sent by a task with a bounded inbox. If mail falls behind, sign-ups are rejected with
//! 503 instead of filling the memory. `/metrics` shows the events of the bus and the inbox.
//!
//! ```sh
//! cargo run -p highwater-server --example bus    # then, in another terminal:
//! curl -X POST http://127.0.0.1:8080/signups/ada@example.com
//! curl -s http://127.0.0.1:8080/metrics | grep -E 'bus|inbox'
//! ```

use axum::{
    Router,
    extract::{Path, State},
    routing::post,
};
use futures::StreamExt;
use highwater::{
    error::AppError,
    events::{Bus, Inbox, Overflow},
};
use highwater_server::{Endpoints, ExitCode, Server, Worker, logging};

#[derive(Clone)]
struct SignedUp {
    email: String,
}

fn main() -> ExitCode {
    Server::new("127.0.0.1:8080")
        .endpoints(Endpoints::new())
        .run(service)
}

async fn service(worker: Worker) -> Router {
    let bus = Bus::new();
    worker.register("shop", &bus).expect("the name is free");
    let inbox = bus.emitter().inbox("mail", 1000, Overflow::Wait);
    let inbox = inbox.expect("the capacity is not zero");
    let registered = worker.register("mail", &inbox.monitor());
    registered.expect("the name is free");
    tokio::spawn(send_mails(inbox));
    Router::new()
        .route("/signups/{email}", post(sign_up))
        .with_state(bus)
}

async fn sign_up(State(bus): State<Bus>, Path(email): Path<String>) -> Result<String, AppError> {
    let reply = format!("welcome, {email}\n");
    bus.emit(&SignedUp { email })?;
    Ok(reply)
}

async fn send_mails(mut inbox: Inbox<SignedUp>) {
    while let Some(SignedUp { email }) = inbox.next().await {
        logging::line(&format!("mail to {email}"));
    }
}
