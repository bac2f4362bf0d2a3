//! The access log: one line for each finished request.

use crate::client_addr::ClientAddr;
use highwater::{
    error::{CorrelationId, TraceId},
    scale::WorkerId,
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use serde::Serialize;
use std::{
    fmt::Write,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The format of the access log, which has one line for each finished request.
///
/// It is written to standard output by a thread of its own, up to 20 ms late. It never
/// delays a response: when its reader stalls, up to 4,096 lines are queued for each
/// process, and further ones are dropped and counted. A line has less than 4 KiB; long
/// values are truncated. Requests that are not valid HTTP are in the log of errors only.
///
/// With an access log, each request and each response has an
/// [`x-request-id`](highwater::error::http::REQUEST_ID).
///
/// ```no_run
/// use axum::Router;
/// use highwater_server::{AccessLog, ExitCode, Server};
///
/// fn main() -> ExitCode {
///     Server::new("127.0.0.1:8080")
///         .access_log(AccessLog::Json)
///         .run(|_worker| async { Router::new() })
/// }
/// ```
///
/// To write it to a file, redirect standard output. To rotate it, pipe it to a program such
/// as `rotatelogs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessLog {
    /// The "combined" format of Apache and nginx, followed by the duration in seconds, the
    /// request id and the trace id. A missing value is `-`. Quotes, backslashes, control
    /// characters and characters beyond ASCII are escaped.
    ///
    /// ```text
    /// 192.0.2.7 - - [30/Nov/2026:20:13:39 +0000] "GET /orders?page=2 HTTP/1.1" 200 5120 "-" "curl/8.5.0" 0.001742 order-42 4bf92f3577b34da6a3ce929d0e0e4736
    /// ```
    Combined,
    /// One JSON object for each line. Missing values are omitted. `complete` is false if the
    /// client disconnected or the response was cut short.
    ///
    /// ```text
    /// {"event":"request","time":"2026-11-30T20:13:39.481Z","worker":1,"generation":3,"client":"192.0.2.7","method":"GET","path":"/orders?page=2","protocol":"HTTP/1.1","status":200,"bytes":5120,"seconds":0.001742,"complete":true,"id":"order-42"}
    /// ```
    Json,
}

/// The maximum length of the path and query in a line, in bytes.
const MAX_PATH_BYTES: usize = 1024;

/// The maximum length of the method in a line, in bytes. Clients can send any.
const MAX_METHOD_BYTES: usize = 32;

/// The maximum length of the referer and of the user agent in a line, in bytes.
const MAX_HEADER_BYTES: usize = 256;

/// The mark of a truncated value.
const ELLIPSIS: &str = "…";

/// The status of a request whose client disconnected before the response started, as in
/// nginx.
const CLIENT_GONE: u16 = 499;

/// The part of an entry that is known when the head of a request has been received.
#[derive(Debug)]
pub(crate) struct AccessEntry {
    format: AccessLog,
    worker: WorkerId,
    client: Option<IpAddr>,
    method: Method,
    uri: Uri,
    version: Version,
    id: CorrelationId,
    trace_id: Option<TraceId>,
    referer: Option<HeaderValue>,
    agent: Option<HeaderValue>,
}

/// The result of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessOutcome {
    /// `None` if the response has not started.
    pub(crate) status: Option<u16>,
    /// The length of the body that was sent.
    pub(crate) bytes: u64,
    /// The time from the end of the head of the request to the end of the response.
    pub(crate) duration: Duration,
    pub(crate) is_complete: bool,
}

impl AccessEntry {
    pub(crate) fn new<B>(
        format: AccessLog,
        worker: WorkerId,
        request: &Request<B>,
        id: CorrelationId,
        trace_id: Option<TraceId>,
    ) -> Self {
        let header = |name| HeaderMap::get(request.headers(), name).cloned();
        AccessEntry {
            format,
            worker,
            client: request.extensions().get().and_then(ClientAddr::ip),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            id,
            trace_id,
            referer: header(header::REFERER),
            agent: header(header::USER_AGENT),
        }
    }

    /// Formats the line of a request that finished at `now`.
    pub(crate) fn line(&self, outcome: AccessOutcome, now: SystemTime) -> String {
        let line = match self.format {
            AccessLog::Combined => self.combined(outcome, now),
            AccessLog::Json => self.json(outcome, now),
        };
        debug_assert!(!line.contains(char::is_control), "{line:?}");
        line
    }

