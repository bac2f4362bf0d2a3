//! What one client can do, and for how long.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::start(Limits::default());
    let mut client = server.ask(GET).await;
    for _ in 0..3 {
        let answer = client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(!is_last(&answer), "{answer}");
        sleep(50 * SECOND).await;
        client.send(GET).await;
    }
    client.answer().await;
    let metrics = server.meter.metrics();
    assert_eq!((metrics.accepted, metrics.open), (1, 1));
    assert_eq!((metrics.answered[1], metrics.in_flight), (4, 0));
    assert_eq!(metrics.read_bytes, 4 * GET.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_whole_is_not_waited_for() {
    let server = Server::start(Limits::default());
    let mut client = server.ask("GET / HTTP/1.1\r\nx-").await;
    assert_is(client.closes().await, 10 * SECOND);
    assert_eq!(client.read, "");
    assert_eq!(server.meter.metrics().slow_heads, 1);
}

#[tokio::test(start_paused = true)]
async fn nor_is_one_that_comes_byte_by_byte() {
    let server = Server::start(Limits::default());
    let mut client = server.ask(GET).await;
    client.answer().await;
    let mut sent = 0;
    for byte in GET.bytes() {
        if client.stream.write_all(&[byte]).await.is_err() {
            break;
        }
        sent += 1;
        sleep(SECOND).await;
    }
    assert!((10..=11).contains(&sent), "{sent} bytes were taken");
    assert_eq!(server.meter.metrics().slow_heads, 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_nothing_is_cut_off() {
    let server = Server::start(Limits::default());
    let mut silent = server.ask("").await;
    let mut done = server.ask(GET).await;
    done.answer().await;
    assert_is(silent.closes().await, 60 * SECOND);
    assert_is(done.closes().await, Duration::ZERO);
    let metrics = server.meter.metrics();
    assert_eq!((metrics.idle, metrics.open), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_the_answer_is_cut_off() {
    let server = Server::start(Limits::default());
    let client = server.ask(LONG).await;
    sleep(29 * SECOND).await;
    assert_eq!(server.meter.metrics().open, 1);
    sleep(2 * SECOND).await;
    let metrics = server.meter.metrics();
    assert_eq!((metrics.stalled, metrics.open), (1, 0));
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn who_takes_the_answer_slowly_gets_it_whole() {
    let server = Server::start(Limits::default());
    let mut client = server.ask(LONG).await;
    let mut taken = 0;
    let mut buffer = [0; 4096];
    while taken < 1 << 20 {
        sleep(SECOND).await;
        let bytes = client.stream.read(&mut buffer).await.unwrap();
        assert!(bytes > 0, "cut off after {taken} bytes");
        taken += bytes;
    }
    assert_eq!(server.meter.metrics().stalled, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_as_long_as_the_service_takes() {
    let server = Server::start(Limits::default());
    let mut client = server.ask(NEVER).await;
    assert!(timeout(1000 * SECOND, client.closes()).await.is_err());
    assert_eq!(server.meter.metrics().in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_is_counted_and_not_served_any_more() {
    let server = Server::start(Limits::default());
    let client = server.ask(NEVER).await;
    sleep(SECOND).await;
    drop(client);
    sleep(SECOND).await;
    let metrics = server.meter.metrics();
    assert_eq!(
        (metrics.hung_up, metrics.in_flight, metrics.open),
        (1, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_does_not_hold_the_connection() {
    let server = Server::start(Limits::default());
    let head = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut client = server.ask(head).await;
    assert_is(client.closes().await, Duration::ZERO);
    assert!(
        client.read.starts_with("HTTP/1.1 200 OK"),
        "{}",
        client.read
    );
}

#[tokio::test(start_paused = true)]
async fn who_sends_more_than_is_read_still_gets_the_answer_but_has_no_place_for_long() {
    let server = Server::start(Limits::default());
    let head = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000000\r\n\r\n";
    let mut client = server.ask(head).await;
    let begin = Instant::now();
    let body = [b'x'; 4096];
    // As a client does that reads when it has sent all.
    while begin.elapsed() < SECOND {
        client.stream.write_all(&body).await.expect("it is taken");
        sleep(SECOND / 100).await;
    }
    client.closes().await;
    assert!(client.read.starts_with("HTTP/1.1 200 OK"));
    while client.stream.write_all(&body).await.is_ok() {
        sleep(SECOND / 100).await;
    }
    assert_is(begin.elapsed(), 2 * SECOND);
    assert_eq!(server.meter.metrics().open, 0);
}

#[tokio::test(start_paused = true)]
async fn endless_head_is_answered_while_it_is_sent() {
    let server = Server::start(Limits::default());
    let mut client = server.ask("GET / HTTP/1.1\r\n").await;
    let header = format!("x-{}: y\r\n", "x".repeat(100));
    let begin = Instant::now();
    // As a client does that reads when it has sent all.
    for _ in 0..1_000 {
        client.send(&header).await;
    }
    sleep(SECOND).await;
    client.send(&header).await;
    client.closes().await;
    assert!(client.read.starts_with("HTTP/1.1 431 "), "{}", client.read);
    assert!(
        client
            .read
            .contains("content-type: application/problem+json\r\n")
    );
    while client.stream.write_all(header.as_bytes()).await.is_ok() {
        sleep(SECOND / 100).await;
    }
    assert_is(begin.elapsed(), 2 * SECOND);
    let metrics = server.meter.metrics();
    assert_eq!((metrics.malformed, metrics.answered[3]), (1, 1));
    assert_eq!(metrics.open, 0);
}

#[tokio::test(start_paused = true)]
async fn malformed_request_after_others_is_answered_and_counted() {
    let server = Server::start(Limits::default());
    let mut client = server.ask(&format!("{GET}{GET}GET /\r\n\r\n")).await;
    client.closes().await;
    let answers: Vec<&str> = client.read.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(answers.len(), 3, "{}", client.read);
    assert!(answers[1].starts_with("200 OK"), "{}", client.read);
    assert!(answers[2].starts_with("400 Bad Request"), "{}", client.read);
    assert!(answers[2].contains("\r\ndate: "), "{}", client.read);
    let metrics = server.meter.metrics();
    assert_eq!((metrics.malformed, metrics.answered), (1, [0, 2, 0, 1, 0]));
    assert_eq!(metrics.in_flight, 0);
}
