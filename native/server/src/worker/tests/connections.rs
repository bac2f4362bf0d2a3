//! Tests of single connections: keep-alive, timeouts and malformed requests.

use super::*;
use prometheus::core::GenericCounter;

#[tokio::test(start_paused = true)]
async fn connections_are_kept_alive() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(GET).await;
    for _ in 0..3 {
        let response = client.response().await;
        assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
        assert!(!closes_connection(&response), "{response}");
        sleep(50 * SECOND).await;
        client.send(GET).await;
    }
    client.response().await;
    let meter = &server.meter;
    assert_eq!(
        (
            meter.accepted_connections.get(),
            meter.open_connections.get()
        ),
        (1, 1)
    );
    assert_eq!((meter.responses[1].get(), meter.in_flight.get()), (4, 0));
    assert_eq!(meter.read_bytes.get(), 4 * GET.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn incomplete_head_times_out() {
    let server = Server::start(Limits::default());
    let mut client = server.connect("GET / HTTP/1.1\r\nx-").await;
    assert_duration(client.wait_for_close().await, 10 * SECOND);
    assert_eq!(client.received, "");
    assert_eq!(server.meter.head_timeouts.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn head_sent_byte_by_byte_times_out() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(GET).await;
    client.response().await;
    let mut sent = 0;
    for byte in GET.bytes() {
        if client.stream.write_all(&[byte]).await.is_err() {
            break;
        }
        sent += 1;
        sleep(SECOND).await;
    }
    assert!((10..=11).contains(&sent), "{sent} bytes were accepted");
    assert_eq!(server.meter.head_timeouts.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_time_out() {
    let server = Server::start(Limits::default());
    let mut silent = server.connect("").await;
    let mut answered = server.connect(GET).await;
    answered.response().await;
    assert_duration(silent.wait_for_close().await, 60 * SECOND);
    assert_duration(answered.wait_for_close().await, Duration::ZERO);
    let meter = &server.meter;
    assert_eq!(
        (meter.idle_timeouts.get(), meter.open_connections.get()),
        (2, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn unread_response_times_out() {
    let server = Server::start(Limits::default());
    let client = server.connect(LONG_GET).await;
    sleep(29 * SECOND).await;
    assert_eq!(server.meter.open_connections.get(), 1);
    sleep(2 * SECOND).await;
    let meter = &server.meter;
    assert_eq!(
        (meter.stall_timeouts.get(), meter.open_connections.get()),
        (1, 0)
    );
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn slow_reader_gets_the_whole_response() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(LONG_GET).await;
    let mut received = 0;
    let mut buffer = [0; 4096];
    while received < 1 << 20 {
        sleep(SECOND).await;
        let bytes = client.stream.read(&mut buffer).await.unwrap();
        assert!(bytes > 0, "closed after {received} bytes");
        received += bytes;
    }
    assert_eq!(server.meter.stall_timeouts.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn slow_service_does_not_time_out() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(HANGING_GET).await;
    assert!(
        timeout(1000 * SECOND, client.wait_for_close())
            .await
            .is_err()
    );
    assert_eq!(server.meter.in_flight.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_counted_and_frees_the_connection() {
    let server = Server::start(Limits::default());
    let client = server.connect(HANGING_GET).await;
    sleep(SECOND).await;
    drop(client);
    sleep(SECOND).await;
    let meter = &server.meter;
    assert_eq!(
        (
            meter.disconnects.get(),
            meter.in_flight.get(),
            meter.open_connections.get()
        ),
        (1, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn unread_body_does_not_block_the_connection() {
    let server = Server::start(Limits::default());
    let head = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut client = server.connect(head).await;
    assert_duration(client.wait_for_close().await, Duration::ZERO);
    assert!(
        client.received.starts_with("HTTP/1.1 200 OK"),
        "{}",
        client.received
    );
}

#[tokio::test(start_paused = true)]
async fn oversized_body_gets_a_response_and_a_deadline() {
    let server = Server::start(Limits::default());
    let head = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000000\r\n\r\n";
    let mut client = server.connect(head).await;
    let begin = Instant::now();
    let body = [b'x'; 4096];
    // Behaves like a client that reads only after it has sent everything.
    while begin.elapsed() < SECOND {
        client
            .stream
            .write_all(&body)
            .await
            .expect("the server stopped reading");
        sleep(SECOND / 100).await;
    }
    client.wait_for_close().await;
    assert!(client.received.starts_with("HTTP/1.1 200 OK"));
    while client.stream.write_all(&body).await.is_ok() {
        sleep(SECOND / 100).await;
    }
    assert_duration(begin.elapsed(), 2 * SECOND);
    assert_eq!(server.meter.open_connections.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn endless_head_is_rejected_while_it_is_sent() {
    let server = Server::start(Limits::default());
    let mut client = server.connect("GET / HTTP/1.1\r\n").await;
    let header = format!("x-{}: y\r\n", "x".repeat(100));
    let begin = Instant::now();
    // Behaves like a client that reads only after it has sent everything.
    for _ in 0..1_000 {
        client.send(&header).await;
    }
    sleep(SECOND).await;
    client.send(&header).await;
    client.wait_for_close().await;
    assert!(
        client.received.starts_with("HTTP/1.1 431 "),
        "{}",
        client.received
    );
    assert!(
        client
            .received
            .contains("content-type: application/problem+json\r\n")
    );
    while client.stream.write_all(header.as_bytes()).await.is_ok() {
        sleep(SECOND / 100).await;
    }
    assert_duration(begin.elapsed(), 2 * SECOND);
    let meter = &server.meter;
    assert_eq!(
        (meter.malformed_requests.get(), meter.responses[3].get()),
        (1, 1)
    );
    assert_eq!(meter.open_connections.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn head_limit_is_configurable() {
    let server = Server::start(Limits::new().head_bytes(10_000));
    let request = |bytes| {
        let value = "x".repeat(bytes - "GET / HTTP/1.1\r\nhost: test\r\nx: \r\n\r\n".len());
        format!("GET / HTTP/1.1\r\nhost: test\r\nx: {value}\r\n\r\n")
    };
    let mut client = server.connect(&request(10_000)).await;
    let response = client.response().await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    client.send(&request(10_001)).await;
    client.wait_for_close().await;
    let received = &client.received;
    assert!(received.starts_with("HTTP/1.1 431 "), "{received}");
}

#[tokio::test(start_paused = true)]
async fn body_is_requested_when_the_service_reads_it() {
    let server = Server::start(Limits::default());
    let head = format!("POST /read HTTP/1.1\r\nhost: test\r\n{EXPECT}");
    let mut client = server.connect(&head).await;
    let mut head = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    client.stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    assert!(!closes_connection(&client.response().await));
    client.send(GET).await;
    client.response().await;
}

#[tokio::test(start_paused = true)]
async fn rejected_body_is_not_requested() {
    let server = Server::start(Limits::default());
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\n{EXPECT}");
    let mut client = server.connect(&head).await;
    assert_duration(client.wait_for_close().await, Duration::ZERO);
    let received = &client.received;
    assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\nhello"), "{received}");
}

#[tokio::test(start_paused = true)]
async fn body_sent_without_a_request_for_it_is_consumed() {
    let server = Server::start(Limits::default());
    let request = format!("POST / HTTP/1.1\r\nhost: test\r\n{EXPECT}body");
    let mut client = server.connect(&request).await;
    for _ in 0..2 {
        let response = client.response().await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        client.send(&request).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pipelined_malformed_request_is_rejected_and_counted() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(&format!("{GET}{GET}GET /\r\n\r\n")).await;
    client.wait_for_close().await;
    let responses: Vec<&str> = client.received.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(responses.len(), 3, "{}", client.received);
    assert!(responses[1].starts_with("200 OK"), "{}", client.received);
    assert!(
        responses[2].starts_with("400 Bad Request"),
        "{}",
        client.received
    );
    assert!(responses[2].contains("\r\ndate: "), "{}", client.received);
    let meter = &server.meter;
    assert_eq!(
        (
            meter.malformed_requests.get(),
            meter.responses.each_ref().map(GenericCounter::get)
        ),
        (1, [0, 2, 0, 1, 0])
    );
    assert_eq!(meter.in_flight.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn ambiguous_body_lengths_are_rejected() {
    let server = Server::start(Limits::default());
    for headers in [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: +1\r\n",
        "transfer-encoding: gzip\r\n",
    ] {
        // hyper has no bytes left, or the first ones of an HTTP/2 connection.
        for body in ["", "P"] {
            let request = format!("POST / HTTP/1.1\r\nhost: test\r\n{headers}\r\n{body}");
            let mut client = server.connect(&request).await;
            client.wait_for_close().await;
            let received = &client.received;
            assert!(
                received.starts_with("HTTP/1.1 400 Bad Request\r\n"),
                "{request:?}: {received:?}"
            );
        }
    }
    assert_eq!(server.meter.malformed_requests.get(), 6);
}