    fn combined(&self, outcome: AccessOutcome, now: SystemTime) -> String {
        let mut line = String::with_capacity(256);
        match self.client {
            Some(client) => push_display(&mut line, client),
            None => line.push('-'),
        }
        let Date {
            year,
            month,
            day,
            time,
            ..
        } = Date::new(now);
        let month = &MONTHS[month * 3..][..3];
        push_display(
            &mut line,
            format_args!(" - - [{day}/{month}/{year}:{time} +0000] \""),
        );
        push_escaped(&mut line, self.method.as_str().as_bytes(), MAX_METHOD_BYTES);
        line.push(' ');
        push_escaped(&mut line, self.path().as_bytes(), MAX_PATH_BYTES);
        let status = outcome.status.unwrap_or(CLIENT_GONE);
        push_display(
            &mut line,
            format_args!(" {:?}\" {status} {} ", self.version, outcome.bytes),
        );
        for header in [&self.referer, &self.agent] {
            line.push('"');
            let value = header.as_ref().map_or(&b"-"[..], HeaderValue::as_bytes);
            push_escaped(&mut line, value, MAX_HEADER_BYTES);
            line.push_str("\" ");
        }
        let seconds = outcome.duration.as_secs_f64();
        push_display(&mut line, format_args!("{seconds:.6} {} ", self.id));
        match self.trace_id {
            Some(trace_id) => push_display(&mut line, trace_id),
            None => line.push('-'),
        }
        line
    }

    fn json(&self, outcome: AccessOutcome, now: SystemTime) -> String {
        #[derive(Serialize)]
        struct Entry<'a> {
            event: &'a str,
            time: String,
            worker: usize,
            generation: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            client: Option<IpAddr>,
            method: String,
            path: String,
            protocol: String,
            status: u16,
            bytes: u64,
            seconds: f64,
            complete: bool,
            id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            trace_id: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            referer: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            agent: Option<String>,
        }
        let Date {
            year,
            month,
            day,
            time,
            millis,
        } = Date::new(now);
        let month = month + 1;
        let header = |value: &Option<HeaderValue>| {
            let value = value.as_ref()?;
            Some(truncated(value.as_bytes(), MAX_HEADER_BYTES))
        };
        let entry = Entry {
            event: "request",
            time: format!("{year}-{month:02}-{day}T{time}.{millis:03}Z"),
            worker: self.worker.slot + 1,
            generation: self.worker.generation,
            client: self.client,
            method: truncated(self.method.as_str().as_bytes(), MAX_METHOD_BYTES),
            path: truncated(self.path().as_bytes(), MAX_PATH_BYTES),
            protocol: format!("{:?}", self.version),
            status: outcome.status.unwrap_or(CLIENT_GONE),
            bytes: outcome.bytes,
            // Rounded to microseconds.
            seconds: (outcome.duration.as_secs_f64() * 1e6).round() / 1e6,
            complete: outcome.is_complete,
            id: self.id.as_str(),
            trace_id: self.trace_id.map(|trace_id| trace_id.to_string()),
            referer: header(&self.referer),
            agent: header(&self.agent),
        };
        serde_json::to_string(&entry).expect("entries contain only serializable values")
    }

    fn path(&self) -> &str {
        self.uri.path_and_query().map_or("", |path| path.as_str())
    }
}

/// The names of the months, each with three letters.
const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

/// A date in UTC, as the parts of its text.
struct Date {
    year: String,
    /// Counted from 0.
    month: usize,
    day: String,
    time: String,
    millis: u32,
}

impl Date {
    fn new(now: SystemTime) -> Self {
        // Such as "Mon, 30 Nov 2026 20:13:39 GMT".
        let text = httpdate::fmt_http_date(now);
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Date {
            year: text[12..16].to_owned(),
            month: MONTHS.find(&text[8..11]).unwrap_or(0) / 3,
            day: text[5..7].to_owned(),
            time: text[17..25].to_owned(),
            millis: since_epoch.subsec_millis(),
        }
    }
}

fn push_display(line: &mut String, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _infallible = write!(line, "{value}");
}

/// Appends a value between quotes, at most `max_bytes` of it.
fn push_escaped(line: &mut String, value: &[u8], max_bytes: usize) {
    let end = line.len() + max_bytes;
    for byte in value {
        if line.len() >= end {
            line.push_str("...");
            return;
        }
        match byte {
            b'"' | b'\\' => line.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => line.push(char::from(*byte)),
            _ => push_display(line, format_args!("\\x{byte:02x}")),
        }
    }
}

