//! How a worker comes to its end.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_worker_without_connections_ends_at_once() {
    let server = Server::start(Limits::default());
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn open_connections_are_answered_once_more_and_told_that_it_was_the_last() {
    let server = Server::start(Limits::default());
    let mut client = server.ask(GET).await;
    assert!(!is_last(&client.answer().await));
    advance(&server.phase, Phase::Draining);
    sleep(SECOND / 2).await;
    client.send(GET).await;
    assert!(is_last(&client.answer().await));
    assert_is(client.closes().await, Duration::ZERO);
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_connection_is_accepted_any_more() {
    let server = Server::start(Limits::default());
    let _idle = server.ask(GET).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    sleep(SECOND / 2).await;
    assert!(server.queue.is_closed());
    assert_eq!(server.meter.metrics().accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_in_the_queue_already_is_answered() {
    let server = Server::start(Limits::default());
    advance(&server.phase, Phase::Draining);
    let mut clients = [server.ask(GET).await, server.ask(GET).await];
    for client in &mut clients {
        assert!(is_last(&client.answer().await));
    }
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_taken_from_the_queue_than_there_is_room_for() {
    let server = Server::start(Limits {
        connections: 1,
        ..Limits::default()
    });
    advance(&server.phase, Phase::Draining);
    let mut first = server.ask(GET).await;
    let mut second = server.ask(GET).await;
    first.answer().await;
    second.closes().await;
    assert_eq!(second.read, "");
}

#[tokio::test(start_paused = true)]
async fn after_a_bug_the_queue_is_left_to_others() {
    let server = Server::start(Limits::default());
    server.bug.send_replace(true);
    advance(&server.phase, Phase::Draining);
    let mut client = server.ask(GET).await;
    client.closes().await;
    assert_eq!(client.read, "");
}

#[tokio::test(start_paused = true)]
async fn connections_that_ask_nothing_are_closed_after_the_linger() {
    let server = Server::start(Limits::default());
    let mut silent = server.ask("").await;
    let mut done = server.ask(GET).await;
    done.answer().await;
    advance(&server.phase, Phase::Draining);
    assert_is(done.closes().await, SECOND);
    assert_is(silent.closes().await, Duration::ZERO);
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_are_finished() {
    let server = Server::start(Limits::default());
    let mut client = server.ask(SLOW).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(is_last(&answer), "{answer}");
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_half_sent_when_the_linger_is_over_is_still_answered() {
    let server = Server::start(Limits::default());
    let (first, second) = GET.split_at(10);
    let mut client = server.ask("").await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    sleep(SECOND / 2).await;
    client.send(first).await;
    sleep(SECOND).await;
    client.send(second).await;
    assert!(is_last(&client.answer().await));
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_whole_does_not_hold_it_up() {
    let server = Server::start(Limits::default());
    let mut client = server.ask("GET / HTTP/1.1\r\nx-").await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_is(client.closes().await, SECOND);
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_finished_in_time_is_cut() {
    let server = Server::start(Limits::default());
    let _client = server.ask(NEVER).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_is(server.ends().await, 32 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_end_does_not_wait_for_the_linger() {
    let server = Server::start(Limits::default());
    let mut idle = server.ask(GET).await;
    idle.answer().await;
    advance(&server.phase, Phase::Stopping);
    assert_is(idle.closes().await, Duration::ZERO);
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_end_gives_a_little_time_to_what_is_under_way() {
    let server = Server::start(Limits::default());
    let _client = server.ask(SLOW).await;
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    sleep(SECOND).await;
    advance(&server.phase, Phase::Stopping);
    assert_is(server.ends().await, 2 * SECOND);
}
