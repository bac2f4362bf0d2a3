//! Malformed requests, and clients that send more than the server reads.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use crate::support::{assert_logged, connect, request, start, transcript};

/// Sends bytes and reads until the server closes the connection. Fails if the server
/// resets the connection.
fn exchange(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = connect(addr);
    connection.write_all(bytes).unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    response
}

/// Returns the value of a response header, whose name is in lower case.
fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = response.split_once("\r\n\r\n")?;
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find_map(|(known, value)| (known == name).then_some(value))
}

#[track_caller]
fn assert_status(response: &str, status: u16) {
    let is_expected = response.starts_with(&format!("HTTP/1.1 {status} "));
    assert!(is_expected, "expected {status}: {response}");
}

#[test]
fn malformed_requests_are_rejected_logged_and_counted() {
    let cluster = start(1);
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    let large = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(200_000));
    let requests = [
        ("GET /\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
        ),
        (&*long, 414),
        (&*many, 431),
        (&*large, 431),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("POST / HTTP/2.0\r\n\r\n", 505),
    ];
    let mut ids = Vec::new();
    for (request, status) in requests {
        let response = exchange(cluster.addr(), request.as_bytes());
        assert_status(&response, status);
        let content_type = header(&response, "content-type");
        assert_eq!(content_type, Some("application/problem+json"), "{response}");
        assert_eq!(header(&response, "connection"), Some("close"), "{response}");
        assert!(header(&response, "date").is_some(), "{response}");
        let id = header(&response, "x-request-id").unwrap();
        assert!(response.contains(&format!("\"id\":\"{id}\"")), "{response}");
        ids.push(id.to_owned());
    }
    // Repeated lines are sampled, so only the first is guaranteed to be logged.
    assert_logged(&cluster, &[&ids[0]]);
    let metrics = request(cluster.addr(), "GET", "/metrics").text;
    let count = requests.len();
    for line in [
        format!("http_requests_malformed_total {count}\n"),
        format!("http_requests_total{{status=\"4xx\"}} {}\n", count - 2),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert_eq!(cluster.count("exited"), 0, "{}", transcript(&cluster));
}

#[test]
fn response_reaches_a_client_that_is_still_sending() {
    let cluster = start(1);
    let head = "GET / HTTP/1.1\r\nHost: it\r\n";
    let header = format!("x: {}\r\n", "y".repeat(1000));
    let excess = "x".repeat(80_000);
    for (first_part, rest, status) in [
        (format!("{head}{}", header.repeat(80)), &*header, 431),
        (format!("GET /{excess}"), "xxxxxxxx", 414),
        (format!("no HTTP\r\n\r\n{excess}"), "xxxxxxxx", 400),
        (
            "POST / HTTP/1.1\r\nHost: it\r\nContent-Length: 1000000\r\n\r\n".to_owned(),
            "xxxxxxxx",
            405,
        ),
        (
            format!("{head}Connection: close\r\n\r\n{excess}"),
            "xxxxxxxx",
            200,
        ),
    ] {
        let mut connection = connect(cluster.addr());
        connection.write_all(first_part.as_bytes()).unwrap();
        // The response has arrived. Keep sending.
        assert_eq!(connection.peek(&mut [0]).unwrap(), 1, "{status}");
        for _ in 0..10 {
            connection.write_all(rest.as_bytes()).unwrap();
        }
        let mut response = String::new();
        let read = connection.read_to_string(&mut response);
        assert!(read.is_ok(), "{status}: {read:?} after {response:?}");
        assert_status(&response, status);
    }
}
