//! The steps of `GUIDE.md`: what breaks before each one, and no longer breaks after it.

use crate::program::{CLOSE, Program, TIMEOUT, example, free_addr, pid};
use nix::sys::signal::{Signal, kill};
use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// The files of the steps, in order.
const FILES: [&str; 7] = [
    "0_hello.rs",
    "1_limits.rs",
    "2_errors.rs",
    "3_pool.rs",
    "4_events.rs",
    "5_cluster.rs",
    "6_metrics.rs",
];

/// A request that would take hours.
const LONG_REQUEST: &str = "GET /primes/1000000000000";

#[test]
fn half_a_request_stays_open_without_limits() {
    // Twice the limit of the next step.
    let wait = Duration::from_secs(4);
    let error = send_half_a_request(&step(0), wait).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(send_half_a_request(&step(1), TIMEOUT).is_ok(), "closed");
}

#[test]
fn missing_name_ends_the_server_without_central_errors() {
    let mut server = step(1);
    let response = post(&server, "/signup");
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    let (status, log) = server.wait();
    assert!(!status.success(), "{log:?}");

    let server = step(2);
    let response = post(&server, "/signup");
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert!(response.contains("is missing"), "{response}");
    assert!(server.get("/").ends_with("\r\n\r\nhello\n"));
}

#[test]
fn computing_delays_other_requests_without_a_pool() {
    let server = step(2);
    let _computing = send(server.addr, LONG_REQUEST);
    let wait = Duration::from_secs(2);
    // The first ones may overtake the long request.
    assert!((0..5).any(|_| !is_answered(&server, wait)));

    let server = step(3);
    let _computing = [(); 2].map(|()| send(server.addr, LONG_REQUEST));
    assert!((0..5).all(|_| is_answered(&server, TIMEOUT)));
}

#[test]
fn mails_pile_up_without_a_bounded_inbox() {
    const REQUESTS: usize = 60;
    let server = step(3);
    assert_eq!(count_sign_ups(&server, REQUESTS), REQUESTS);

    let server = step(4);
    let accepted = count_sign_ups(&server, REQUESTS);
    assert!((16..REQUESTS).contains(&accepted), "{accepted}");
    let rejected = post(&server, "/signup?name=Ada");
    assert!(rejected.starts_with("HTTP/1.1 503 "), "{rejected}");
}

#[test]
fn accepted_mails_are_sent_before_the_exit() {
    let mut server = step(4);
    assert_eq!(count_sign_ups(&server, 3), 3);
    server.signal(Signal::SIGTERM);
    let (status, log) = server.wait();
    assert!(status.success(), "{log:?}");
    let sent = log.iter().filter(|line| line.contains("sent a mail to"));
    assert_eq!(sent.count(), 3, "{log:?}");
}

#[test]
fn killed_process_is_replaced_only_in_a_cluster() {
    let mut server = step(4);
    server.signal(Signal::SIGKILL);
    server.wait();
    assert!(TcpStream::connect(server.addr).is_err());

    let mut cluster = example_step(5);
    let workers = [cluster.wait_for_worker(), cluster.wait_for_worker()];
    kill(pid(workers[0]), Signal::SIGKILL).unwrap();
    cluster.wait_for_log("it will be replaced");
    cluster.wait_for_worker();
    assert!(cluster.get("/").ends_with("\r\n\r\nhello\n"));
}

#[test]
fn rejections_are_visible_only_with_metrics() {
    const REQUESTS: usize = 80;
    let mut cluster = example_step(5);
    cluster.wait_for_worker();
    assert!(cluster.get("/metrics").starts_with("HTTP/1.1 404 "));

    let mut cluster = example_step(6);
    let _workers = [cluster.wait_for_worker(), cluster.wait_for_worker()];
    assert!(cluster.get("/readyz").starts_with("HTTP/1.1 200 "));
    let rejected = REQUESTS - count_sign_ups(&cluster, REQUESTS);
    assert!(rejected > 0);
    let metrics = cluster.get("/metrics");
    let metric = "highwater_inbox_rejected_events_total{inbox=\"mail\"}";
    assert!(
        metrics.contains(&format!("{metric} {rejected}\n")),
        "{rejected}: {metrics}"
    );
    assert!(metrics.contains("pool=\"primes\""), "{metrics}");
}

