//! Validation of the `Host` header.
//!
//! Every request must satisfy RFC 9112, section 3.2: HTTP/1.1 requires exactly one valid
//! `Host`.
//!
//! A server on a loopback address also rejects the host names of other machines. Another
//! site can resolve its own name to 127.0.0.1 (DNS rebinding), so that the browser treats
//! this server as part of that site. The `Host` header still carries the site's name,
//! which reveals the attack.

use axum::{
    http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version, header},
    response::{IntoResponse, Response},
};
use highwater::error::{AppError, Classification, ErrorKind};
use std::net::{IpAddr, Ipv6Addr};

/// The hosts that are allowed in requests.
#[derive(Clone, Debug)]
pub(crate) enum Hosts {
    /// Any valid host.
    Any,
    /// `localhost` and its subdomains, loopback addresses, and these names, normalised by
    /// [`parse_name`].
    LoopbackAnd(Vec<String>),
}

/// Returns the error response if a request's `Host` is missing, invalid or not served.
/// The response closes the connection, because an intermediate proxy may have parsed the
/// request differently.
pub(super) fn rejection<B>(hosts: &Hosts, request: &Request<B>) -> Option<Response> {
    let result = check(hosts, request.version(), request.uri(), request.headers());
    let mut response = result.err()?.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    Some(response)
}

fn check(hosts: &Hosts, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), AppError> {
    let mut values = headers.get_all(header::HOST).iter();
    let host = match (values.next(), values.next()) {
        (Some(_), Some(_)) => {
            return Err(AppError::invalid_input(
                "The request has more than one Host header.",
            ));
        }
        (Some(host), None) => Some(host.to_str().ok().and_then(Host::parse).ok_or_else(|| {
            AppError::invalid_input(
                "The Host header must be a host name or an IP address, with or without a port.",
            )
        })?),
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) => {
            return Err(AppError::invalid_input(
                "The request has no Host header, which HTTP/1.1 requires.",
            ));
        }
    };
    // The host of an absolute request target overrides the header.
    let host = match uri.authority() {
        Some(authority) => Some(Host::parse(authority.as_str()).ok_or_else(|| {
            AppError::invalid_input("The request target has no valid host and port.")
        })?),
        None => host,
    };
    match (hosts, host) {
        (Hosts::LoopbackAnd(allowed), Some(host)) if !host.is_one_of(allowed) => {
            Err(misdirected_error(&host.name()))
        }
        _ => Ok(()),
    }
}

fn misdirected_error(name: &str) -> AppError {
    let classification = Classification::new(ErrorKind::Forbidden)
        .with_status(StatusCode::MISDIRECTED_REQUEST.as_u16())
        .with_code("misdirected_request");
    AppError::new(classification).with_public_message(format!(
        "This server accepts only local host names, and {name} is not one. To allow it, start \
         the server with --allow-host {name}."
    ))
}

/// The host from a `Host` header, without the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host<'a> {
    Ip(IpAddr),
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Parses `uri-host [":" port]` of RFC 9110. Returns `None` for anything else.
    ///
    /// Names with a comma are rejected although the grammar allows them: a proxy may
    /// join two headers with a comma.
    fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if let Some(literal) = text.strip_prefix('[') {
            let (address, port) = literal.split_once(']')?;
            (Host::Ip(address.parse::<Ipv6Addr>().ok()?.into()), port)
        } else {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let host = match name.parse() {
                Ok(address) => Host::Ip(IpAddr::V4(address)),
                Err(_) if is_valid_name(name) => Host::Name(name),
                Err(_) => return None,
            };
            (host, port)
        };
        let is_valid = match port.strip_prefix(':') {
            Some(digits) => is_valid_port(digits),
            None => port.is_empty(),
        };
        is_valid.then_some(host)
    }

    fn is_one_of(self, allowed: &[String]) -> bool {
        self.is_loopback() || allowed.contains(&self.name())
    }

    fn is_loopback(self) -> bool {
        match self {
            Host::Ip(address) => address.to_canonical().is_loopback(),
            Host::Name(_) => {
                let name = self.name();
                name == "localhost" || name.ends_with(".localhost")
            }
        }
    }

    /// Returns the normalised name: in lower case, without the trailing dot of a fully
    /// qualified name or the brackets of an IPv6 address.
    fn name(self) -> String {
        match self {
            Host::Ip(address) => address.to_string(),
            Host::Name(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
        }
    }
}

/// Parses and normalises the name of an allowed host.
///
/// # Errors
///
/// If the text is not a host name or an IP address, or if it has a scheme, port or path.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let address = text.parse::<Ipv6Addr>().ok();
    let host = match address {
        Some(address) => Some(Host::Ip(address.into())),
        None => Host::parse(text).filter(|_| text.ends_with(']') || !text.contains(':')),
    };
    // Patterns are not supported: a name with an asterisk would never match.
    let host = host.filter(|_| !text.contains('*'));
    host.map(Host::name)
        .ok_or_else(|| "expected a host name or an IP address, without scheme or port".to_owned())
}

/// Returns true for a `reg-name` of RFC 3986 that is not empty and has no comma.
fn is_valid_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let is_valid = match byte {
            b'%' => {
                let mut is_hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                is_hex() && is_hex()
            }
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
            | b';' | b'=' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !is_valid {
            return false;
        }
    }
    !name.is_empty()
}

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
    fn valid_hosts_are_parsed() {
        for (text, name) in [
            ("localhost", "localhost"),
            ("LocalHost.:8080", "localhost"),
            ("a-b_c.example", "a-b_c.example"),
            ("caf%C3%A9", "caf%c3%a9"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("127.0.0.1:", "127.0.0.1"),
            ("127.0.0.1:00080", "127.0.0.1"),
            ("127.0.0.1:65535", "127.0.0.1"),
            ("[::1]", "::1"),
            ("[0:0::1]:8080", "::1"),
        ] {
            assert_eq!(Host::parse(text).map(Host::name).as_deref(), Some(name));
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
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognised() {
        let is_loopback = |text| Host::parse(text).unwrap().is_loopback();
        for text in [
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1",
            "127.255.255.254:1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(text), "{text}");
        }
        for text in [
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            "127.0.0.1.example.com",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::2]",
        ] {
            assert!(!is_loopback(text), "{text}");
        }
    }

    #[test]
    fn allowed_host_rejects_scheme_port_and_path() {
        for (text, name) in [
            ("Highwater.Test.", "highwater.test"),
            ("10.0.0.1", "10.0.0.1"),
            ("[fe80::0:1]", "fe80::1"),
            ("fe80::0:1", "fe80::1"),
        ] {
            assert_eq!(parse_name(text).as_deref(), Ok(name));
        }
        for text in ["", "a:80", "http://a", "a/b", "[::1]:80", "a,b", "*", "*.a"] {
            assert!(parse_name(text).is_err(), "{text}");
        }
    }
}
