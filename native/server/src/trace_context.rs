//! W3C Trace Context: the trace that a request belongs to.

use highwater::error::TraceId;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

/// The header with the trace id, the id of the caller's span, and flags.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header with the data of the tracing systems that take part in a trace.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00: two digits of the version, 32 of the trace
/// id, 16 of the span id and two of the flags, with a hyphen between each two.
const TRACEPARENT_LEN: usize = 55;

/// The flag of a trace whose data may have been recorded by the caller.
const SAMPLED: u8 = 1;

/// The flags that are passed on: sampled, and a trace id that is random. The
/// specification reserves the others, and requires that they are cleared.
const KNOWN_FLAGS: u8 = SAMPLED | 2;

/// The maximum number of members of a `tracestate`.
const MAX_STATE_MEMBERS: usize = 32;

/// The distributed trace that a request belongs to, as defined by
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/).
///
/// A server puts it in the extensions of each request that has a valid `traceparent`
/// header. Invalid headers are ignored: the request then has no trace context. The server
/// starts no traces itself.
///
/// ```
/// use axum::{Extension, http::HeaderMap};
/// use highwater_server::TraceContext;
///
/// async fn order(trace: Option<Extension<TraceContext>>) -> String {
///     let mut headers = HeaderMap::new();
///     if let Some(Extension(trace)) = trace {
///         trace.inject(&mut headers);
///     }
///     // Call another service with these headers.
///     format!("{headers:?}")
/// }
/// # let _ = axum::Router::<()>::new().route("/", axum::routing::get(order));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    parent_span_id: SpanId,
    flags: u8,
    state: Option<HeaderValue>,
}

/// The id of a span: one operation of one service. As text it has 16 hexadecimal digits.
///
/// ```
/// use highwater_server::TraceContext;
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// headers.insert("traceparent", traceparent.parse()?);
/// let trace = TraceContext::from_headers(&headers).unwrap();
/// assert_eq!(trace.parent_span_id().to_string(), "00f067aa0ba902b7");
/// # Ok::<_, http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl TraceContext {
    /// Reads the headers of a request. Returns `None` if it has no `traceparent` header,
    /// several ones, or an invalid one. An invalid `tracestate` is ignored. Servers call
    /// this for each request.
    ///
    /// ```
    /// use highwater_server::TraceContext;
    /// use http::HeaderMap;
    ///
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(TraceContext::from_headers(&headers), None);
    ///
    /// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// headers.insert("traceparent", traceparent.parse()?);
    /// let trace = TraceContext::from_headers(&headers).unwrap();
    /// assert_eq!(trace.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// assert!(trace.is_sampled());
    /// # Ok::<_, http::header::InvalidHeaderValue>(())
    /// ```
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (Some(traceparent), None) = (values.next(), values.next()) else {
            return None;
        };
        let mut context = Self::parse(traceparent.as_bytes())?;
        context.state = state_of(headers);
        Some(context)
    }

    /// Parses a `traceparent`.
    fn parse(traceparent: &[u8]) -> Option<Self> {
        let (fields, rest) = traceparent.split_at_checked(TRACEPARENT_LEN)?;
        let [version] = hex(&fields[..2])?;
        let is_supported = match version {
            0xff => false,
            0 => rest.is_empty(),
            // Later versions can append fields.
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let is_delimited = [2, 35, 52].iter().all(|index| fields[*index] == b'-');
        if !is_supported || !is_delimited {
            return None;
        }
        let [flags] = hex(&fields[53..])?;
        Some(TraceContext {
            trace_id: TraceId::from_bytes(hex(&fields[3..35])?)?,
            parent_span_id: SpanId::new(u64::from_be_bytes(hex(&fields[36..52])?))?,
            flags: flags & KNOWN_FLAGS,
            state: None,
        })
    }

    /// Returns the id of the trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the id of the caller's span.
    pub fn parent_span_id(&self) -> SpanId {
        self.parent_span_id
    }

    /// Returns true if the caller may have recorded its part of the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the `tracestate` of the request, which is valid.
    pub fn tracestate(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }

    /// Returns a `traceparent` for a call to another service. Its span id is new for each
    /// call of this method.
    ///
    /// ```
    /// use highwater_server::TraceContext;
    /// use http::HeaderMap;
    ///
    /// let mut headers = HeaderMap::new();
    /// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// headers.insert("traceparent", traceparent.parse()?);
    /// let trace = TraceContext::from_headers(&headers).unwrap();
    ///
    /// let outgoing = trace.traceparent();
    /// assert_eq!(outgoing.as_bytes()[..36], traceparent.as_bytes()[..36]);
    /// assert_ne!(outgoing, trace.traceparent());
    /// # Ok::<_, http::header::InvalidHeaderValue>(())
    /// ```
    pub fn traceparent(&self) -> HeaderValue {
        let (span_id, flags) = (SpanId::random(), self.flags);
        let text = format!("00-{}-{span_id}-{flags:02x}", self.trace_id);
        // Digits and hyphens are valid in a header.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }

    /// Sets the headers of a call to another service: a [`traceparent`](Self::traceparent)
    /// with a new span id, and the `tracestate` of the request.
    ///
    /// ```
    /// use highwater_server::TraceContext;
    /// use http::HeaderMap;
    ///
    /// let mut headers = HeaderMap::new();
    /// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// headers.insert("traceparent", traceparent.parse()?);
    /// headers.insert("tracestate", "vendor=1".parse()?);
    /// let trace = TraceContext::from_headers(&headers).unwrap();
    ///
    /// let mut outgoing = HeaderMap::new();
    /// trace.inject(&mut outgoing);
    /// assert!(outgoing.contains_key("traceparent"));
    /// assert_eq!(outgoing["tracestate"], "vendor=1");
    /// # Ok::<_, http::header::InvalidHeaderValue>(())
    /// ```
    pub fn inject(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.traceparent());
        match &self.state {
            Some(state) => headers.insert(TRACESTATE, state.clone()),
            None => headers.remove(TRACESTATE),
        };
    }
}

