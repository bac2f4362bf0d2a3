//! Runs the examples, and programs that fail to start, as processes of their own.

#![cfg(unix)]

mod clients;
mod logs;
mod metrics;
mod program;
mod steps;
#[cfg(feature = "tls")]
mod tls;
mod unix_sockets;

use axum::{Router, extract::Request, routing::get};
use futures_util::{SinkExt, StreamExt};
use highwater_server::{Cluster, Error, Limits, Server, Worker, logging};
use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, setrlimit},
        signal::{Signal, kill},
    },
};
use program::{CLOSE, Program, TIMEOUT, free_addr, get_from, pid, run_program, wait_until_gone};
use std::{
    future::pending,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{self, ExitCode},
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[test]
fn hello_serves_until_it_is_terminated() {
    let mut server = Program::example("hello");
    server.wait_for_log("serving http://127.0.0.1:");
    assert!(server.get("/").ends_with("\r\n\r\nhello"));
    server.signal(Signal::SIGTERM);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[test]
fn graceful_ends_its_streams_at_a_shutdown() {
    let mut server = Program::example("graceful");
    server.wait_for_log("serving http://127.0.0.1:");
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
        .write_all(b"GET /ticks HTTP/1.1\r\nhost: test\r\n\r\n")
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "tick"));
    server.signal(Signal::SIGTERM);
    assert!(lines.any(|line| line == "bye"));
    // The last chunk is empty.
    assert!(lines.any(|line| line == "0"));
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[tokio::test]
async fn websocket_is_closed_at_a_shutdown() {
    let mut server = Program::example("websocket");
    server.wait_for_log("serving http://127.0.0.1:");
    let url = format!("ws://{}/echo", server.addr);
    let (mut socket, _) = connect_async(url).await.unwrap();
    socket.send("ping".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), "ping".into());
    server.signal(Signal::SIGTERM);
    let Some(Ok(Message::Close(Some(goodbye)))) = socket.next().await else {
        panic!("the server does not say goodbye");
    };
    assert_eq!(goodbye.code, CloseCode::Away);
    drop(socket);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[test]
fn websocket_is_aborted_at_the_deadline() {
    let mut program = Program::of_this_file("server_with_an_upgraded_connection", free_addr());
    program.wait_for_log("serving http://");
    let mut stream = TcpStream::connect(program.addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
        .unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 101 "), "{line}");
    program.signal(Signal::SIGTERM);
    // The server resets the connection.
    let _ = io::copy(&mut stream, &mut io::sink());
    let (status, log) = program.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[test]
fn server_with_an_upgraded_connection() -> ExitCode {
    run_program(|addr| {
        let switching = http::StatusCode::SWITCHING_PROTOCOLS;
        let upgrade = async move |request: Request| {
            tokio::spawn(async {
                let _upgraded = hyper::upgrade::on(request).await;
                pending::<()>().await;
            });
            (switching, [("connection", "upgrade"), ("upgrade", "x")])
        };
        Server::new(addr)
            .limits(
                Limits::new()
                    .linger(Duration::ZERO)
                    .grace(Duration::from_millis(100)),
            )
            .shutdown_timeout(Duration::from_millis(500))
            .run(async move |_| Router::new().route("/", get(upgrade)))
    })
}

#[test]
fn pipeline_returns_lines_before_the_upload_ends() {
    let mut server = Program::example("pipeline");
    server.wait_for_log("serving http://127.0.0.1:");
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let head = "PUT /errors HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let line = b"15\r\nINFO\nERROR no space\nE\r\n";
    stream.write_all(line).unwrap();
    let reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = reader.lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "ERROR no space"));
    stream.write_all(b"4\r\nRROR\r\n0\r\n\r\n").unwrap();
    assert!(lines.any(|line| line == "ERROR"));
}

#[test]
fn cluster_replaces_and_reloads_workers() {
    let mut cluster = Program::example("cluster");
    let workers = [cluster.wait_for_worker(), cluster.wait_for_worker()];
    assert!(cluster.get("/").ends_with("\r\n\r\nhello"));
    assert!(cluster.get("/nothing").contains("application/problem+json"));
    kill(pid(workers[0]), Signal::SIGKILL).unwrap();
    cluster.wait_for_log("it will be replaced");
    let replacement = cluster.wait_for_worker();
    assert!(cluster.get("/").ends_with("\r\n\r\nhello"));
    cluster.signal(Signal::SIGHUP);
    cluster.wait_for_log("reload complete");
    for process in [workers[1], replacement] {
        wait_until_gone(process);
    }
    assert!(cluster.get("/").ends_with("\r\n\r\nhello"));
    cluster.signal(Signal::SIGTERM);
    let (status, log) = cluster.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
}

#[test]
fn workers_exit_with_their_supervisor() {
    let mut cluster = Program::example("cluster");
    let workers = [cluster.wait_for_worker(), cluster.wait_for_worker()];
    cluster.signal(Signal::SIGKILL);
    for worker in workers {
        wait_until_gone(worker);
    }
}

#[test]
fn address_in_use_is_one_line() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    for program in ["plain_server", "plain_cluster"] {
        let mut program = Program::of_this_file(program, addr);
        let (status, log) = program.wait();
        assert!(!status.success());
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(
            log[0].contains(&format!("{addr} is already in use")),
            "{log:?}"
        );
    }
}

