//! The host names that the page's server accepts.
//!
//! A server on a loopback address rejects the host names of other machines. Another site
//! can resolve its own name to 127.0.0.1 (DNS rebinding), so that the browser treats this
//! server as part of that site. The `Host` header still carries the site's name, which
//! reveals the attack. Invalid headers never reach this check.

use axum::http::{Request, StatusCode, header, uri::Authority};
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

/// Checks that the host of a request is served.
///
/// # Errors
///
/// 421 if it is not.
pub(super) fn check<B>(hosts: &Hosts, request: &Request<B>) -> Result<(), AppError> {
    let Hosts::LoopbackAnd(allowed) = hosts else {
        return Ok(());
    };
    let header = request.headers().get(header::HOST);
    let name = match (request.uri().authority(), header) {
        // The host of an absolute request target overrides the header.
        (Some(authority), _) => normalise(authority.host()),
        (None, Some(header)) => {
            let text = header.to_str().unwrap_or_default();
            match text.parse::<Authority>() {
                Ok(authority) => normalise(authority.host()),
                Err(_) => text.to_owned(),
            }
        }
        (None, None) => return Ok(()),
    };
    if is_loopback(&name) || allowed.contains(&name) {
        return Ok(());
    }
    Err(misdirected_error(&name))
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

/// Parses and normalises the name of an allowed host.
///
/// # Errors
///
/// If the text is not a host name or an IP address, or if it has a scheme, port or path.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    let is_host = text
        .parse::<Authority>()
        .is_ok_and(|host| host.host() == text);
    // Patterns are not supported: a name with an asterisk would never match.
    if !is_host || text.contains(['*', ',', '@']) {
        return Err("expected a host name or an IP address, without scheme or port".to_owned());
    }
    Ok(normalise(text))
}

/// Normalises a host: in lower case, without the trailing dot of a fully qualified name or
/// the brackets of an IPv6 address.
fn normalise(host: &str) -> String {
    match parse_address(host) {
        Some(address) => address.to_string(),
        None => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    }
}

fn is_loopback(name: &str) -> bool {
    match parse_address(name) {
        Some(address) => address.to_canonical().is_loopback(),
        None => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn parse_address(host: &str) -> Option<IpAddr> {
    let literal = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    literal.unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts_are_recognised() {
        let is_loopback = |text: &str| {
            let host: Authority = text.parse().unwrap();
            is_loopback(&normalise(host.host()))
        };
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
