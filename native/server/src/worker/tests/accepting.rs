//! Tests of accepting: the connection limit, errors, and turns.

use super::*;
use crate::turns::{TurnWait, tests::shared_turns};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::task::yield_now;

fn limits_with_connections(connections: usize) -> Limits {
    Limits {
        connections,
        ..Limits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn clients_beyond_the_limit_wait() {
    let server = Server::start(limits_with_connections(2));
    let first = server.connect(HANGING_GET).await;
    let _second = server.connect(HANGING_GET).await;
    let mut third = server.connect(GET).await;
    assert!(timeout(100 * SECOND, third.response()).await.is_err());
    assert_eq!(server.meter.accepted_connections.get(), 2);
    drop(first);
    // A full worker closes each connection after its response.
    assert!(closes_connection(&third.response().await));
    let meter = &server.meter;
    assert_eq!(
        (
            meter.accepted_connections.get(),
            meter.open_connections.get()
        ),
        (3, 1)
    );
    assert!(meter.connection_waits.get() > 0);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_at_the_limit() {
    let server = Server::start(limits_with_connections(8));
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(server.connect("").await);
    }
    let begin = Instant::now();
    server.connect(GET).await.response().await;
    assert_duration(begin.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn waiting_clients_are_all_served() {
    let server = Server::start(limits_with_connections(4));
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(server.connect(GET).await);
    }
    let begin = Instant::now();
    for client in &mut clients {
        client.response().await;
    }
    assert!(begin.elapsed() < 3 * SECOND, "{:?}", begin.elapsed());
    assert_eq!(server.meter.accepted_connections.get(), 12);
}

#[tokio::test(start_paused = true)]
async fn connections_stay_open_below_the_limit() {
    let server = Server::start(limits_with_connections(4));
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.connect(GET).await);
    }
    for client in &mut clients {
        assert!(!closes_connection(&client.response().await));
    }
}

/// An accept queue that fails until a given time, as if the system had no free
/// descriptors.
struct OutOfDescriptors {
    queue: Incoming,
    attempts: Arc<AtomicUsize>,
    fails_until: Instant,
}

impl AcceptQueue for OutOfDescriptors {
    type Stream = DuplexStream;

    async fn arrival(&mut self) -> io::Result<()> {
        self.queue.arrival().await
    }

    fn has_connection(&mut self) -> bool {
        self.queue.has_connection()
    }

    fn try_accept(&mut self) -> io::Result<Accepted<DuplexStream>> {
        self.attempts.fetch_add(1, Relaxed);
        if Instant::now() < self.fails_until {
            return Err(io::Error::from_raw_os_error(24));
        }
        self.queue.try_accept()
    }
}

#[tokio::test(start_paused = true)]
async fn accept_errors_are_retried_with_backoff() {
    let (queue, connections) = mpsc::unbounded_channel();
    let attempts = Arc::new(AtomicUsize::new(0));
    let failing_queue = OutOfDescriptors {
        queue: Incoming::new(connections),
        attempts: Arc::clone(&attempts),
        fails_until: Instant::now() + 60 * SECOND,
    };
    let server = Server::start_with_listener(failing_queue, queue, Limits::default());
    let begin = Instant::now();
    server.connect(GET).await.response().await;
    let elapsed = begin.elapsed();
    assert!(
        elapsed >= 60 * SECOND && elapsed <= 61 * SECOND,
        "{elapsed:?}"
    );
    let attempts = attempts.load(Relaxed);
    assert!((60..80).contains(&attempts), "{attempts}");
    assert!(server.meter.accept_errors.get() >= 60);
}

#[tokio::test(start_paused = true)]
async fn worker_drains_despite_accept_errors() {
    let (queue, connections) = mpsc::unbounded_channel();
    let failing_queue = OutOfDescriptors {
        queue: Incoming::new(connections),
        attempts: Arc::default(),
        fails_until: Instant::now() + 60 * SECOND,
    };
    let server = Server::start_with_listener(failing_queue, queue, Limits::default());
    sleep(30 * SECOND).await;
    advance(&server.phase, Phase::Draining);
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn client_errors_do_not_delay_other_clients() {
    let server = Server::start(Limits::default());
    for kind in [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::Interrupted,
    ] {
        server.queue.send(Err(kind.into())).unwrap();
    }
    let begin = Instant::now();
    server.connect(GET).await.response().await;
    assert_duration(begin.elapsed(), Duration::ZERO);
    assert_eq!(server.meter.accept_errors.get(), 3);
}

/// Accepts up to `count` connections from an endless queue, as a second worker would.
fn accept_as(turns: &Turns, count: usize) -> usize {
    let mut wait = TurnWait::new(Instant::now());
    let is_turn = |_: &usize| turns.check(&mut wait, Instant::now());
    (0..count)
        .take_while(is_turn)
        .map(|_| turns.count_accepted())
        .count()
}

#[tokio::test(start_paused = true)]
async fn worker_at_the_maximum_lead_stops_accepting() {
    let [turns, other] = shared_turns(2).try_into().unwrap();
    other.join();
    let (queue, connections) = mpsc::unbounded_channel();
    let listener = Incoming::new(connections);
    let server = Server::start_with_turns(listener, queue, Limits::default(), turns);
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(server.connect(GET).await);
    }
    let mut wait = TurnWait::new(Instant::now());
    while server.meter.accepted_connections.get() < 4 {
        other.check(&mut wait, Instant::now());
        yield_now().await;
    }
    for _ in 0..100 {
        other.check(&mut wait, Instant::now());
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.meter.accepted_connections.get(), 4);
    // The other worker no longer checks, so the connections do not wait for it.
    for client in &mut clients {
        client.response().await;
    }
    assert_eq!(server.meter.accepted_connections.get(), 8);
}

#[tokio::test(start_paused = true)]
async fn full_and_draining_workers_are_skipped() {
    let [turns, other] = shared_turns(2).try_into().unwrap();
    other.join();
    let (queue, connections) = mpsc::unbounded_channel();
    let listener = Incoming::new(connections);
    let server = Server::start_with_turns(listener, queue, limits_with_connections(1), turns);
    yield_now().await;
    // While this worker has room, the other one waits for it.
    assert!(accept_as(&other, 100) < 100);
    let open_client = server.connect(HANGING_GET).await;
    while server.meter.accepted_connections.get() < 1 {
        yield_now().await;
    }
    assert_eq!(accept_as(&other, 100), 100);
    drop(open_client);
    sleep(SECOND).await;
    assert!(accept_as(&other, 100) < 100);
    advance(&server.phase, Phase::Draining);
    sleep(SECOND).await;
    assert_eq!(accept_as(&other, 100), 100);
}