#[test]
fn plain_server() -> ExitCode {
    run_program(|addr| Server::new(addr).run(async |_| router()))
}

#[test]
fn plain_cluster() -> ExitCode {
    run_program(|addr| Cluster::new(addr).workers(2).run(async |_| router()))
}

#[test]
fn failed_start_is_one_line() {
    for (program, cause) in [
        (
            "cluster_without_a_table",
            "error: cannot create the service: no such table",
        ),
        (
            "cluster_that_panics",
            "error: cannot create the service: panicked at native/server/tests",
        ),
        (
            "server_that_panics",
            "error: cannot create the service: panicked at native/server/tests",
        ),
        ("cluster_that_exits", "exit code 3"),
        ("cluster_with_few_files", "raise the limit on open files"),
    ] {
        let mut program = Program::of_this_file(program, free_addr());
        // It ends once all workers, which have the log open, have exited.
        let (status, log) = program.wait();
        assert!(!status.success(), "{log:?}");
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(log[0].contains(cause), "{log:?}");
    }
}

#[test]
fn cluster_without_a_table() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr).workers(2);
        print_error(cluster.serve(async |_| Err::<Router, _>(io::Error::other("no such table"))))
    })
}

#[test]
fn cluster_that_panics() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr).workers(2);
        cluster.run(async |_| -> Router { panic!("no settings") })
    })
}

#[test]
fn server_that_panics() -> ExitCode {
    run_program(|addr| Server::new(addr).run(async |_| -> Router { panic!("no settings") }))
}

#[test]
fn cluster_that_exits() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr).workers(2);
        cluster.run(async |_| -> Router { process::exit(3) })
    })
}

#[test]
fn cluster_with_few_files() -> ExitCode {
    run_program(|addr| {
        setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
        Cluster::new(addr).workers(100).run(async |_| router())
    })
}

fn print_error(served: Result<ExitCode, Error>) -> ExitCode {
    served.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

#[test]
fn unavailable_dependency_is_retried() {
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = database.local_addr().unwrap();
    drop(database);
    let mut cluster = Program::of_this_file("cluster_with_a_database", addr);
    cluster.wait_for_log("cannot create the service: Connection refused");
    cluster.wait_for_log("cannot create the service: Connection refused");
    let _database = TcpListener::bind(addr).unwrap();
    cluster.wait_for_worker();
    cluster.signal(Signal::SIGTERM);
    let (status, log) = cluster.wait();
    assert!(status.success(), "{log:?}");
}

/// The address is that of the database.
#[test]
fn cluster_with_a_database() -> ExitCode {
    run_program(|database| {
        let cluster = Cluster::new("127.0.0.1:0").workers(1);
        print_error(cluster.serve(async |_| {
            TcpStream::connect(&database)?;
            Ok::<_, io::Error>(router())
        }))
    })
}

#[test]
fn missing_dependency_ends_the_cluster() {
    let mut cluster = Program::of_this_file("cluster_without_a_database", free_addr());
    let (status, log) = cluster.wait();
    assert!(!status.success(), "{log:?}");
    let last = log.last().unwrap();
    assert!(last.contains("Connection refused"), "{log:?}");
}

#[test]
fn cluster_without_a_database() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr)
            .workers(1)
            .give_up_after(Duration::from_secs(1));
        let refused = || io::Error::from_raw_os_error(Errno::ECONNREFUSED as i32);
        print_error(cluster.serve(async |_| Err::<Router, _>(refused())))
    })
}

#[test]
fn failing_preparation_starts_no_worker() {
    let mut program = Program::of_this_file("cluster_that_fails_to_prepare", free_addr());
    let (status, log) = program.wait();
    assert!(!status.success());
    assert_eq!(log, ["error: cannot start: no schema"]);
}