impl SpanId {
    /// Creates an id. Zero is not one.
    fn new(id: u64) -> Option<Self> {
        (id != 0).then_some(SpanId(id))
    }

    fn random() -> Self {
        // The hasher has random keys from the system, different ones each time.
        let id = RandomState::new().hash_one("span");
        SpanId(id.max(1))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

/// Decodes hexadecimal digits, which must be lowercase.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// Returns the `tracestate` of a request, or `None` if it is missing or invalid. Several
/// headers are joined.
fn state_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(TRACESTATE).iter();
    let first = values.next()?;
    let mut rest = values.peekable();
    let state = if rest.peek().is_none() {
        first.clone()
    } else {
        let mut joined = first.as_bytes().to_vec();
        for value in rest {
            joined.push(b',');
            joined.extend_from_slice(value.as_bytes());
        }
        HeaderValue::from_bytes(&joined).ok()?
    };
    is_valid_state(state.as_bytes()).then_some(state)
}

/// Returns true if a `tracestate` is valid and not empty.
fn is_valid_state(state: &[u8]) -> bool {
    let mut keys = Vec::new();
    for member in state.split(|byte| *byte == b',') {
        let member = member.trim_ascii();
        if member.is_empty() {
            continue;
        }
        let Some(end) = member.iter().position(|byte| *byte == b'=') else {
            return false;
        };
        let (key, value) = (&member[..end], &member[end + 1..]);
        let is_valid = is_valid_key(key) && is_valid_value(value) && !keys.contains(&key);
        if !is_valid || keys.len() == MAX_STATE_MEMBERS {
            return false;
        }
        keys.push(key);
    }
    !keys.is_empty()
}

/// Returns true for a name, or a tenant and a system joined by `@`.
fn is_valid_key(key: &[u8]) -> bool {
    let is_part = |part: &[u8], max_len, starts_with_digit| {
        let is_first =
            |byte: &u8| byte.is_ascii_lowercase() || (starts_with_digit && byte.is_ascii_digit());
        let is_char = |byte: &u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte)
        };
        part.len() <= max_len && part.first().is_some_and(is_first) && part.iter().all(is_char)
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => is_part(key, 256, false),
        Some(at) => is_part(&key[..at], 241, true) && is_part(&key[at + 1..], 14, false),
    }
}

