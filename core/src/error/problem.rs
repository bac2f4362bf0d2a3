//! Problem details for clients.

use super::{AppError, CorrelationId, ErrorKind, FieldError, TraceId, text};
use std::{borrow::Cow, fmt::Write, time::Duration};

/// The body of an error response: problem details as defined by RFC 9457.
///
/// It contains only public data, never the detail, context, sources or location of
/// the error. Invalid fields are omitted if the status is a server error. For a bug,
/// message and code are always the same.
///
/// In addition to the members of the RFC it has `code`, a stable machine-readable code;
/// `id`, the correlation id that is also in the log; `trace_id`, if the request belongs to
/// a distributed trace; `errors`, the invalid fields; and `retry_after_ms`.
///
/// ```
/// use highwater::error::{AppError, CorrelationId, Problem};
///
/// let id: CorrelationId = "order-42".parse()?;
/// let error = AppError::invalid_input("The order is not valid.")
///     .with_field("quantity", "must be at least 1")
///     .with_context("user", 7);
/// assert_eq!(Problem::new(&error, &id).to_json(), concat!(
///     r#"{"type":"about:blank","title":"Bad Request","status":400,"#,
///     r#""detail":"The order is not valid.","code":"invalid_input","id":"order-42","#,
///     r#""errors":[{"field":"quantity","detail":"must be at least 1"}]}"#,
/// ));
///
/// let bug = AppError::bug("user 7 has two carts");
/// assert_eq!(Problem::new(&bug, &id).to_json(), concat!(
///     r#"{"type":"about:blank","title":"Internal Server Error","status":500,"#,
///     r#""detail":"Something went wrong on our side.","code":"internal_error","id":"order-42"}"#,
/// ));
/// # Ok::<(), highwater::error::InvalidId>(())
/// ```
// Boxed, because it passes through every layer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
#[must_use = "a problem should be sent to the client"]
#[doc(alias = "ProblemDetails")]
pub struct Problem(Box<Members>);

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
struct Members {
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    kind: Cow<'static, str>,
    title: &'static str,
    status: u16,
    detail: Cow<'static, str>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    instance: Option<Cow<'static, str>>,
    code: &'static str,
    id: CorrelationId,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    trace_id: Option<TraceId>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    errors: Vec<FieldError>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    retry_after_ms: Option<u64>,
}

/// The maximum number of fields in a response.
const MAX_FIELDS: usize = 32;

impl Problem {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// Creates a problem from the public part of an error. Each text is truncated to
    /// 1 KiB, and at most 32 fields are listed.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let error = AppError::unavailable("stripe").with_context("order", 42);
    /// let problem = Problem::new(&error, &IdGenerator::new(7).generate());
    /// assert_eq!(problem.status(), 503);
    /// assert!(!problem.to_json().contains("stripe"));
    /// ```
    pub fn new(error: &AppError, id: &CorrelationId) -> Self {
        let classification = error.classification();
        let is_bug = classification.is_bug();
        let is_client_error = classification.status() < 500;
        let fields = match classification.fields() {
            fields if is_client_error => &fields[..fields.len().min(MAX_FIELDS)],
            _ => &[],
        };
        let retry_after = classification.retry_after().filter(|_| !is_bug);
        Problem(Box::new(Members {
            kind: Cow::Borrowed("about:blank"),
            title: title(classification.status()),
            status: classification.status(),
            detail: truncated(classification.to_public_message()),
            instance: None,
            code: if is_bug {
                ErrorKind::Bug.code()
            } else {
                classification.code()
            },
            id: *id,
            trace_id: None,
            errors: fields.iter().cloned().map(truncated_field).collect(),
            retry_after_ms: retry_after.map(to_ms),
        }))
    }

