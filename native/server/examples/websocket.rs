//! A WebSocket that says goodbye when the server shuts down.
//!
//! ```sh
//! cargo run -p highwater-server --example websocket    # then, in another terminal:
//! websocat ws://127.0.0.1:8080/echo                     # then press Ctrl-C in the first one
//! ```

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::Response,
    routing::get,
};
use highwater_server::{ExitCode, Server, Shutdown};

fn main() -> ExitCode {
    Server::new("127.0.0.1:8080").run(|worker| async move {
        Router::new()
            .route("/echo", get(upgrade))
            .with_state(worker.shutdown())
    })
}

async fn upgrade(upgrade: WebSocketUpgrade, State(shutdown): State<Shutdown>) -> Response {
    upgrade.on_upgrade(async |socket| {
        // An error means that the client has disconnected, or that the time is over.
        let _ = echo(socket, shutdown).await;
    })
}

/// Sends each message back until the client or the server stops.
async fn echo(mut socket: WebSocket, shutdown: Shutdown) -> Result<(), axum::Error> {
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(message @ Ok(Message::Text(_) | Message::Binary(_))) => {
                    socket.send(message?).await?;
                }
                Some(message) => drop(message?),
                None => return Ok(()),
            },
            () = shutdown.draining() => break,
        }
    }
    // The client connects again, to another process.
    let goodbye = CloseFrame {
        code: close_code::AWAY,
        reason: "the server is shutting down".into(),
    };
    socket.send(Message::Close(Some(goodbye))).await
}
