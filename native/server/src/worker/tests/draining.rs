//! Tests of draining and stopping.

use super::*;

#[tokio::test(start_paused = true)]
async fn worker_without_connections_finishes_at_once() {
    let server = Server::start(Limits::default());
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn open_connections_get_one_last_response() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(GET).await;
    assert!(!closes_connection(&client.response().await));
    advance(&server.phase, Phase::Draining);
    sleep(SECOND / 2).await;
    client.send(GET).await;
    assert!(closes_connection(&client.response().await));
    assert_duration(client.wait_for_close().await, Duration::ZERO);
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn draining_worker_accepts_no_connections() {
    let server = Server::start(Limits::default());
    let _idle = server.connect(GET).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    sleep(SECOND / 2).await;
    assert!(server.queue.is_closed());
    assert_eq!(server.meter.accepted_connections.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn queued_connections_are_served() {
    let server = Server::start(Limits::default());
    advance(&server.phase, Phase::Draining);
    let mut clients = [server.connect(GET).await, server.connect(GET).await];
    for client in &mut clients {
        assert!(closes_connection(&client.response().await));
    }
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn final_accepts_respect_the_limit() {
    let server = Server::start(Limits {
        connections: 1,
        ..Limits::default()
    });
    advance(&server.phase, Phase::Draining);
    let mut first = server.connect(GET).await;
    let mut second = server.connect(GET).await;
    first.response().await;
    second.wait_for_close().await;
    assert_eq!(second.received, "");
}

#[tokio::test(start_paused = true)]
async fn worker_with_a_bug_accepts_no_queued_connections() {
    let server = Server::start(Limits::default());
    server.has_bug.send_replace(true);
    advance(&server.phase, Phase::Draining);
    let mut client = server.connect(GET).await;
    client.wait_for_close().await;
    assert_eq!(client.received, "");
}

#[tokio::test(start_paused = true)]
async fn idle_connections_close_after_the_linger_time() {
    let server = Server::start(Limits::default());
    let mut silent = server.connect("").await;
    let mut answered = server.connect(GET).await;
    answered.response().await;
    advance(&server.phase, Phase::Draining);
    assert_duration(answered.wait_for_close().await, SECOND);
    assert_duration(silent.wait_for_close().await, Duration::ZERO);
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_finished() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(SLOW_GET).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    let response = client.response().await;
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    assert!(closes_connection(&response), "{response}");
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn partial_request_outlasts_the_linger_time() {
    let server = Server::start(Limits::default());
    let (first, second) = GET.split_at(10);
    let mut client = server.connect("").await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    sleep(SECOND / 2).await;
    client.send(first).await;
    sleep(SECOND).await;
    client.send(second).await;
    assert!(closes_connection(&client.response().await));
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn incomplete_head_does_not_delay_draining() {
    let server = Server::start(Limits::default());
    let mut client = server.connect("GET / HTTP/1.1\r\nx-").await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_duration(client.wait_for_close().await, SECOND);
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn unfinished_requests_are_aborted_at_the_deadline() {
    let server = Server::start(Limits::default());
    let _client = server.connect(HANGING_GET).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_duration(server.finish().await, 32 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn stopping_skips_the_linger_time() {
    let server = Server::start(Limits::default());
    let mut idle = server.connect(GET).await;
    idle.response().await;
    advance(&server.phase, Phase::Stopping);
    assert_duration(idle.wait_for_close().await, Duration::ZERO);
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn stopping_allows_requests_a_grace_period() {
    let server = Server::start(Limits::default());
    let _client = server.connect(SLOW_GET).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    sleep(SECOND).await;
    advance(&server.phase, Phase::Stopping);
    assert_duration(server.finish().await, 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn worker_waits_for_its_background_tasks() {
    let server = Server::start(Limits::default());
    server.tasks.spawn(sleep(4 * SECOND));
    advance(&server.phase, Phase::Draining);
    assert_duration(server.finish().await, 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn endless_background_tasks_are_aborted() {
    let server = Server::start(Limits::default());
    server.tasks.spawn(pending::<()>());
    advance(&server.phase, Phase::Draining);
    sleep(SECOND).await;
    advance(&server.phase, Phase::Stopping);
    assert_duration(server.finish().await, Limits::default().grace);
}