    /// Sets the type: a URI that should lead to its documentation. The default is
    /// `about:blank`, which means that the status and code are self-explanatory.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::conflict("There is none left."), &IdGenerator::new(7).generate())
    ///     .with_type_uri("https://example.com/problems/sold_out");
    /// assert_eq!(problem.type_uri(), "https://example.com/problems/sold_out");
    /// ```
    pub fn with_type_uri(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.0.kind = uri.into();
        self
    }

    /// Sets the URI of this occurrence.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::conflict("There is none left."), &IdGenerator::new(7).generate())
    ///     .with_instance("/orders/42");
    /// assert!(problem.to_json().contains(r#""instance":"/orders/42""#));
    /// ```
    pub fn with_instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.0.instance = Some(uri.into());
        self
    }

    /// Sets the id of the trace that the request belongs to.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem, TraceId};
    ///
    /// let problem = Problem::new(&AppError::conflict("There is none left."), &IdGenerator::new(7).generate())
    ///     .with_trace_id(TraceId::from_bytes([7; 16]));
    /// assert!(problem.to_json().contains(r#""trace_id":"07070707070707070707070707070707""#));
    /// ```
    pub fn with_trace_id(mut self, trace_id: Option<TraceId>) -> Self {
        self.0.trace_id = trace_id;
        self
    }

    /// Returns the HTTP status, from 400 to 599.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::conflict("There is none left."), &IdGenerator::new(7).generate());
    /// assert_eq!(problem.status(), 409);
    /// ```
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Returns the URI of the type.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::conflict("There is none left."), &IdGenerator::new(7).generate());
    /// assert_eq!(problem.type_uri(), "about:blank");
    /// ```
    pub fn type_uri(&self) -> &str {
        &self.0.kind
    }

    /// Returns the reason phrase of the status.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::too_large(1_024), &IdGenerator::new(7).generate());
    /// assert_eq!(problem.title(), "Content Too Large");
    /// ```
    pub fn title(&self) -> &'static str {
        self.0.title
    }

    /// Returns the message for the client.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::conflict("There is none left."), &IdGenerator::new(7).generate());
    /// assert_eq!(problem.detail(), "There is none left.");
    /// ```
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the stable machine-readable code.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let error = AppError::bug("the stock is negative").with_code("negative_stock");
    /// let problem = Problem::new(&error, &IdGenerator::new(7).generate());
    /// assert_eq!(problem.code(), "internal_error", "the own code is only logged");
    /// ```
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Returns the correlation id, which is also in the log entry.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let id = IdGenerator::new(7).generate();
    /// assert_eq!(Problem::new(&AppError::bug("the stock is negative"), &id).id(), &id);
    /// ```
    pub fn id(&self) -> &CorrelationId {
        &self.0.id
    }

    /// Returns the id of the trace that the request belongs to, if any.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::conflict("There is none left."), &IdGenerator::new(7).generate());
    /// assert_eq!(problem.trace_id(), None);
    /// ```
    pub fn trace_id(&self) -> Option<TraceId> {
        self.0.trace_id
    }

    /// Returns the invalid fields.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    ///
    /// let error = AppError::invalid_input("The order is not valid.").with_field("street", "is missing");
    /// let problem = Problem::new(&error, &IdGenerator::new(7).generate());
    /// assert_eq!(problem.errors(), error.fields());
    /// ```
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// Returns the value of the `Retry-After` header in whole seconds.
    ///
    /// Fractions are rounded up, and the result is at least 1, because 0 would make
    /// clients retry immediately.
    ///
    /// ```
    /// use highwater::error::{AppError, IdGenerator, Problem};
    /// use std::time::Duration;
    ///
    /// let error = AppError::rate_limited(Duration::from_millis(1_001));
    /// let problem = Problem::new(&error, &IdGenerator::new(7).generate());
    /// assert_eq!(problem.retry_after_seconds(), Some(2));
    /// assert!(problem.to_json().contains(r#""retry_after_ms":1001"#));
    ///
    /// let error = AppError::rate_limited(Duration::ZERO);
    /// let problem = Problem::new(&error, &IdGenerator::new(7).generate());
    /// assert_eq!(problem.retry_after_seconds(), Some(1));
    /// ```
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.0.retry_after_ms.map(|ms| ms.div_ceil(1_000).max(1))
    }

    /// Returns the body as a single line of JSON.
    ///
    /// ```
    /// use highwater::error::{AppError, CorrelationId, Problem};
    ///
    /// let id: CorrelationId = "order-42".parse().unwrap();
    /// assert_eq!(Problem::new(&AppError::conflict("There is none left."), &id).to_json(), concat!(
    ///     r#"{"type":"about:blank","title":"Conflict","status":409,"#,
    ///     r#""detail":"There is none left.","code":"conflict","id":"order-42"}"#,
    /// ));
    /// ```
    pub fn to_json(&self) -> String {
        let Members {
            kind,
            title,
            status,
            detail,
            instance,
            code,
            id,
            trace_id,
            errors,
            retry_after_ms,
        } = &*self.0;
        let mut json = JsonObjects(String::with_capacity(256));
        json.begin();
        json.text("type", kind);
        json.text("title", title);
        json.number("status", (*status).into());
        json.text("detail", detail);
        if let Some(instance) = instance {
            json.text("instance", instance);
        }
        json.text("code", code);
        json.text("id", id.as_str());
        if let Some(trace_id) = trace_id {
            json.text("trace_id", &trace_id.to_string());
        }
        if !errors.is_empty() {
            json.list("errors", errors, |json, FieldError { field, detail }| {
                json.text("field", field);
                json.text("detail", detail);
            });
        }
        if let Some(ms) = retry_after_ms {
            json.number("retry_after_ms", *ms);
        }
        json.end();
        json.0
    }
}

