//! A worker's metrics.

use super::{
    process::{add_log_counts, add_worker},
    registry::{RegisterError, Registry},
    snapshot::{LEFT_OUT_HELP, ScrapeWorkers, Snapshot},
    sources::MetricSource,
};
use crate::{logging, overload::Queue};
use highwater::error::ErrorKind;
use http::StatusCode;
use prometheus::{Histogram, IntCounter, IntGauge, core::Collector};
use std::{sync::Arc, time::Duration};

/// Counts a worker's events, and has the metrics that its service registers. Each request
/// costs a few atomic additions.
///
/// A new metric is a field here, and a line in the table of the README.
#[derive(Debug)]
pub(crate) struct Meter {
    registry: Registry,
    pub(crate) in_flight: IntGauge,
    /// Started responses by status class, from 1xx to 5xx.
    pub(crate) responses: [IntCounter; 5],
    pub(crate) disconnects: IntCounter,
    pub(crate) malformed_requests: IntCounter,
    /// Rejected requests by queue: of the loop and of the service.
    pub(crate) shed_requests: [IntCounter; 2],
    pub(crate) open_connections: IntGauge,
    pub(crate) accepted_connections: IntCounter,
    pub(crate) open_upgraded_connections: IntGauge,
    pub(crate) upgraded_connections: IntCounter,
    #[cfg(feature = "http2")]
    pub(crate) http2_errors: IntCounter,
    pub(crate) accept_errors: IntCounter,
    pub(crate) connection_waits: IntCounter,
    pub(crate) idle_timeouts: IntCounter,
    pub(crate) head_timeouts: IntCounter,
    pub(crate) stall_timeouts: IntCounter,
    pub(crate) handshake_timeouts: IntCounter,
    /// Connections whose proxy sent no valid PROXY header.
    pub(crate) rejected_proxy_headers: IntCounter,
    pub(crate) failed_handshakes: IntCounter,
    /// Connections of clients with too many.
    pub(crate) rejected_clients: IntCounter,
    /// Requests of clients with too many open ones.
    pub(crate) rejected_requests: IntCounter,
    pub(crate) read_bytes: IntCounter,
    pub(crate) written_bytes: IntCounter,
    pub(crate) response_latency: Histogram,
    pub(crate) loop_lag: Histogram,
}

/// The timeout that closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionTimeout {
    /// The client sent no request.
    Idle,
    /// The client did not send a complete request head.
    Head,
    /// The client did not read the response.
    Stall,
    /// The PROXY header and the TLS handshake were not complete.
    Handshake,
}

/// The maximum number of missed samples that are recorded for one delay.
const MAX_MISSED_SAMPLES: u32 = 1_000;

impl Default for Meter {
    fn default() -> Self {
        let registry = Registry::default();
        registry.gauge("metrics_left_out", LEFT_OUT_HELP);
        let [
            idle_timeouts,
            head_timeouts,
            stall_timeouts,
            handshake_timeouts,
        ] = registry.counters(
            "connections_cut_off_total",
            "Connections closed after a timeout, by reason.",
            "reason",
            ["idle", "head", "stall", "handshake"],
        );
        let [rejected_proxy_headers, failed_handshakes, rejected_clients] = registry.counters(
            "connections_rejected_total",
            "Connections closed before their first request, by reason.",
            "reason",
            ["proxy_header", "tls", "client_limit"],
        );
        Meter {
            in_flight: registry.gauge(
                "http_requests_in_flight",
                "Requests whose response is not complete.",
            ),
            responses: registry.counters(
                "http_requests_total",
                "Responses, by status class.",
                "status",
                ["1xx", "2xx", "3xx", "4xx", "5xx"],
            ),
            disconnects: registry.counter(
                "http_requests_hung_up_total",
                "Requests whose client disconnected before the response was complete.",
            ),
            malformed_requests: registry.counter(
                "http_requests_malformed_total",
                "Requests rejected because their head could not be parsed.",
            ),
            shed_requests: registry.counters(
                "http_requests_shed_total",
                "Requests rejected because of an overload, by the queue that stood.",
                "queue",
                ["loop", "service"],
            ),
            open_connections: registry.gauge("connections_open", "Open connections."),
            accepted_connections: registry
                .counter("connections_accepted_total", "Accepted connections."),
            open_upgraded_connections: registry.gauge(
                "connections_upgraded_open",
                "Open connections whose protocol has changed, such as WebSocket connections.",
            ),
            upgraded_connections: registry.counter(
                "connections_upgraded_total",
                "Connections whose protocol has changed, such as WebSocket connections.",
            ),
            #[cfg(feature = "http2")]
            http2_errors: registry.counter(
                "connections_http2_errors_total",
                "HTTP/2 connections that ended with a protocol error or a flood of frames.",
            ),
            accept_errors: registry.counter(
                "connections_accept_errors_total",
                "Failed attempts to accept a connection.",
            ),
            connection_waits: registry.counter(
                "connections_waits_total",
                "Times that a connection waited because the connection limit was reached.",
            ),
            idle_timeouts,
            head_timeouts,
            stall_timeouts,
            handshake_timeouts,
            rejected_proxy_headers,
            failed_handshakes,
            rejected_clients,
            rejected_requests: registry.counter(
                "http_requests_over_client_limit_total",
                "Requests rejected because their client had too many open ones.",
            ),
            read_bytes: registry.counter("received_bytes_total", "Bytes read from connections."),
            written_bytes: registry.counter("sent_bytes_total", "Bytes written to connections."),
            response_latency: registry.histogram(
                "http_request_duration_seconds",
                "Time from the end of the request head to the start of the response.",
            ),
            loop_lag: registry.histogram("loop_lag_seconds", "Event-loop lag."),
            registry,
        }
    }
}

