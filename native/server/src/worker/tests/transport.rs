//! Tests of the steps before HTTP, and of the addresses of clients.

use super::*;

const PROXY: &str = "10.0.0.1:50000";
const OTHER: &str = "198.51.100.1:50000";
/// A request for the client's address, which closes the connection.
const GET_CLIENT: &str = "GET /client HTTP/1.1\r\nhost: test\r\nconnection: close\r\n";

fn start(proxies: TrustedProxies) -> Server {
    start_with_limits(Limits::new(), Some(proxies))
}

fn start_with_limits(limits: Limits, proxies: Option<TrustedProxies>) -> Server {
    let (queue, connections) = mpsc::unbounded_channel();
    let listener = Incoming::new(connections);
    Server::start_with_proxies(listener, queue, limits, Turns::unshared(), proxies)
}

/// Returns a server that trusts the network of [`PROXY`].
fn proxy_protocol() -> Server {
    start(TrustedProxies::proxy_protocol(["10.0.0.0/8"
        .parse()
        .unwrap()]))
}

/// Sends bytes, and returns all that the server sends.
async fn exchange(server: &Server, peer: Option<&str>, sent: &str) -> String {
    let peer = peer.map(|peer| peer.parse().unwrap());
    let mut client = server.connect_from(peer, sent).await;
    client.wait_for_close().await;
    client.received
}

#[tokio::test(start_paused = true)]
async fn proxy_header_names_the_client() {
    let server = proxy_protocol();
    let header = "PROXY TCP4 203.0.113.9 10.0.0.2 4711 80\r\n";
    let sent = format!("{header}{GET_CLIENT}\r\n");
    for peer in [Some(PROXY), None] {
        let received = exchange(&server, peer, &sent).await;
        assert!(received.ends_with("\r\n\r\n203.0.113.9"), "{received}");
    }
    let sent = format!("PROXY UNKNOWN\r\n{GET_CLIENT}\r\n");
    let received = exchange(&server, Some(PROXY), &sent).await;
    assert!(received.ends_with("\r\n\r\n10.0.0.1"), "{received}");
}

#[tokio::test(start_paused = true)]
async fn proxy_without_its_header_is_disconnected() {
    let server = proxy_protocol();
    let sent = format!("{GET_CLIENT}\r\n");
    assert_eq!(exchange(&server, Some(PROXY), &sent).await, "");
    assert_eq!(server.meter.rejected_proxy_headers.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn incomplete_proxy_header_times_out() {
    let server = proxy_protocol();
    let peer = Some(PROXY.parse().unwrap());
    let mut client = server.connect_from(peer, "PROXY TCP4 ").await;
    assert_duration(client.wait_for_close().await, 10 * SECOND);
    assert_eq!(client.received, "");
    assert_eq!(server.meter.handshake_timeouts.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn draining_worker_does_not_wait_for_a_proxy_header() {
    let server = proxy_protocol();
    let peer = Some(PROXY.parse().unwrap());
    let _client = server.connect_from(peer, "PROXY TCP4 ").await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    let limits = Limits::new();
    assert_duration(server.finish().await, limits.linger + limits.grace);
}

#[tokio::test(start_paused = true)]
async fn other_peers_cannot_send_a_proxy_header() {
    let server = proxy_protocol();
    let sent = format!("{GET_CLIENT}\r\n");
    let received = exchange(&server, Some(OTHER), &sent).await;
    assert!(received.ends_with("\r\n\r\n198.51.100.1"), "{received}");
    for header in [
        "PROXY TCP4 203.0.113.9 10.0.0.2 4711 80\r\n",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x01\x02\x01\x02",
    ] {
        let sent = format!("{header}{GET_CLIENT}\r\n");
        let received = exchange(&server, Some(OTHER), &sent).await;
        assert!(received.starts_with("HTTP/1.1 "), "{received}");
        assert!(!received.starts_with("HTTP/1.1 200 "), "{received}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_trusted_proxies_name_the_client_in_a_header() {
    let networks = ["10.0.0.0/8".parse().unwrap()];
    let server = start(TrustedProxies::x_forwarded_for(networks));
    let sent = format!("{GET_CLIENT}x-forwarded-for: 1.2.3.4, 203.0.113.9\r\n\r\n");
    for (peer, client) in [
        (Some(PROXY), "203.0.113.9"),
        (None, "203.0.113.9"),
        (Some(OTHER), "198.51.100.1"),
    ] {
        let received = exchange(&server, peer, &sent).await;
        assert!(
            received.ends_with(&format!("\r\n\r\n{client}")),
            "{received}"
        );
    }
}

/// Connects clients that send nothing.
async fn connect_idle(server: &Server, peer: &str, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let peer = Some(peer.parse().unwrap());
        clients.push(server.connect_from(peer, "").await);
    }
    // The worker accepts them.
    sleep(SECOND / 10).await;
    clients
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_the_limit_of_a_client_get_429() {
    let server = start_with_limits(Limits::new().connections_per_client(2), None);
    let sent = format!("{GET_CLIENT}\r\n");
    let clients = connect_idle(&server, OTHER, 2).await;
    let received = exchange(&server, Some("198.51.100.1:50001"), &sent).await;
    assert!(received.starts_with("HTTP/1.1 429 "), "{received}");
    assert!(received.contains("\r\nretry-after: 1\r\n"), "{received}");
    assert!(closes_connection(&received), "{received}");
    for peer in [Some("198.51.100.2:50000"), None] {
        let received = exchange(&server, peer, &sent).await;
        assert!(received.starts_with("HTTP/1.1 200 "), "{received}");
    }
    drop(clients);
    sleep(SECOND).await;
    let received = exchange(&server, Some(OTHER), &sent).await;
    assert!(received.starts_with("HTTP/1.1 200 "), "{received}");
    assert_eq!(server.meter.rejected_clients.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn rejected_connections_are_limited_too() {
    let server = start_with_limits(Limits::new().connections_per_client(2), None);
    let _clients = connect_idle(&server, OTHER, 2).await;
    let rejected = connect_idle(&server, OTHER, 2).await;
    // These are no longer answered.
    assert_eq!(exchange(&server, Some(OTHER), GET).await, "");
    assert_eq!(server.meter.open_connections.get(), 4);
    for mut client in rejected {
        client.wait_for_close().await;
        assert!(client.received.starts_with("HTTP/1.1 429 "));
    }
    sleep(Limits::new().grace).await;
    assert_eq!(server.meter.open_connections.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn proxy_header_names_the_limited_client() {
    let networks = ["10.0.0.0/8".parse().unwrap()];
    let proxies = TrustedProxies::proxy_protocol(networks);
    let server = start_with_limits(Limits::new().connections_per_client(1), Some(proxies));
    let peer = Some(PROXY.parse().unwrap());
    let header = "PROXY TCP4 203.0.113.9 10.0.0.2 4711 80\r\n";
    let _client = server.connect_from(peer, header).await;
    let sent = format!("{header}{GET_CLIENT}\r\n");
    let received = exchange(&server, Some(PROXY), &sent).await;
    assert!(received.starts_with("HTTP/1.1 429 "), "{received}");
    // Health checks are not limited.
    let _health_check = server.connect_from(peer, "PROXY UNKNOWN\r\n").await;
    let sent = format!("PROXY UNKNOWN\r\n{GET_CLIENT}\r\n");
    let received = exchange(&server, Some(PROXY), &sent).await;
    assert!(received.starts_with("HTTP/1.1 200 "), "{received}");
}