#[test]
fn cluster_that_fails_to_prepare() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr).workers(1);
        let cluster = cluster.prepare(async |_| Err(io::Error::other("no schema")));
        cluster.run(async |_| router())
    })
}

#[test]
fn reload_does_not_interrupt_the_preparation() {
    let mut program = Program::of_this_file("cluster_that_prepares_for_a_while", free_addr());
    program.wait_for_log("preparing");
    program.signal(Signal::SIGHUP);
    program.wait_for_worker();
    program.signal(Signal::SIGTERM);
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn cluster_that_prepares_for_a_while() -> ExitCode {
    run_program(|addr| {
        let cluster = Cluster::new(addr).workers(1).prepare(async |_| {
            let mut reloads = signal(SignalKind::hangup())?;
            logging::line("preparing");
            reloads.recv().await;
            Ok::<_, io::Error>(())
        });
        cluster.run(async |_| router())
    })
}

#[test]
fn replaced_worker_has_its_index_and_a_higher_generation() {
    let mut program = Program::of_this_file("cluster_of_retiring_workers", free_addr());
    program.wait_for_worker();
    let id = |program: &Program| {
        let response = program.get("/id");
        let (_, id) = response.split_once("\r\n\r\n").unwrap();
        let (index, generation) = id.split_once('/').unwrap();
        (
            index.parse::<usize>().unwrap(),
            generation.parse::<u64>().unwrap(),
        )
    };
    let (_, first) = id(&program);
    assert!(program.get("/retire").ends_with("\r\n\r\nok"));
    program.wait_for_log("requested a replacement: the cache is corrupt");
    program.wait_for_worker();
    let since = Instant::now();
    let (index, second) = loop {
        let (index, generation) = id(&program);
        if generation != first {
            break (index, generation);
        }
        assert!(
            since.elapsed() < TIMEOUT,
            "the old worker accepts connections"
        );
    };
    assert!(index == 0 && second > first, "{index}, {first}, {second}");
    program.signal(Signal::SIGTERM);
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn cluster_of_retiring_workers() -> ExitCode {
    run_program(|addr| {
        Cluster::new(addr).workers(1).run(async |worker| {
            let id = format!("{}/{}", worker.index(), worker.generation());
            Router::new().route("/id", get(async || id)).route(
                "/retire",
                get(async move || {
                    worker.request_replacement("the cache is corrupt");
                    "ok"
                }),
            )
        })
    })
}

#[test]
fn requests_in_flight_finish_during_a_shutdown() {
    let mut program = Program::of_this_file("server_that_responds_when_it_drains", free_addr());
    program.wait_for_log("serving http://");
    let addr = program.addr;
    thread::scope(|scope| {
        let response = scope.spawn(move || get_from(addr, "/wait", ""));
        let mut log = Vec::new();
        while !log.contains(&"waiting".to_owned()) {
            log.push(program.log.recv_timeout(TIMEOUT).unwrap());
        }
        program.signal(Signal::SIGTERM);
        let response = response.join().unwrap();
        assert!(response.ends_with("\r\n\r\ndraining"), "{response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    });
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn requests_in_flight_are_aborted_at_the_deadline() {
    let mut program = Program::of_this_file("server_with_an_endless_request", free_addr());
    program.wait_for_log("serving http://");
    let addr = program.addr;
    thread::scope(|scope| {
        scope.spawn(move || get_from(addr, "/wait", ""));
        while program.log.recv_timeout(TIMEOUT).unwrap() != "waiting" {}
        program.signal(Signal::SIGTERM);
    });
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn blocking_work_does_not_delay_the_exit() {
    let mut program = Program::of_this_file("server_with_endless_blocking_work", free_addr());
    program.wait_for_log("serving http://");
    let addr = program.addr;
    thread::scope(|scope| {
        scope.spawn(move || get_from(addr, "/", ""));
        program.wait_for_log("blocking");
        program.signal(Signal::SIGTERM);
    });
    let since = Instant::now();
    while program.child.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < TIMEOUT, "the server waits for the work");
        thread::sleep(Duration::from_millis(10));
    }
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn server_with_endless_blocking_work() -> ExitCode {
    run_program(|addr| {
        let work = || {
            logging::line("blocking");
            loop {
                thread::park();
            }
        };
        let handler = async move || -> String { tokio::task::spawn_blocking(work).await.unwrap() };
        let limits = Limits::new().grace(Duration::from_millis(10));
        let server = Server::new(addr).limits(limits);
        let server = server.shutdown_timeout(Duration::from_millis(10));
        server.run(async move |_| Router::new().route("/", get(handler)))
    })
}

#[test]
fn server_drains_at_the_first_request_for_a_replacement() {
    let mut program = Program::of_this_file("server_of_a_retiring_worker", free_addr());
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
    let reasons = log.iter().filter(|line| line.contains("shutting down"));
    assert_eq!(reasons.collect::<Vec<_>>(), ["shutting down: first"]);
}

#[test]
fn server_of_a_retiring_worker() -> ExitCode {
    run_program(|addr| {
        Server::new(addr).run(async |worker| {
            worker.request_replacement("first");
            worker.request_replacement("second");
            router()
        })
    })
}

#[test]
fn second_signal_exits_at_once() {
    let mut program = Program::of_this_file("server_that_never_stops", free_addr());
    program.wait_for_log("serving http://");
    let addr = program.addr;
    thread::scope(|scope| {
        scope.spawn(move || get_from(addr, "/wait", ""));
        while program.log.recv_timeout(TIMEOUT).unwrap() != "waiting" {}
        program.signal(Signal::SIGTERM);
        while !program
            .log
            .recv_timeout(TIMEOUT)
            .unwrap()
            .contains("shutting down")
        {}
        program.signal(Signal::SIGTERM);
    });
    let (status, log) = program.wait();
    assert!(!status.success(), "{log:?}");
}

#[test]
fn server_exits_after_a_bug() {
    let mut program = Program::of_this_file("server_that_never_stops", free_addr());
    program.wait_for_log("serving http://");
    let response = program.get("/bug");
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(!response.contains("no cart"), "{response}");
    let (status, log) = program.wait();
    assert!(!status.success(), "{log:?}");
    let bugs = log
        .iter()
        .filter(|line| line.contains("panicked_at=native/server/tests"));
    assert_eq!(bugs.count(), 1, "{log:?}");
}

/// Responds to `/wait` when the worker drains, or never.
fn waiting_router(worker: Worker, responds: bool) -> Router {
    let wait = async move || {
        logging::line("waiting");
        if !responds {
            pending::<()>().await;
        }
        worker.shutdown().draining().await;
        "draining"
    };
    let bug = async || -> &str { panic!("no cart") };
    Router::new()
        .route("/wait", get(wait))
        .route("/bug", get(bug))
}

#[test]
fn server_that_responds_when_it_drains() -> ExitCode {
    run_program(|addr| Server::new(addr).run(async |worker| waiting_router(worker, true)))
}

#[test]
fn server_with_an_endless_request() -> ExitCode {
    run_program(|addr| {
        let limits = Limits::new().grace(Duration::from_millis(10));
        let server = Server::new(addr).limits(limits);
        let server = server.shutdown_timeout(Duration::from_millis(10));
        server.run(async |worker| waiting_router(worker, false))
    })
}

#[test]
fn server_that_never_stops() -> ExitCode {
    run_program(|addr| {
        let server = Server::new(addr).shutdown_timeout(TIMEOUT);
        server.run(async |worker| waiting_router(worker, false))
    })
}

#[test]
fn workers_print_to_the_output_of_the_cluster() {
    let mut program = Program::with_output("cluster_that_prints", free_addr());
    program.wait_for_log("printed before run");
    program.wait_for_log("printed by worker 0");
    program.wait_for_worker();
    program.signal(Signal::SIGTERM);
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn cluster_that_prints() -> ExitCode {
    run_program(|addr| {
        println!("printed before run");
        Cluster::new(addr).workers(1).run(async |worker| {
            println!("printed by worker {}", worker.index());
            router()
        })
    })
}

#[test]
fn requests_run_on_several_threads() {
    let mut program = Program::of_this_file("server_with_two_threads", free_addr());
    program.wait_for_log("serving http://");
    let addr = program.addr;
    thread::scope(|scope| {
        let responses = [(); 2].map(|()| scope.spawn(move || get_from(addr, "/meet", CLOSE)));
        for response in responses {
            let response = response.join().unwrap();
            assert!(response.ends_with("\r\n\r\nmet"), "{response}");
        }
    });
}

#[test]
fn server_with_two_threads() -> ExitCode {
    run_program(|addr| {
        Server::new(addr).threads(2).run(async |_| {
            let barrier = Arc::new(Barrier::new(2));
            // Blocks its thread until another thread has arrived.
            let meet = async move || {
                barrier.wait();
                "met"
            };
            Router::new().route("/meet", get(meet))
        })
    })
}
