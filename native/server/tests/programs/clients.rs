//! Clients behind proxies, and what one of them can use.

use crate::program::{CLOSE, Program, free_addr, get_from, run_program};
use axum::{Extension, Router, routing::get};
use highwater_server::{ClientAddr, Limits, Server, TrustedProxies, Worker, logging};
use nix::sys::signal::Signal;
use std::{process::ExitCode, thread};

fn client(address: &str) -> String {
    format!("x-forwarded-for: {address}\r\n{CLOSE}")
}

#[test]
fn open_requests_of_a_named_client_are_limited() {
    let mut program = Program::of_this_file("clients::server", free_addr());
    program.wait_for_log("serving http://");
    let addr = program.addr;
    thread::scope(|scope| {
        let waiting = scope.spawn(move || get_from(addr, "/wait", &client("203.0.113.9")));
        program.wait_for_log("waiting");
        let response = get_from(addr, "/", &client("203.0.113.9"));
        assert!(response.starts_with("HTTP/1.1 429 "), "{response}");
        assert!(response.contains("\r\nretry-after: 1\r\n"), "{response}");
        assert!(response.contains("application/problem+json"), "{response}");
        for address in ["203.0.113.8", ""] {
            let response = get_from(addr, "/", &client(address));
            assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        }
        program.signal(Signal::SIGTERM);
        let response = waiting.join().unwrap();
        assert!(response.ends_with("\r\n\r\n203.0.113.9"), "{response}");
    });
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
}

#[test]
fn server() -> ExitCode {
    run_program(|addr| {
        let networks = ["127.0.0.0/8".parse().unwrap()];
        let server = Server::new(addr).trusted_proxies(TrustedProxies::x_forwarded_for(networks));
        let server = server.limits(Limits::new().connections_per_client(1));
        server.run(async |worker: Worker| {
            let wait = async move |Extension(client): Extension<ClientAddr>| {
                logging::line("waiting");
                worker.shutdown().draining().await;
                client.to_string()
            };
            Router::new()
                .route("/", get(async || "hello"))
                .route("/wait", get(wait))
        })
    })
}
