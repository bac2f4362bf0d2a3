//! CPU jobs: the event loop keeps serving, and threads are released.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use load::cluster::Cluster;
use load::{Client, Load};

use crate::program;
use crate::support::{
    TIMEOUT, all_workers, assert_logged, assert_nothing_failed, connect, request, start,
    start_with, transcript, wait_for_workers, wait_until,
};

/// The maximum number of queued jobs per thread.
const QUEUED_PER_THREAD: usize = 64;

/// Requests a job that would take centuries.
fn request_endless_job(addr: SocketAddr) -> TcpStream {
    let mut connection = connect(addr);
    connection
        .write_all(b"GET /work?job=fib:90 HTTP/1.1\r\nHost: it\r\n\r\n")
        .unwrap();
    connection
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Fails unless a small job completes, which requires a free thread.
#[track_caller]
fn assert_jobs_complete(cluster: &Cluster) {
    wait_until("a small job completes", || {
        let response = request(cluster.addr(), "GET", "/work?job=fib:20");
        assert!([200, 503].contains(&response.status), "{response:?}");
        response.text.ends_with("fib:20 = 6765\n")
    });
}

#[test]
fn busy_threads_do_not_block_requests() {
    let cluster = start(1);
    let workers = cluster.workers();
    let mut jobs: Vec<TcpStream> = (0..threads())
        .map(|_| request_endless_job(cluster.addr()))
        .collect();
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 2)
        .clients(Client::NewConnection, 2)
        .start();
    assert!(
        running.wait_for_responses(500, TIMEOUT),
        "{}",
        transcript(&cluster)
    );
    assert_nothing_failed(&running.stop());
    for job in &mut jobs {
        job.set_nonblocking(true).unwrap();
        let response = job.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(
            response,
            Err(io::ErrorKind::WouldBlock),
            "{}",
            transcript(&cluster)
        );
    }
    drop(jobs);
    assert_jobs_complete(&cluster);
    assert_eq!(cluster.workers(), workers);
}

#[test]
fn full_job_queue_returns_retry_after() {
    const EXCESS_JOBS: usize = 5;
    let capacity = threads() * (1 + QUEUED_PER_THREAD);
    if capacity > 500 {
        println!("not tested: {capacity} concurrent jobs exceed the connection limit");
        return;
    }
    let cluster = start(1);
    let mut jobs: Vec<TcpStream> = (0..capacity + EXCESS_JOBS)
        .map(|_| request_endless_job(cluster.addr()))
        .collect();
    let mut rejected_count = 0;
    wait_until("excess jobs are rejected", || {
        for job in &mut jobs {
            job.set_nonblocking(true).unwrap();
            let mut response = [0; 1024];
            if let Ok(length @ 1..) = job.read(&mut response) {
                let response = String::from_utf8_lossy(&response[..length]).to_lowercase();
                assert!(response.starts_with("http/1.1 503"), "{response}");
                assert!(response.contains("\r\nretry-after: "), "{response}");
                rejected_count += 1;
            }
        }
        rejected_count >= EXCESS_JOBS
    });
    assert_eq!(rejected_count, EXCESS_JOBS);
    // Jobs do not block the event loop, and are cancelled when their clients disconnect.
    assert_eq!(request(cluster.addr(), "GET", "/").status, 200);
    drop(jobs);
    assert_jobs_complete(&cluster);
}

#[test]
fn panicking_job_replaces_its_worker() {
    let cluster = start_with(program::command(), 2, &["--faults"]);
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 2)
        .clients(Client::NewConnection, 2)
        .start();
    assert!(running.wait_for_responses(100, TIMEOUT));
    // Otherwise, the exit would count as part of a crash loop.
    thread::sleep(Duration::from_secs(1));
    let response = request(cluster.addr(), "POST", "/faults/job");
    assert_eq!(response.status, 500, "{response:?}");
    assert!(!response.text.contains("bug in a job"), "{response:?}");
    wait_until("the worker is replaced", || {
        all_workers(&cluster).len() == 3
    });
    wait_for_workers(&cluster, 2);
    assert_jobs_complete(&cluster);
    assert_nothing_failed(&running.stop());
    assert_logged(&cluster, &["bug in a job"]);
}

#[test]
fn invalid_job_returns_400() {
    let cluster = start(1);
    for path in [
        "/work",
        "/work?job=fib",
        "/work?job=sort:3",
        "/work?job=fib:-1",
    ] {
        let response = request(cluster.addr(), "GET", path);
        assert_eq!(response.status, 400, "{path}: {response:?}");
    }
}