#[test]
fn guide_shows_the_differences_of_the_steps() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(package.join(path)).unwrap();
    let guide = read("GUIDE.md");
    let diffs: Vec<_> = guide
        .split("\n```diff\n")
        .skip(1)
        .map(|rest| rest.split("```\n").next().unwrap())
        .collect();
    let steps = FILES.map(|file| read(&format!("examples/steps/{file}")));
    assert_eq!(diffs.len(), steps.len() - 1);
    for (step, diff) in diffs.iter().enumerate() {
        let expected: Vec<_> = steps[step + 1].lines().collect();
        assert_eq!(apply(&steps[step], diff), expected, "step {}", step + 1);
    }
    assert!(guide.contains(&steps[0]), "the guide begins with step 0");
    assert!(steps[6].lines().count() <= 150);
}

/// Applies a unified diff without line numbers.
fn apply<'a>(old: &'a str, diff: &'a str) -> Vec<&'a str> {
    let mut old: Vec<_> = old.lines().collect();
    let mut new = Vec::new();
    for hunk in diff.split("@@\n").filter(|hunk| !hunk.is_empty()) {
        let side = |sign: char| -> Vec<_> {
            let lines = hunk.lines().filter(|line| line.starts_with([' ', sign]));
            lines.map(|line| &line[1..]).collect()
        };
        let (before, after) = (side('-'), side('+'));
        let at = old.windows(before.len()).position(|lines| lines == before);
        let at = at.unwrap_or_else(|| panic!("not in the previous step:\n{hunk}"));
        new.extend_from_slice(&old[..at]);
        new.extend(after);
        old.drain(..at + before.len());
    }
    new.extend(old);
    new
}

/// Starts the example of a step, without waiting for it.
fn example_step(number: usize) -> Program {
    Program::example(&format!("step{number}"))
}

/// Starts a step that is one process, and waits until it serves.
fn step(number: usize) -> Program {
    if number > 0 {
        let mut server = example_step(number);
        server.wait_for_log("serving http://");
        return server;
    }
    let addr = free_addr();
    let server = Program::start(Command::new(example("step0")).arg(addr.to_string()), addr);
    let since = Instant::now();
    while TcpStream::connect(addr).is_err() {
        assert!(since.elapsed() < TIMEOUT, "it does not listen on {addr}");
        thread::sleep(Duration::from_millis(10));
    }
    server
}

/// Sends a request that begins with its method and path.
fn send(addr: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let head = format!("{request} HTTP/1.1\r\nhost: test\r\n{CLOSE}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn post(server: &Program, path: &str) -> String {
    let mut response = String::new();
    let mut stream = send(server.addr, &format!("POST {path}"));
    stream.read_to_string(&mut response).unwrap();
    response
}

fn count_sign_ups(server: &Program, requests: usize) -> usize {
    let responses = (0..requests).map(|_| post(server, "/signup?name=Ada"));
    responses
        .filter(|response| response.starts_with("HTTP/1.1 200 "))
        .count()
}

fn is_answered(server: &Program, wait: Duration) -> bool {
    let mut stream = send(server.addr, "GET /");
    stream.set_read_timeout(Some(wait)).unwrap();
    stream.read_exact(&mut [0]).is_ok()
}

/// Sends half a request, and waits until the server closes the connection.
fn send_half_a_request(server: &Program, wait: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect(server.addr)?;
    stream.set_read_timeout(Some(wait))?;
    stream.write_all(b"GET / HTTP/1.1\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
