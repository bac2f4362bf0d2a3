//! The span and the access log entry of a request.

use crate::{
    access_log::{AccessEntry, AccessLog, AccessOutcome},
    logging::{self, REQUEST_TARGET},
    trace_context::TraceContext,
};
use highwater::{
    error::{CorrelationId, IdGenerator, http::REQUEST_ID},
    scale::WorkerId,
};
use http::{HeaderValue, Request, StatusCode};
use std::{
    hash::{BuildHasher, RandomState},
    time::SystemTime,
};
use tokio::time::Instant;
use tracing::{Span, field, span::Entered};

/// The configuration that the logs of all requests of a worker share.
#[derive(Debug)]
pub(crate) struct RequestLogs {
    worker: WorkerId,
    ids: IdGenerator,
    access_log: Option<AccessLog>,
}

impl RequestLogs {
    pub(crate) fn new(worker: WorkerId, access_log: Option<AccessLog>) -> Self {
        RequestLogs {
            worker,
            ids: IdGenerator::new(RandomState::new().hash_one("requests")),
            access_log,
        }
    }

    /// Returns the id of a request, for its header and its log entries. The error layer
    /// uses the id in the header.
    fn identify<B>(&self, request: &mut Request<B>) -> CorrelationId {
        let headers = request.headers_mut();
        let mut client_ids = headers.get_all(REQUEST_ID).iter();
        if let (Some(id), None) = (client_ids.next(), client_ids.next())
            && let Ok(id) = CorrelationId::parse(id)
        {
            return id;
        }
        let id = self.ids.generate();
        let value = HeaderValue::from_str(id.as_str());
        headers.insert(REQUEST_ID, value.expect("ids are valid in a header"));
        id
    }
}

/// The span and the access log entry of a request, if either is enabled.
#[derive(Debug)]
pub(super) struct RequestLog(Option<Box<EnabledLog>>);

#[derive(Debug)]
struct EnabledLog {
    span: Span,
    entry: Option<AccessEntry>,
    /// The method and the path, if disconnects are logged.
    operation: Option<String>,
    received_at: Instant,
    status: Option<u16>,
    bytes: u64,
    has_failed: bool,
}

impl RequestLog {
    /// Creates the span and the entry of a request, and records its trace context in its
    /// extensions. Without a span and an entry, the request keeps its headers and no memory
    /// is allocated, except for a trace context.
    pub(super) fn new<B>(
        logs: &RequestLogs,
        request: &mut Request<B>,
        received_at: Instant,
    ) -> Self {
        let trace = TraceContext::from_headers(request.headers());
        if let Some(trace) = &trace {
            request.extensions_mut().insert(trace.clone());
        }
        // The macro evaluates the fields only if the span is enabled.
        let mut id = None;
        let span = tracing::info_span!(
            target: REQUEST_TARGET,
            "request",
            id = %*id.insert(logs.identify(request)),
            method = request.method().as_str(),
            path = request.uri().path(),
            trace_id = trace.as_ref().map(|trace| field::display(trace.trace_id())),
            parent_span_id = trace.as_ref().map(|trace| field::display(trace.parent_span_id())),
            worker = logs.worker.slot + 1,
            generation = logs.worker.generation,
            status = field::Empty,
            bytes = field::Empty,
        );
        let access_log = logs.access_log;
        if id.is_none() && access_log.is_none() {
            return RequestLog(None);
        }
        let id = id.unwrap_or_else(|| logs.identify(request));
        let trace_id = trace.map(|trace| trace.trace_id());
        let entry =
            access_log.map(|format| AccessEntry::new(format, logs.worker, request, id, trace_id));
        let operation = || format!("{} {}", request.method(), request.uri().path());
        let logs_disconnects = tracing::enabled!(target: REQUEST_TARGET, tracing::Level::DEBUG);
        RequestLog(Some(Box::new(EnabledLog {
            span,
            entry,
            operation: logs_disconnects.then(operation),
            received_at,
            status: None,
            bytes: 0,
            has_failed: false,
        })))
    }

    /// Enters the span, while the service or the response body is polled.
    pub(super) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|log| log.span.enter())
    }

    /// Records the start of the response.
    pub(super) fn response_started(&mut self, status: StatusCode) {
        if let Some(log) = &mut self.0 {
            log.status = Some(status.as_u16());
            log.span.record("status", status.as_u16());
        }
    }

    /// Records a part of the response body.
    pub(super) fn body_sent(&mut self, bytes: u64) {
        if let Some(log) = &mut self.0 {
            log.bytes += bytes;
        }
    }

    /// Records that the response body ended with an error.
    pub(super) fn body_failed(&mut self) {
        if let Some(log) = &mut self.0 {
            log.has_failed = true;
        }
    }

    /// Records the end of the request: that it is complete, or the stage in which the
    /// client disconnected.
    pub(super) fn finish(&mut self, is_complete: bool, disconnect_stage: Option<&str>) {
        let Some(log) = self.0.take() else {
            return;
        };
        log.span.record("bytes", log.bytes);
        if let (Some(stage), Some(operation)) = (disconnect_stage, &log.operation) {
            let _entered = log.span.enter();
            tracing::debug!(
                target: REQUEST_TARGET,
                "client disconnected {stage}: operation=\"{}\"",
                operation.escape_debug()
            );
        }
        if let Some(entry) = &log.entry {
            let outcome = AccessOutcome {
                status: log.status,
                bytes: log.bytes,
                duration: log.received_at.elapsed(),
                is_complete: is_complete && !log.has_failed,
            };
            logging::access(entry.line(outcome, SystemTime::now()));
        }
    }
}
