//! More clients than there is room for.

use super::*;
use crate::serve::turns::{TurnWait, tests::workers};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::task::yield_now;

fn room_for(connections: usize) -> Limits {
    Limits {
        connections,
        ..Limits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_waits_until_one_is_free() {
    let server = Server::start(room_for(2));
    let first = server.ask(NEVER).await;
    let _second = server.ask(NEVER).await;
    let mut third = server.ask(GET).await;
    assert!(timeout(100 * SECOND, third.answer()).await.is_err());
    assert_eq!(server.meter.metrics().accepted, 2);
    drop(first);
    // So that a fourth would not have to wait.
    assert!(is_last(&third.answer().await));
    let metrics = server.meter.metrics();
    assert_eq!((metrics.accepted, metrics.open), (3, 1));
    assert!(metrics.full > 0);
}

#[tokio::test(start_paused = true)]
async fn who_asks_nothing_makes_room_soon() {
    let server = Server::start(room_for(8));
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(server.ask("").await);
    }
    let begin = Instant::now();
    server.ask(GET).await.answer().await;
    assert_is(begin.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn all_get_their_turn() {
    let server = Server::start(room_for(4));
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(server.ask(GET).await);
    }
    let begin = Instant::now();
    for client in &mut clients {
        client.answer().await;
    }
    assert!(begin.elapsed() < 3 * SECOND, "{:?}", begin.elapsed());
    assert_eq!(server.meter.metrics().accepted, 12);
}

#[tokio::test(start_paused = true)]
async fn without_others_that_wait_nobody_has_to_give_way() {
    let server = Server::start(room_for(4));
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.ask(GET).await);
    }
    for client in &mut clients {
        assert!(!is_last(&client.answer().await));
    }
}

/// A socket for which the system has no descriptors at first.
struct Short {
    queue: Incoming,
    tries: Arc<AtomicUsize>,
    until: Instant,
}

impl Accept for Short {
    type Stream = DuplexStream;

    async fn arrival(&mut self) -> io::Result<()> {
        self.queue.arrival().await
    }

    fn is_pending(&mut self) -> bool {
        self.queue.is_pending()
    }

    fn try_accept(&mut self) -> io::Result<DuplexStream> {
        self.tries.fetch_add(1, Relaxed);
        if Instant::now() < self.until {
            return Err(io::Error::from_raw_os_error(24));
        }
        self.queue.try_accept()
    }
}

#[tokio::test(start_paused = true)]
async fn without_descriptors_it_is_not_tried_again_and_again() {
    let (queue, connections) = mpsc::unbounded_channel();
    let tries = Arc::new(AtomicUsize::new(0));
    let short = Short {
        queue: Incoming::new(connections),
        tries: Arc::clone(&tries),
        until: Instant::now() + 60 * SECOND,
    };
    let server = Server::start_on(short, queue, Limits::default());
    let begin = Instant::now();
    server.ask(GET).await.answer().await;
    let after = begin.elapsed();
    assert!(after >= 60 * SECOND && after <= 61 * SECOND, "{after:?}");
    let tries = tries.load(Relaxed);
    assert!((60..80).contains(&tries), "{tries}");
    assert!(server.meter.metrics().not_accepted >= 60);
}

#[tokio::test(start_paused = true)]
async fn it_drains_even_if_it_can_accept_nothing() {
    let (queue, connections) = mpsc::unbounded_channel();
    let short = Short {
        queue: Incoming::new(connections),
        tries: Arc::default(),
        until: Instant::now() + 60 * SECOND,
    };
    let server = Server::start_on(short, queue, Limits::default());
    sleep(30 * SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_is(server.ends().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_delays_nobody() {
    let server = Server::start(Limits::default());
    for kind in [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::Interrupted,
    ] {
        server.queue.send(Err(kind.into())).unwrap();
    }
    let begin = Instant::now();
    server.ask(GET).await.answer().await;
    assert_is(begin.elapsed(), Duration::ZERO);
    assert_eq!(server.meter.metrics().not_accepted, 3);
}

/// Takes so many of endless connections, as another worker that never waits.
fn take(turns: &Turns, count: usize) -> usize {
    let mut wait = TurnWait::new(Instant::now());
    let may_take = |_: &usize| turns.look(&mut wait, Instant::now());
    (0..count)
        .take_while(may_take)
        .map(|_| turns.took())
        .count()
}

#[tokio::test(start_paused = true)]
async fn worker_ahead_of_another_leaves_the_connection_to_it() {
    let [turns, other] = workers(2).try_into().unwrap();
    other.join();
    let (queue, connections) = mpsc::unbounded_channel();
    let listener = Incoming::new(connections);
    let server = Server::start_with(listener, queue, Limits::default(), turns);
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(server.ask(GET).await);
    }
    let mut wait = TurnWait::new(Instant::now());
    while server.meter.metrics().accepted < 4 {
        other.look(&mut wait, Instant::now());
        yield_now().await;
    }
    for _ in 0..100 {
        other.look(&mut wait, Instant::now());
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.meter.metrics().accepted, 4);
    // It gives no sign any more, so the connections do not wait for it.
    for client in &mut clients {
        client.answer().await;
    }
    assert_eq!(server.meter.metrics().accepted, 8);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_full_or_draining_worker() {
    let [turns, other] = workers(2).try_into().unwrap();
    other.join();
    let (queue, connections) = mpsc::unbounded_channel();
    let listener = Incoming::new(connections);
    let server = Server::start_with(listener, queue, room_for(1), turns);
    yield_now().await;
    // While it has room it is waited for.
    assert!(take(&other, 100) < 100);
    let held = server.ask(NEVER).await;
    while server.meter.metrics().accepted < 1 {
        yield_now().await;
    }
    assert_eq!(take(&other, 100), 100);
    drop(held);
    sleep(SECOND).await;
    assert!(take(&other, 100) < 100);
    advance(&server.phase, Phase::Draining);
    sleep(SECOND).await;
    assert_eq!(take(&other, 100), 100);
}
