//! Error responses to requests whose head hyper could not parse, and to connections that
//! are rejected. They never reach the service.
//!
//! hyper responds to most of them with only a status. The connection's [`Socket`]
//! withholds that response. Here they are handled like every other error: counted,
//! logged and returned as problem details.

use super::{connection_limit::ConnectionLimit, socket::Socket};
use highwater::error::{
    AppError, Classification, ErrorKind, Handler, IdGenerator, Incident, Problem, http::REQUEST_ID,
};
use http::{StatusCode, header};
use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink},
    time::timeout,
};

const SUPPORTED_VERSIONS: &str = if cfg!(feature = "http2") {
    "This server supports HTTP/1.0, HTTP/1.1 and HTTP/2."
} else {
    "This server supports HTTP/1.1 and HTTP/1.0."
};

/// Responds to malformed requests.
#[derive(Debug)]
pub(super) struct MalformedRequests {
    handler: Arc<Handler>,
    ids: IdGenerator,
}

impl MalformedRequests {
    pub(super) fn new(handler: Arc<Handler>) -> Self {
        // `RandomState` is seeded with random bytes from the system.
        let seed = RandomState::new().hash_one("malformed");
        MalformedRequests {
            handler,
            ids: IdGenerator::new(seed),
        }
    }

    /// Responds to a request that hyper failed to parse, and closes the connection. `head`
    /// is the part of the request that was read. If hyper has already sent its own
    /// response, the error is only counted and logged.
    pub(super) async fn respond<I>(
        &self,
        error: hyper::Error,
        head: &[u8],
        mut socket: Socket<I>,
        connection_limit: &ConnectionLimit,
    ) where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let has_hyper_responded = !socket.take_withheld_response() && !error.is_parse_version_h2();
        let error = classify(error, head, connection_limit.limits().head_bytes);
        connection_limit.meter.malformed_request(error.status());
        let response = self.handle(&error, "reading a request head");
        if has_hyper_responded {
            return;
        }
        let sending = async {
            socket.write_all(response.as_bytes()).await?;
            socket.shutdown().await
        };
        // Fails if the client has disconnected.
        let _ = timeout(2 * connection_limit.limits().grace, sending).await;
    }

    /// Responds to a connection that is rejected, and closes it.
    pub(super) async fn reject<I>(&self, error: &AppError, mut io: I, grace: Duration)
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let response = self.handle(error, "accepting a connection");
        let sending = async {
            io.write_all(response.as_bytes()).await?;
            io.shutdown().await?;
            // Otherwise the system would reset the connection, and the client could lose
            // the response.
            copy(&mut io, &mut sink()).await
        };
        // Fails if the client has disconnected.
        let _ = timeout(grace, sending).await;
    }

    /// Logs the error and returns the complete response.
    fn handle(&self, error: &AppError, operation: &'static str) -> String {
        let id = self.ids.generate();
        let incident = Incident::new(id, operation);
        let decision = self.handler.handle(error, &incident);
        let problem = decision.problem().map(Problem::to_json).unwrap_or_default();
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let retry_after = error.retry_after().map_or_else(String::new, |after| {
            format!("{}: {}\r\n", header::RETRY_AFTER, after.as_secs())
        });
        let date = httpdate::fmt_http_date(SystemTime::now());
        format!(
            "HTTP/1.1 {status}\r\n{}: {}\r\n{}: {}\r\n{}: close\r\n{}: {date}\r\n{}: {id}\r\n\
             {retry_after}{}: nosniff\r\n\r\n{problem}",
            header::CONTENT_TYPE,
            Problem::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            problem.len(),
            header::CONNECTION,
            header::DATE,
            REQUEST_ID,
            header::X_CONTENT_TYPE_OPTIONS,
        )
    }
}

fn classify(error: hyper::Error, head: &[u8], max_head_bytes: usize) -> AppError {
    let request_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_line_too_long = error.is_parse_too_large() && request_line.len() > max_head_bytes / 2;
    // hyper distinguishes these errors only by their messages.
    let error_message = error.to_string();
    let (kind, status, message) = if error_message.contains("version") {
        (
            ErrorKind::InvalidInput,
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            SUPPORTED_VERSIONS,
        )
    } else if is_line_too_long || error_message.contains("URI too long") {
        (
            ErrorKind::TooLarge,
            StatusCode::URI_TOO_LONG,
            "The URI of the request is too long.",
        )
    } else if error.is_parse_too_large() {
        (
            ErrorKind::TooLarge,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The request has too many headers, or they are too large.",
        )
    } else {
        (
            ErrorKind::InvalidInput,
            StatusCode::BAD_REQUEST,
            "The request is not valid HTTP.",
        )
    };
    AppError::new(Classification::new(kind).with_status(status.as_u16()))
        .with_public_message(message)
        .with_source(error)
}
