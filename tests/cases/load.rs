//! The load generator against well-behaved and faulty servers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use load::{Client, Failure, Ledger, Load};
use tokio::runtime;

/// Time limit per case. Only failing cases wait this long.
const TIMEOUT: Duration = Duration::from_mins(1);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(50);
const HELLO_RESPONSE: &str = "HTTP/1.1 200 OK\r\nX-Worker: 7\r\nContent-Length: 6\r\n\r\nhello\n";

/// Starts a server that handles each connection on its own thread. The threads exit
/// with the test process.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (serve, connection) = (Arc::clone(&serve), connection.unwrap());
            thread::spawn(move || serve(connection));
        }
    });
    addr
}

/// Reads the request line and headers. Returns `None` if the connection is closed.
fn read_request(connection: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => return Some(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

/// Starts a server that sends the same response to every request.
fn respond_with(answer: &'static str) -> SocketAddr {
    server(move |connection| {
        let mut connection = BufReader::new(connection);
        while let Some(lines) = read_request(&mut connection) {
            let is_last = lines.iter().any(|line| line == "Connection: close");
            if connection.get_mut().write_all(answer.as_bytes()).is_err() || is_last {
                return;
            }
        }
    })
}

/// Runs a load until the ledger meets a condition.
fn run_until(load: Load, is_done: impl Fn(&Ledger) -> bool) -> Ledger {
    let running = load.start();
    let since = std::time::Instant::now();
    while !is_done(&running.ledger()) {
        let ledger = running.ledger();
        assert!(
            since.elapsed() < TIMEOUT,
            "timed out after {TIMEOUT:?}: {ledger}"
        );
        thread::sleep(Duration::from_millis(5));
    }
    let ledger = running.stop();
    assert!(ledger.adds_up(), "{ledger}");
    ledger
}

/// Runs clients against a server and returns the failure that all of them get.
fn failure_of(addr: SocketAddr) -> Failure {
    let load = Load::on(addr)
        .timeout(REQUEST_TIMEOUT)
        .clients(Client::KeepAlive, 2)
        .clients(Client::NewConnection, 2);
    let ledger = run_until(load, |ledger| ledger.total().failures() >= 8);
    let total = ledger.total();
    assert_eq!(total.answered(), 0, "{ledger}");
    assert_eq!(ledger.failed().count() as u64, total.failures());
    let mut kinds: Vec<_> = total.failures.keys().copied().collect();
    assert_eq!(kinds.len(), 1, "{ledger}");
    kinds.remove(0)
}

#[test]
fn responses_are_counted_by_status_and_worker() {
    let load = Load::on(respond_with(HELLO_RESPONSE))
        .clients(Client::KeepAlive, 3)
        .clients(Client::NewConnection, 2)
        .clients(Client::ThinkTime(Duration::from_millis(1)), 2);
    let ledger = run_until(load, |ledger| {
        ledger.by_client().all(|(_, tally)| tally.answered() >= 20)
    });
    let total = ledger.total();
    assert_eq!(total.failures(), 0, "{ledger}");
    assert_eq!(total.statuses.keys().collect::<Vec<_>>(), [&200]);
    assert_eq!(total.workers[&7], total.answered());
    assert_eq!(total.latency.len(), total.answered());
    let tallies: Vec<_> = ledger.by_client().map(|(_, tally)| tally).collect();
    assert_eq!(tallies[0].connections, 3, "one connection per client");
    assert_eq!(
        tallies[1].connections, tallies[1].sent,
        "one connection per request"
    );
    assert_eq!(tallies[2].connections, 2, "one connection per client");
}

#[test]
fn error_statuses_count_as_responses() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let load = Load::on(respond_with(busy)).clients(Client::KeepAlive, 1);
    let total = run_until(load, |ledger| ledger.total().answered() >= 3).total();
    assert_eq!(total.unsuccessful(), total.answered());
    assert_eq!(total.failures(), 0);
}

#[test]
fn body_is_read_with_every_framing() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
    let load = Load::on(respond_with(chunked)).clients(Client::KeepAlive, 1);
    let total = run_until(load, |ledger| ledger.total().answered() >= 3).total();
    assert_eq!((total.failures(), total.connections), (0, 1));

    // Sent byte by byte, so every part of the response is split.
    let byte_by_byte = server(move |connection| {
        let mut connection = BufReader::new(connection);
        connection.get_ref().set_nodelay(true).unwrap();
        while read_request(&mut connection).is_some() {
            for byte in chunked.bytes() {
                connection.get_mut().write_all(&[byte]).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        }
    });
    let load = Load::on(byte_by_byte).clients(Client::KeepAlive, 1);
    let total = run_until(load, |ledger| ledger.total().answered() >= 3).total();
    assert_eq!((total.failures(), total.connections), (0, 1));

    let until_close = server(|connection| {
        let mut connection = BufReader::new(connection);
        let _ = read_request(&mut connection);
        let _ = connection
            .get_mut()
            .write_all(b"HTTP/1.0 200 OK\r\n\r\nhello");
    });
    let load = Load::on(until_close).clients(Client::KeepAlive, 1);
    let total = run_until(load, |ledger| ledger.total().answered() >= 3).total();
    assert_eq!(total.failures(), 0);
    assert_eq!(total.connections, total.sent);
}

#[test]
fn closed_connection_is_not_reused() {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    // The server keeps the connection open, so the client must close it.
    let load = Load::on(respond_with(closing)).clients(Client::KeepAlive, 1);
    let total = run_until(load, |ledger| ledger.total().answered() >= 3).total();
    assert_eq!(total.connections, total.sent);
}

#[test]
fn closed_port_is_refused() {
    let addr = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap();
    assert_eq!(failure_of(addr), Failure::Refused);
}

#[test]
fn closed_connection_is_reset_or_cut() {
    // Closing a socket with unread bytes sends a reset.
    let resetting_server = server(|connection| drop(connection.peek(&mut [0])));
    assert_eq!(failure_of(resetting_server), Failure::Reset);
    let closing = server(|connection| drop(read_request(&mut BufReader::new(connection))));
    assert_eq!(failure_of(closing), Failure::Reset);
    for part in ["HTTP/1.1 200", &HELLO_RESPONSE[..HELLO_RESPONSE.len() - 2]] {
        let part = part.to_owned();
        let truncating_server = server(move |connection| {
            let mut connection = BufReader::new(connection);
            let _ = read_request(&mut connection);
            let _ = connection.get_mut().write_all(part.as_bytes());
        });
        assert_eq!(failure_of(truncating_server), Failure::Cut);
    }
}

#[test]
fn stalled_response_times_out() {
    let open_connections = Arc::new(Mutex::new(Vec::new()));
    for part in [
        "",
        "HTTP/1.1 200",
        &HELLO_RESPONSE[..HELLO_RESPONSE.len() - 2],
    ] {
        let (part, open_connections) = (part.to_owned(), Arc::clone(&open_connections));
        let stalled_server = server(move |mut connection| {
            let _ = connection.write_all(part.as_bytes());
            open_connections.lock().unwrap().push(connection);
        });
        assert_eq!(failure_of(stalled_server), Failure::TimedOut);
    }
}

#[test]
fn invalid_http_is_malformed() {
    assert_eq!(
        failure_of(respond_with("220 ready\r\n\r\n")),
        Failure::Malformed
    );
    let extra_body = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhello";
    assert_eq!(failure_of(respond_with(extra_body)), Failure::Malformed);
}

#[test]
fn failure_names_the_worker_of_its_connection() {
    let answers = AtomicUsize::new(0);
    let single_response = server(move |connection| {
        let mut connection = BufReader::new(connection);
        let _ = read_request(&mut connection);
        let _ = connection.get_mut().write_all(HELLO_RESPONSE.as_bytes());
        let _ = read_request(&mut connection);
        answers.fetch_add(1, Ordering::Relaxed);
    });
    let load = Load::on(single_response).clients(Client::KeepAlive, 1);
    let ledger = run_until(load, |ledger| ledger.total().failures() >= 2);
    for failed in ledger.failed() {
        assert_eq!((failed.failure, failed.worker), (Failure::Reset, Some(7)));
        assert!(failed.started <= failed.ended);
    }
}

#[test]
fn closed_idle_connection_is_not_a_failure() {
    let single_response = server(|connection| {
        let mut connection = BufReader::new(connection);
        let _ = read_request(&mut connection);
        let _ = connection.get_mut().write_all(HELLO_RESPONSE.as_bytes());
    });
    let client = Client::ThinkTime(Duration::from_millis(20));
    let load = Load::on(single_response).clients(client, 2);
    let total = run_until(load, |ledger| ledger.total().closed_idle >= 4).total();
    assert_eq!(total.failures(), 0, "{total}");
}

/// Starts a server of HTTP/2 that closes each connection after a few requests, with GOAWAY
/// or without.
fn http2_server(has_goaway: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let served = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&served);
            let respond = move |_: Request<Incoming>| {
                count.fetch_add(1, Ordering::Relaxed);
                let response = Response::builder().header("x-worker", "7");
                async { response.body(Full::new(Bytes::from("hello"))) }
            };
            let mut connection = Box::pin(
                http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(respond)),
            );
            tokio::spawn(std::future::poll_fn(move |context| {
                let polled = connection.as_mut().poll(context).map(drop);
                if polled.is_pending() && served.load(Ordering::Relaxed) >= 20 {
                    if !has_goaway {
                        return std::task::Poll::Ready(());
                    }
                    connection.as_mut().graceful_shutdown();
                    return connection.as_mut().poll(context).map(drop);
                }
                polled
            }));
        }
    };
    thread::spawn(move || runtime.unwrap().block_on(serve));
    addr
}