/// Returns a value as text, at most `max_bytes` of it.
fn truncated(value: &[u8], max_bytes: usize) -> String {
    match value.get(..max_bytes) {
        Some(start) if start.len() < value.len() => {
            String::from_utf8_lossy(start).into_owned() + ELLIPSIS
        }
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOME: AccessOutcome = AccessOutcome {
        status: Some(200),
        bytes: 5120,
        duration: Duration::from_micros(1742),
        is_complete: true,
    };

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_796_069_619_481)
    }

    fn entry(format: AccessLog, path: &str, headers: &[(&str, &[u8])]) -> AccessEntry {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let request = request.body(()).unwrap();
        let id = "order-42".parse().unwrap();
        AccessEntry::new(format, WorkerId::new(0, 3), &request, id, None)
    }

    #[test]
    fn combined_line_is_that_of_other_servers() {
        let mut entry = entry(
            AccessLog::Combined,
            "/orders?page=2",
            &[("user-agent", b"curl/8.5.0")],
        );
        assert_eq!(
            entry.line(OUTCOME, now()),
            "- - - [30/Nov/2026:20:13:39 +0000] \"GET /orders?page=2 HTTP/1.1\" 200 5120 \"-\" \
             \"curl/8.5.0\" 0.001742 order-42 -"
        );
        entry.client = Some([192, 0, 2, 7].into());
        entry.trace_id = TraceId::from_bytes([7; 16]);
        let line = entry.line(OUTCOME, now());
        assert!(line.starts_with("192.0.2.7 - - ["), "{line}");
        let ids = format!(" order-42 {}", "07".repeat(16));
        assert!(line.ends_with(&ids), "{line}");
    }

    #[test]
    fn json_line_has_all_values() {
        let mut entry = entry(
            AccessLog::Json,
            "/orders?page=2",
            &[
                ("referer", b"https://example.com/"),
                ("user-agent", b"curl/8.5.0"),
            ],
        );
        entry.client = Some([192, 0, 2, 7].into());
        entry.trace_id = TraceId::from_bytes([7; 16]);
        let line: serde_json::Value = serde_json::from_str(&entry.line(OUTCOME, now())).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "event": "request",
                "time": "2026-11-30T20:13:39.481Z",
                "worker": 1,
                "generation": 3,
                "client": "192.0.2.7",
                "method": "GET",
                "path": "/orders?page=2",
                "protocol": "HTTP/1.1",
                "status": 200,
                "bytes": 5120,
                "seconds": 0.001_742,
                "complete": true,
                "id": "order-42",
                "trace_id": "07".repeat(16),
                "referer": "https://example.com/",
                "agent": "curl/8.5.0",
            })
        );
    }

    #[test]
    fn disconnected_client_has_status_499() {
        let entry = entry(AccessLog::Json, "/", &[]);
        let outcome = AccessOutcome {
            status: None,
            bytes: 0,
            is_complete: false,
            ..OUTCOME
        };
        let line = entry.line(outcome, now());
        assert!(line.contains(r#""status":499,"bytes":0,"#), "{line}");
        assert!(line.contains(r#""complete":false"#), "{line}");
    }

    #[test]
    fn values_cannot_imitate_a_line_and_are_truncated() {
        let agent = b"x\" 200 1 \\\xc3\xa9\t\xff".repeat(1000);
        let path = format!("/{}", "\"%22é".repeat(1000));
        for format in [AccessLog::Combined, AccessLog::Json] {
            let mut entry = entry(
                format,
                &path,
                &[("user-agent", &agent), ("referer", &agent)],
            );
            entry.method = "X".repeat(5000).parse().unwrap();
            let line = entry.line(OUTCOME, now());
            assert!(line.len() < 4096, "{}", line.len());
            assert!(!line.contains(char::is_control), "{line}");
            if format == AccessLog::Json {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                assert!(
                    line["agent"]
                        .as_str()
                        .unwrap()
                        .starts_with("x\" 200 1 \\é\t\u{fffd}")
                );
            } else {
                assert!(line.contains(r#" "x\" 200 1 \\\xc3\xa9\x09\xff"#), "{line}");
            }
        }
    }
}
