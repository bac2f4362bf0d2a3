//! Metrics of programs, and their endpoints.

use crate::{
    program::{CLOSE, Program, TIMEOUT, command, free_addr, get_from, run_program},
    router,
};
use axum::{Router, routing::get};
use highwater::BoxError;
use highwater_server::{Cluster, Endpoints, Server, Worker, prometheus::IntCounter};
use nix::sys::signal::Signal;
use std::{
    env,
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    process::{ExitCode, Stdio},
};

/// The address of the endpoints of a program of this file.
const ENDPOINTS_VARIABLE: &str = "HIGHWATER_TEST_ENDPOINTS";

/// Starts a program of this file. Returns the address of its endpoints.
fn start(name: &str) -> (Program, SocketAddr) {
    let (addr, endpoints) = (free_addr(), free_addr());
    let mut command = command(&format!("metrics::{name}"), &addr.into());
    command.env(ENDPOINTS_VARIABLE, endpoints.to_string());
    command.stdout(Stdio::null());
    (Program::start(&mut command, addr), endpoints)
}

fn endpoints() -> Endpoints {
    Endpoints::on(env::var(ENDPOINTS_VARIABLE).unwrap())
}

#[track_caller]
fn assert_metric(metrics: &str, line: &str) {
    assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
}

#[test]
fn pool_counts_its_jobs() {
    let server = Program::example("pool");
    assert!(server.get("/primes").ends_with("\r\n\r\n2262 primes\n"));
    let metrics = server.get("/metrics");
    assert_metric(
        &metrics,
        r#"highwater_jobs_total{outcome="done",pool="primes"} 1"#,
    );
    assert_metric(
        &metrics,
        r#"highwater_job_run_seconds_count{pool="primes"} 1"#,
    );
}

#[test]
fn bus_delivers_to_the_inbox() {
    let mut server = Program::example("bus");
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let request = format!("POST /signups/ada@example.com HTTP/1.1\r\nhost: test\r\n{CLOSE}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let response = io::read_to_string(stream).unwrap();
    assert!(
        response.ends_with("\r\n\r\nwelcome, ada@example.com\n"),
        "{response}"
    );
    server.wait_for_log("mail to ada@example.com");
    let metrics = server.get("/metrics");
    let event = r#"{bus="shop",event="bus::SignedUp"}"#;
    assert_metric(&metrics, &format!("highwater_bus_emits_total{event} 1"));
    assert_metric(
        &metrics,
        r#"highwater_inbox_received_events_total{inbox="mail"} 1"#,
    );
}

#[test]
fn cluster_adds_up_its_workers_and_keeps_the_sums() {
    let (mut cluster, endpoints) = start("cluster");
    for _ in 0..2 {
        cluster.wait_for_worker();
    }
    for _ in 0..6 {
        assert!(cluster.get("/").ends_with("hello"));
    }
    let metrics = get_from(endpoints, "/metrics", CLOSE);
    assert_metric(&metrics, "shop_visits_total 6");
    assert_metric(&metrics, "highwater_workers 2");
    assert!(get_from(endpoints, "/readyz", CLOSE).starts_with("HTTP/1.1 200"));
    assert!(get_from(endpoints, "/", CLOSE).starts_with("HTTP/1.1 404"));
    assert!(cluster.get("/metrics").starts_with("HTTP/1.1 404"));
    cluster.signal(Signal::SIGHUP);
    cluster.wait_for_log("reload complete");
    let metrics = get_from(endpoints, "/metrics", CLOSE);
    assert_metric(&metrics, "shop_visits_total 6");
    cluster.signal(Signal::SIGTERM);
    let (status, log) = cluster.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn cluster() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr).workers(2).endpoints(endpoints());
        cluster.serve(counted).unwrap()
    })
}

async fn counted(worker: Worker) -> Result<Router, BoxError> {
    let visits = IntCounter::new("shop_visits_total", "Visits.")?;
    worker.register_collector(visits.clone())?;
    let visit = async move || {
        visits.inc();
        "hello"
    };
    Ok(Router::new().route("/", get(visit)))
}

#[test]
fn draining_server_is_alive_and_not_ready() {
    let (mut server, endpoints) = start("server");
    server.wait_for_log("serving http://");
    assert!(get_from(endpoints, "/readyz", CLOSE).starts_with("HTTP/1.1 200"));
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let request = b"GET /wait HTTP/1.1\r\nhost: test\r\n\r\n";
    stream.write_all(request).unwrap();
    server.wait_for_log("waiting");
    server.signal(Signal::SIGTERM);
    server.wait_for_log("shutting down");
    assert!(get_from(endpoints, "/readyz", CLOSE).starts_with("HTTP/1.1 503"));
    assert!(get_from(endpoints, "/livez", CLOSE).starts_with("HTTP/1.1 200"));
}

#[test]
fn server() -> ExitCode {
    run_program(|addr| {
        Server::new(addr)
            .endpoints(endpoints())
            .run(async |worker: Worker| {
                let shutdown = worker.shutdown();
                let wait = async move || {
                    highwater_server::logging::line("waiting");
                    shutdown.stopping().await;
                };
                router().route("/wait", get(wait))
            })
    })
}

#[test]
fn invalid_endpoint_is_one_line() {
    let mut program = Program::of_this_file("metrics::invalid", free_addr());
    let (status, log) = program.wait();
    assert!(!status.success());
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].contains("invalid endpoint path \"livez\""),
        "{log:?}"
    );
}

#[test]
fn invalid() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr).endpoints(Endpoints::new().live("livez"));
        cluster.run(async |_| router())
    })
}