#[test]
fn goaway_fails_no_requests() {
    let load = Load::on(http2_server(true)).clients(Client::Http2, 2);
    let ledger = run_until(load, |ledger| ledger.total().connections > 50);
    let total = ledger.total();
    assert_eq!(total.failures(), 0, "{ledger}");
    assert_eq!(total.workers.get(&7), Some(&total.answered()), "{ledger}");
}

#[test]
fn closed_http2_connection_is_a_failure() {
    let load = Load::on(http2_server(false)).clients(Client::Http2, 2);
    let ledger = run_until(load, |ledger| ledger.total().connections > 3);
    let total = ledger.total();
    assert!(total.failures() > 0, "{ledger}");
    assert_eq!(
        total.failures(),
        total.count(Failure::Reset) + total.count(Failure::Cut)
    );
}

#[test]
fn open_loop_measures_latency_from_the_due_time() {
    const CLIENTS: usize = 4;
    const STALL: Duration = Duration::from_millis(500);
    let count_slow_requests = |rate: Option<f64>| {
        let served = AtomicUsize::new(0);
        let gate = Mutex::new(());
        let addr = server(move |connection| {
            let mut connection = BufReader::new(connection);
            while read_request(&mut connection).is_some() {
                let gate = gate.lock().unwrap();
                if served.fetch_add(1, Ordering::Relaxed) == 50 {
                    // The whole server stalls once.
                    thread::sleep(STALL);
                }
                drop(gate);
                let _ = connection.get_mut().write_all(HELLO_RESPONSE.as_bytes());
            }
        });
        let load = Load::on(addr).clients(Client::KeepAlive, CLIENTS);
        let load = match rate {
            Some(rate) => load.rate(rate),
            None => load,
        };
        let total = run_until(load, |ledger| ledger.total().answered() >= 700).total();
        let half = u64::try_from(STALL.as_nanos() / 2).unwrap();
        total.latency.count_between(half, u64::MAX)
    };
    // One request is due per millisecond. Half of those due during the stall wait for
    // at least half of it.
    let open_loop_count = count_slow_requests(Some(1_000.0));
    assert!(open_loop_count >= 200, "{open_loop_count}");
    // Each client has one request in flight during the stall. The machine itself may
    // delay a few more.
    let closed_loop_count = count_slow_requests(None);
    assert!(
        closed_loop_count <= open_loop_count / 10,
        "slow requests: {closed_loop_count} in a closed loop, {open_loop_count} in an open loop"
    );
}

#[test]
fn unsent_requests_are_counted() {
    let stalled_server = server(|connection| {
        let _ = connection.peek(&mut [0]);
        thread::sleep(TIMEOUT);
    });
    let load = Load::on(stalled_server)
        .timeout(Duration::from_secs(1))
        .rate(1_000.0)
        .clients(Client::KeepAlive, 2);
    let ledger = run_until(load, |ledger| ledger.total().failures() >= 2);
    assert!(ledger.never_sent >= 100, "{ledger}");
}
