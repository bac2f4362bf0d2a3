//! Proxies that name the client of a connection or of a request.
//!
//! No maintained crate reads both headers correctly: the ones that were tried split quoted
//! values at commas, or fail at IPv6 addresses.

use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The proxies that are trusted to name the client, and the protocol that they use.
///
/// The service receives the result as [`ClientAddr`](crate::ClientAddr). Headers of other
/// peers are ignored, so that clients cannot choose their address. Peers on a Unix socket
/// are always trusted: the permissions of its file decide who can connect.
///
/// Each proxy adds the address that it sees. Therefore the client is the rightmost address
/// that is not itself a trusted proxy. The search ends at an entry that is not an address,
/// such as `unknown`; the proxy that added it then counts as the client.
///
/// ```no_run
/// use axum::Router;
/// use highwater_server::{ExitCode, Server, TrustedProxies};
///
/// fn main() -> ExitCode {
///     let networks = ["127.0.0.0/8", "10.0.0.0/8"].map(|it| it.parse().expect("a network"));
///     Server::new("127.0.0.1:8080")
///         .trusted_proxies(TrustedProxies::x_forwarded_for(networks))
///         .run(|_worker| async { Router::new() })
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "proxies are not trusted unless they are passed to a server"]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Forwarded,
    XForwardedFor,
    ProxyHeader,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl TrustedProxies {
    /// Trusts proxies in these networks that send the header `Forwarded` (RFC 7239).
    pub fn forwarded(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self::new(networks, Protocol::Forwarded)
    }

    /// Trusts proxies in these networks that send the header `X-Forwarded-For`.
    pub fn x_forwarded_for(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self::new(networks, Protocol::XForwardedFor)
    }

    /// Trusts proxies in these networks that start each connection with a header of the
    /// [PROXY protocol](https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt),
    /// version 1 or 2.
    ///
    /// As the protocol demands, the header is required from these peers: a connection
    /// without a valid one, of at most 4 KiB and within the time limit for a request head,
    /// is closed. A header without an address, such as that of a health check, leaves the
    /// proxy as the client. Other peers speak HTTP at once, and a PROXY header from them is
    /// an invalid request.
    pub fn proxy_protocol(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self::new(networks, Protocol::ProxyHeader)
    }

    fn new(networks: impl IntoIterator<Item = IpNet>, protocol: Protocol) -> Self {
        TrustedProxies {
            networks: networks.into_iter().collect(),
            protocol,
        }
    }

    /// Returns true if connections of this peer start with a PROXY header.
    pub(crate) fn sends_proxy_header(&self, peer: Option<SocketAddr>) -> bool {
        self.protocol == Protocol::ProxyHeader && self.is_trusted(peer)
    }

    /// Returns true if requests of this peer can name the client in a header.
    pub(crate) fn sends_header(&self, peer: Option<SocketAddr>) -> bool {
        self.protocol != Protocol::ProxyHeader && self.is_trusted(peer)
    }

    fn is_trusted(&self, peer: Option<SocketAddr>) -> bool {
        peer.is_none_or(|peer| self.contains(peer.ip()))
    }

    fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Returns the client that the headers of a trusted peer name.
    pub(crate) fn named_client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let split: fn(&str) -> Vec<&str>;
        let parse: fn(&str) -> Option<IpAddr>;
        let name = match self.protocol {
            Protocol::Forwarded => {
                split = |line| rsplit_unquoted(line, ',');
                parse = parse_forwarded_element;
                FORWARDED
            }
            Protocol::XForwardedFor => {
                // It has no quoted strings.
                split = |line| line.rsplit(',').collect();
                parse = parse_node;
                X_FORWARDED_FOR
            }
            Protocol::ProxyHeader => return None,
        };
        let mut client = None;
        for line in headers.get_all(name).iter().rev() {
            // A client can send other bytes in front of what the proxies add.
            let line = String::from_utf8_lossy(line.as_bytes());
            let elements = split(&line).into_iter().map(str::trim);
            for element in elements.filter(|element| !element.is_empty()) {
                let Some(ip) = parse(element) else {
                    return client;
                };
                client = Some(ip);
                if !self.contains(ip) {
                    return client;
                }
            }
        }
        client
    }
}

/// Returns the address in the parameter `for` of an element of `Forwarded`.
fn parse_forwarded_element(element: &str) -> Option<IpAddr> {
    let parameters = rsplit_unquoted(element, ';');
    let mut parameters = parameters.iter().rev().filter_map(|it| it.split_once('='));
    let (_, node) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    let quoted = node.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    parse_node(quoted.unwrap_or(node))
}

/// Parses an address with or without a port. IPv6 addresses may be in brackets.
fn parse_node(node: &str) -> Option<IpAddr> {
    let address = || node.parse().ok();
    let with_port = || node.parse().ok().map(|addr: SocketAddr| addr.ip());
    let in_brackets = || {
        let node = node.strip_prefix('[')?.strip_suffix(']')?;
        node.parse().ok().map(IpAddr::V6)
    };
    address().or_else(with_port).or_else(in_brackets)
}