impl Meter {
    /// Registers a source of metrics.
    pub(crate) fn register(
        &self,
        name: &str,
        source: &impl MetricSource,
    ) -> Result<(), RegisterError> {
        self.registry.register(name, source)
    }

    /// Registers a collector of the program. If `is_max` is true, the maximum of gauges is
    /// kept instead of their sum.
    pub(crate) fn register_collector(
        &self,
        collector: impl Collector + 'static,
        is_max: bool,
    ) -> Result<(), RegisterError> {
        self.registry.register_collector(collector, is_max)
    }

    /// Returns the values of all metrics.
    pub(crate) fn metrics(&self) -> Snapshot {
        let mut metrics = self.registry.snapshot();
        add_worker(&mut metrics);
        add_log_counts(&mut metrics, logging::counts());
        metrics
    }

    /// Returns a function that provides these metrics, for a worker without a supervisor.
    pub(crate) fn scraper(self: &Arc<Self>) -> ScrapeWorkers {
        let meter = Arc::clone(self);
        Arc::new(move || {
            let metrics = meter.metrics();
            Box::pin(async move { Some(metrics) })
        })
    }

    pub(crate) fn connection_accepted(&self) {
        self.accepted_connections.inc();
        self.open_connections.inc();
    }

    /// Counts an accepted connection as closed.
    pub(crate) fn connection_closed(&self) {
        self.open_connections.dec();
    }

    /// Counts a connection whose protocol changes. It stays open.
    pub(crate) fn connection_upgraded(&self) {
        self.upgraded_connections.inc();
        self.open_upgraded_connections.inc();
    }

    /// Counts such a connection as closed.
    pub(crate) fn upgraded_connection_closed(&self) {
        self.open_upgraded_connections.dec();
    }

    /// Counts an HTTP/2 connection that ended with a protocol error.
    #[cfg(feature = "http2")]
    pub(crate) fn http2_error(&self) {
        self.http2_errors.inc();
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_errors.inc();
    }

    /// Counts a connection that waits because the connection limit is reached.
    pub(crate) fn limit_reached(&self) {
        self.connection_waits.inc();
    }

    pub(crate) fn connection_timed_out(&self, timeout: ConnectionTimeout) {
        let count = match timeout {
            ConnectionTimeout::Idle => &self.idle_timeouts,
            ConnectionTimeout::Head => &self.head_timeouts,
            ConnectionTimeout::Stall => &self.stall_timeouts,
            ConnectionTimeout::Handshake => &self.handshake_timeouts,
        };
        count.inc();
    }

    pub(crate) fn bytes_read(&self, bytes: usize) {
        self.read_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn bytes_written(&self, bytes: usize) {
        self.written_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn request_started(&self) {
        self.in_flight.inc();
    }

    /// Counts a request whose head could not be parsed, and its response.
    pub(crate) fn malformed_request(&self, status: u16) {
        self.malformed_requests.inc();
        self.count_status(status);
    }

    /// Counts a request that was rejected because of an overload.
    pub(crate) fn request_shed(&self, queue: Queue) {
        self.shed_requests[queue as usize].inc();
    }

    fn count_status(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.responses[class].inc();
    }

    /// Counts a started response and records its latency. Responses to disconnected
    /// clients are not counted.
    pub(crate) fn response_started(&self, status: StatusCode, latency: Duration) {
        if status.as_u16() == ErrorKind::ClientGone.status() {
            return;
        }
        self.count_status(status.as_u16());
        self.response_latency.observe(latency.as_secs_f64());
    }

    /// Counts a finished request: its response is complete, the client disconnected, or
    /// the connection timed out.
    pub(crate) fn request_finished(&self, disconnected: bool) {
        if disconnected {
            self.disconnects.inc();
        }
        self.in_flight.dec();
    }

    /// Records an event-loop lag, and the smaller lags of the samples that were missed
    /// during it, one for each `interval`.
    pub(crate) fn record_lag(&self, lag: Duration, interval: Duration) {
        let step = interval.max(lag / MAX_MISSED_SAMPLES);
        let mut remaining = Some(lag);
        while let Some(lag) = remaining {
            self.loop_lag.observe(lag.as_secs_f64());
            remaining = lag.checked_sub(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disconnected_request_is_not_in_flight() {
        let meter = Meter::default();
        meter.request_started();
        assert_eq!(meter.metrics().number("http_requests_in_flight"), 1);
        meter.request_finished(true);
        let metrics = meter.metrics();
        assert_eq!(metrics.number("http_requests_in_flight"), 0);
        assert_eq!(metrics.number("http_requests_hung_up_total"), 1);
    }
}
