//! Validation of the `Host` header.
//!
//! RFC 9112, section 3.2: an HTTP/1.1 request must have exactly one valid `Host`. Otherwise,
//! the response is 400 and closes the connection, because an intermediate proxy may have
//! parsed the request differently. HTTP/2 has the pseudo-header `:authority` instead.

use highwater::error::AppError;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version, header};
use pin_project_lite::pin_project;
use std::{
    net::Ipv6Addr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// The request extension of a request that must be rejected inside the error layer, with
/// the message for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidHost(&'static str);

impl InvalidHost {
    pub(crate) fn error(self) -> AppError {
        AppError::invalid_input(self.0)
    }
}

/// A service that marks requests with an [`InvalidHost`], and closes their connections
/// after the response. It is outside the error layer.
#[derive(Clone, Debug)]
pub(crate) struct HostCheck<S>(S);

impl<S> HostCheck<S> {
    pub(crate) fn new(service: S) -> Self {
        HostCheck(service)
    }
}

impl<S, Q, B> Service<Request<Q>> for HostCheck<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = HostCheckFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let checked = check(request.version(), request.uri(), request.headers());
        if let Err(invalid) = checked {
            request.extensions_mut().insert(invalid);
        }
        HostCheckFuture {
            future: self.0.call(request),
            is_valid: checked.is_ok(),
        }
    }
}

pin_project! {
    /// The future of a response that closes the connection if the host is invalid.
    pub(crate) struct HostCheckFuture<F> {
        #[pin]
        future: F,
        is_valid: bool,
    }
}

impl<F, B, E> Future for HostCheckFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(context))?;
        if !*this.is_valid {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Poll::Ready(Ok(response))
    }
}

fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), InvalidHost> {
    if version > Version::HTTP_11 {
        return Ok(());
    }
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => {
            return Err(InvalidHost("The request has more than one Host header."));
        }
        (Some(host), None) if !host.to_str().is_ok_and(is_valid_host) => {
            return Err(InvalidHost(
                "The Host header must be a host name or an IP address, with or without a port.",
            ));
        }
        (None, _) if version == Version::HTTP_11 => {
            return Err(InvalidHost(
                "The request has no Host header, which HTTP/1.1 requires.",
            ));
        }
        _ => {}
    }
    // The host of an absolute request target overrides the header.
    match uri.authority() {
        Some(authority) if !is_valid_host(authority.as_str()) => Err(InvalidHost(
            "The request target has no valid host and port.",
        )),
        _ => Ok(()),
    }
}

/// Returns true for `uri-host [":" port]` of RFC 9110.
///
/// Names with a comma are rejected although the grammar allows them: a proxy may join two
/// headers with a comma.
fn is_valid_host(text: &str) -> bool {
    let (is_valid, port) = if let Some(literal) = text.strip_prefix('[') {
        let Some((address, port)) = literal.split_once(']') else {
            return false;
        };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let colon = text.bytes().position(|byte| byte == b':');
        let (name, port) = text.split_at(colon.unwrap_or(text.len()));
        (is_valid_name(name), port)
    };
    is_valid
        && match port.strip_prefix(':') {
            Some(digits) => is_valid_port(digits),
            None => port.is_empty(),
        }
}

/// Returns true for a `reg-name` of RFC 3986, which includes IPv4 addresses, that is not empty
/// and has no comma.
fn is_valid_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let mut is_hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        let is_valid = NAME_BYTES[usize::from(byte)] || byte == b'%' && is_hex() && is_hex();
        if !is_valid {
            return false;
        }
    }
    !name.is_empty()
}

/// The bytes that a name may contain. A table, because every request has a host.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+;=";
    let mut index = 0;
    while index < bytes.len() {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
};

/// Returns true for a valid port. The grammar allows empty ports and leading zeros.
fn is_valid_port(digits: &str) -> bool {
    let without_zeros = digits.trim_start_matches('0');
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && (without_zeros.is_empty() || without_zeros.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_hosts_are_accepted() {
        for text in [
            "localhost",
            "LocalHost.:8080",
            "a-b_c.example",
            "caf%C3%A9",
            "127.0.0.1:80",
            "127.0.0.1:",
            "127.0.0.1:00080",
            "127.0.0.1:65535",
            "[::1]",
            "[0:0::1]:8080",
        ] {
            assert!(is_valid_host(text), "{text}");
        }
    }

    #[test]
    fn invalid_hosts_are_rejected() {
        for text in [
            "",
            ":80",
            "a b",
            "a\tb",
            "a,b",
            "user@a",
            "a/b",
            "http://a",
            "a:b",
            "a:80:80",
            "a:-1",
            "a:+1",
            "a:65536",
            "a%2",
            "a%zz",
            "::1",
            "[::1",
            "[::1]a",
            "[::g]",
            "[fe80::1%25eth0]",
            "[127.0.0.1]",
            "a]",
            "caf\u{e9}",
            "a\\b",
            "a?b",
            "a#b",
        ] {
            assert!(!is_valid_host(text), "{text:?}");
        }
    }

    #[test]
    fn only_http_1_requires_the_header() {
        let check = |version| check(version, &Uri::from_static("/"), &HeaderMap::new());
        assert!(check(Version::HTTP_10).is_ok());
        assert!(check(Version::HTTP_11).is_err());
        assert!(check(Version::HTTP_2).is_ok());
    }
}