/// Returns true for 1 to 256 printable characters, without those that end a value.
fn is_valid_value(value: &[u8]) -> bool {
    let is_char = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    (1..=256).contains(&value.len()) && value.iter().all(is_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(traceparents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in traceparents {
            headers.append(
                TRACEPARENT,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        for value in states {
            headers.append(
                TRACESTATE,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn valid_traceparents_are_passed_on() {
        for (traceparent, flags) in [
            (format!("00-{TRACE}-{SPAN}-00"), "00"),
            (format!("00-{TRACE}-{SPAN}-01"), "01"),
            (format!("00-{TRACE}-{SPAN}-03"), "03"),
            // Reserved flags are cleared.
            (format!("00-{TRACE}-{SPAN}-ff"), "03"),
            (format!("00-{TRACE}-{SPAN}-fc"), "00"),
            // Later versions are passed on as this one.
            (format!("01-{TRACE}-{SPAN}-01"), "01"),
            (format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"), "01"),
            (format!("fe-{TRACE}-{SPAN}-01-"), "01"),
        ] {
            let context = TraceContext::from_headers(&headers(&[&traceparent], &[]));
            let context = context.unwrap_or_else(|| panic!("{traceparent}"));
            assert_eq!(context.trace_id().to_string(), TRACE);
            assert_eq!(context.parent_span_id().to_string(), SPAN);
            assert_eq!(context.is_sampled(), flags.ends_with(['1', '3']));
            let mut outgoing = HeaderMap::new();
            context.inject(&mut outgoing);
            let outgoing = TraceContext::from_headers(&outgoing).unwrap();
            assert_eq!(outgoing.trace_id(), context.trace_id());
            assert_ne!(outgoing.parent_span_id(), context.parent_span_id());
            let text = context.traceparent();
            assert!(
                text.to_str().unwrap().ends_with(&format!("-{flags}")),
                "{text:?}"
            );
        }
    }

    #[test]
    fn invalid_traceparents_are_ignored() {
        let zero_trace = "0".repeat(32);
        for traceparent in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-011"),
            format!("01-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-1"),
            format!("0g-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-0x"),
            format!("00-{zero_trace}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("CC-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{}-0{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}- {}-01", &SPAN[1..]),
            format!("00-{TRACE}-é{}-01", &SPAN[2..]),
            format!(" 00-{TRACE}-{SPAN}-01"),
        ] {
            let context = TraceContext::from_headers(&headers(&[&traceparent], &["a=1"]));
            assert_eq!(context, None, "{traceparent}");
        }
        let valid = format!("00-{TRACE}-{SPAN}-01");
        let twice = headers(&[&valid, &valid], &[]);
        assert_eq!(TraceContext::from_headers(&twice), None);
    }

    #[test]
    fn valid_states_are_passed_on_and_invalid_ones_dropped() {
        let traceparent = format!("00-{TRACE}-{SPAN}-01");
        let long_key = "k".repeat(256);
        let (tenant, system) = ("1".repeat(241), "s".repeat(14));
        let value = "v".repeat(256);
        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|number| format!("k{number}=v")).collect();
            members.join(",")
        };
        for state in [
            "vendor=1",
            "a=1,b=2",
            "a=1 , \t b=2",
            "a=1,,b=2,",
            "a= 1 2",
            "a_-*/1=!~",
            "1tenant@system=x",
            &format!("{long_key}={value}"),
            &format!("{tenant}@{system}={value}"),
            &members(32),
        ] {
            let context = TraceContext::from_headers(&headers(&[&traceparent], &[state]));
            let mut outgoing = HeaderMap::new();
            context.unwrap().inject(&mut outgoing);
            assert_eq!(outgoing[TRACESTATE], state);
        }
        for state in [
            "",
            ",",
            "a",
            "a=",
            "=1",
            "a=1=2",
            "a=1,a=2",
            "A=1",
            "1a=1",
            "a b=1",
            "a =1",
            "a=é",
            "a@=1",
            "@a=1",
            "a@1=1",
            "a@b@c=1",
            &format!("{long_key}k=1"),
            &format!("{tenant}1@{system}=1"),
            &format!("{tenant}@{system}s=1"),
            &format!("a={value}v"),
            &members(33),
        ] {
            let context = TraceContext::from_headers(&headers(&[&traceparent], &[state]));
            let mut outgoing = headers(&[], &["left=over"]);
            let context = context.unwrap();
            assert_eq!(context.tracestate(), None, "{state}");
            context.inject(&mut outgoing);
            assert!(!outgoing.contains_key(TRACESTATE), "{state}");
        }
        let several = headers(&[&traceparent], &["a=1", "b=2"]);
        let context = TraceContext::from_headers(&several).unwrap();
        assert_eq!(context.tracestate().unwrap(), "a=1,b=2");
    }
}