/// A writer of JSON objects. The library's only JSON, so it needs no serializer.
struct JsonObjects(String);

impl JsonObjects {
    fn begin(&mut self) {
        if self.0.ends_with('}') {
            self.0.push(',');
        }
        self.0.push('{');
    }

    fn end(&mut self) {
        self.0.push('}');
    }

    fn name(&mut self, name: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.string(name);
        self.0.push(':');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    /// Writes a list of objects, whose members `write` writes.
    fn list<T>(&mut self, name: &str, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.name(name);
        self.0.push('[');
        for item in items {
            self.begin();
            write(self, item);
            self.end();
        }
        self.0.push(']');
    }

    fn string(&mut self, text: &str) {
        let is_escaped = |c: char| c < ' ' || c == '"' || c == '\\';
        self.0.push('"');
        for part in text.split_inclusive(is_escaped) {
            self.0.push_str(part.trim_end_matches(is_escaped));
            match part.chars().next_back() {
                Some('"') => self.0.push_str(r#"\""#),
                Some('\\') => self.0.push_str(r"\\"),
                Some('\n') => self.0.push_str(r"\n"),
                Some('\r') => self.0.push_str(r"\r"),
                Some('\t') => self.0.push_str(r"\t"),
                Some('\x08') => self.0.push_str(r"\b"),
                Some('\x0c') => self.0.push_str(r"\f"),
                Some(control @ '\0'..' ') => {
                    let _infallible = write!(self.0, "\\u{:04x}", u32::from(control));
                }
                _ => {}
            }
        }
        self.0.push('"');
    }
}

fn truncated(message: Cow<'static, str>) -> Cow<'static, str> {
    text::truncated(&message).map_or(message, Cow::Owned)
}

fn truncated_field(field: FieldError) -> FieldError {
    FieldError {
        field: truncated(field.field),
        detail: truncated(field.detail),
    }
}

/// Rounds up, so that clients do not retry too early.
fn to_ms(duration: Duration) -> u64 {
    let rounded_up_ms = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    duration
        .as_secs()
        .saturating_mul(1000)
        .saturating_add(rounded_up_ms)
}

/// Returns the reason phrase of a status from the IANA registry.
const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ if status < 500 => "Client Error",
        _ => "Server Error",
    }
}