/// Splits a text at separators outside quoted strings, and returns the last part first.
///
/// It reads the text from its end, where the proxies add their parts. Otherwise a client
/// could send an open quote, and what the proxies add would belong to its quoted string.
fn rsplit_unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    let mut end = text.len();
    let mut parts = Vec::new();
    for (index, character) in text.char_indices().rev() {
        if character == '"' && !is_escaped(&text[..index]) {
            is_quoted = !is_quoted;
        } else if character == separator && !is_quoted {
            parts.push(&text[index + separator.len_utf8()..end]);
            end = index;
        }
    }
    parts.push(&text[..end]);
    parts
}

/// Returns true if the character after this text is escaped by a backslash.
fn is_escaped(before: &str) -> bool {
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    backslashes % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn networks() -> Vec<IpNet> {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|it| it.parse().unwrap());
        networks.into()
    }

    fn client_of(proxies: &TrustedProxies, name: &HeaderName, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let client = proxies.named_client(&headers);
        client.map_or_else(|| "none".to_owned(), |ip| ip.to_string())
    }

    #[test]
    fn rightmost_untrusted_address_is_the_client() {
        let proxies = TrustedProxies::x_forwarded_for(networks());
        for (lines, client) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (&["198.51.100.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
            (&["198.51.100.1", "203.0.113.9", "10.0.0.7"], "203.0.113.9"),
            (&["203.0.113.9 ,, 10.0.0.7 ,"], "203.0.113.9"),
            (&["203.0.113.9:4711, 10.0.0.7:80"], "203.0.113.9"),
            (&["2001:db8::9, 2001:db8:1::7"], "2001:db8::9"),
            (&["[2001:db8::9]:4711"], "2001:db8::9"),
            (&["[2001:db8::9]"], "2001:db8::9"),
            (&["::ffff:10.0.0.7"], "::ffff:10.0.0.7"),
            // All are proxies: the first one is the client.
            (&["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
            // The search ends at the first entry that is not an address.
            (&["203.0.113.9, unknown, 10.0.0.7"], "10.0.0.7"),
            (&["203.0.113.9, 1.2.3"], "none"),
            (&["203.0.113.9", "\u{e9}"], "none"),
            // What a client sends does not hide what the proxy adds.
            (&["\", 203.0.113.9"], "203.0.113.9"),
            (&["\\\", 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
            (&["\u{e9}, 203.0.113.9"], "203.0.113.9"),
            (&[""], "none"),
            (&[], "none"),
        ] {
            let found = client_of(&proxies, &X_FORWARDED_FOR, lines);
            assert_eq!(found, client, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_elements_are_parsed() {
        let proxies = TrustedProxies::forwarded(networks());
        for (lines, client) in [
            (&["for=203.0.113.9"][..], "203.0.113.9"),
            (
                &["for=198.51.100.1;proto=https, FOR = 203.0.113.9 ; by=10.0.0.1"],
                "203.0.113.9",
            ),
            (&["for=\"203.0.113.9:4711\""], "203.0.113.9"),
            (&["for=\"[2001:db8::9]:4711\""], "2001:db8::9"),
            (&["for=\"[2001:db8::9]\", for=10.0.0.7"], "2001:db8::9"),
            // Separators in quoted strings do not count.
            (&["host=\"a,for=1.2.3.4\";for=203.0.113.9"], "203.0.113.9"),
            (
                &["ext=\"\\\",for=1.2.3.4;\";for=203.0.113.9"],
                "203.0.113.9",
            ),
            (&["for=203.0.113.9, for=_hidden, for=10.0.0.7"], "10.0.0.7"),
            // What a client sends does not hide what the proxy adds.
            (&["for=\", for=203.0.113.9"], "203.0.113.9"),
            (&["for=\"\\, for=\"203.0.113.9:80\""], "203.0.113.9"),
            (
                &["\u{e9}, for=\"[2001:db8::9]:80\"; by=\"a,b\""],
                "2001:db8::9",
            ),
            (&["for=203.0.113.9, proto=https"], "none"),
            (&["203.0.113.9"], "none"),
        ] {
            let found = client_of(&proxies, &FORWARDED, lines);
            assert_eq!(found, client, "{lines:?}");
        }
        let other = client_of(&proxies, &X_FORWARDED_FOR, &["203.0.113.9"]);
        assert_eq!(other, "none");
    }

    #[test]
    fn only_peers_in_the_networks_are_trusted() {
        let proxies = TrustedProxies::x_forwarded_for(networks());
        let is_trusted = |peer: &str| proxies.sends_header(Some(peer.parse().unwrap()));
        assert!(is_trusted("10.1.2.3:80"));
        assert!(is_trusted("[::ffff:10.1.2.3]:80"));
        assert!(is_trusted("[2001:db8:1::1]:80"));
        assert!(!is_trusted("11.1.2.3:80"));
        assert!(!is_trusted("[2001:db8:2::1]:80"));
        assert!(proxies.sends_header(None), "a Unix socket");
        assert!(!proxies.sends_proxy_header(None));
        let proxies = TrustedProxies::proxy_protocol(networks());
        assert!(proxies.sends_proxy_header(None));
        assert!(!proxies.sends_header(None));
    }
}
