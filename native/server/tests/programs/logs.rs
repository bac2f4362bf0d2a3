//! The log, the access log, and the program's own subscriber.

use crate::program::{CLOSE, Program, TIMEOUT, command, free_addr, get_from, run_program};
use axum::{Extension, Router, http::HeaderMap, routing::get};
use highwater::error::AppError;
use highwater_server::{AccessLog, Cluster, Server, TraceContext, logging};
use nix::sys::signal::Signal;
use std::{
    env,
    future::pending,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{ExitCode, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The variable with the format of the access log.
const FORMAT_VARIABLE: &str = "HIGHWATER_TEST_FORMAT";

/// Starts a program of this file whose standard output is a pipe, and waits until it
/// serves.
fn start(name: &str, variables: &[(&str, &str)]) -> Program {
    let addr = free_addr();
    let mut command = command(&format!("logs::{name}"), &addr.into());
    command
        .envs(variables.iter().copied())
        .stdout(Stdio::piped());
    Program::start(&mut command, addr)
}

fn get_with(program: &Program, path: &str, headers: &str) -> String {
    get_from(program.addr, path, &format!("{CLOSE}{headers}"))
}

/// Terminates the program, and returns the lines of its log.
fn terminate(mut program: Program) -> Vec<String> {
    program.signal(Signal::SIGTERM);
    let (status, log) = program.wait();
    assert!(status.success(), "{log:?}");
    log
}

fn stdout_lines(program: &mut Program) -> Receiver<String> {
    lines_of(program.child.stdout.take().unwrap())
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

#[track_caller]
fn wait_for_line(lines: &Receiver<String>, text: &str) -> String {
    let mut other = Vec::new();
    loop {
        let line = lines.recv_timeout(TIMEOUT);
        let line = line.unwrap_or_else(|_| panic!("{text:?} is not in {other:?}"));
        if line.contains(text) {
            return line;
        }
        other.push(line);
    }
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

fn router() -> Router {
    let log = async || {
        log::info!(target: "shop::mail", "sent by log");
        tracing::info!(target: "shop::mail", order = 42, to = "Ada L.", "sent by tracing");
        tracing::debug!(target: "shop::mail", "details");
        "logged"
    };
    let call = async |trace: Option<Extension<TraceContext>>| {
        let mut headers = HeaderMap::new();
        if let Some(Extension(trace)) = trace {
            trace.inject(&mut headers);
        }
        let value = |name| {
            headers
                .get(name)
                .map_or("none", |value| value.to_str().unwrap())
        };
        format!("{} {}", value("traceparent"), value("tracestate"))
    };
    let fail = async || -> Result<&str, AppError> {
        Err(AppError::unavailable("stripe").with_context("card", "42\nid=fake"))
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/log", get(log))
        .route("/call", get(call))
        .route("/fail", get(fail))
}

#[test]
fn records_and_events_of_a_service_are_written() {
    let mut program = start("plain_server", &[]);
    program.wait_for_log("serving http://");
    assert!(get_with(&program, "/log", "").ends_with("logged"));
    let line = program.wait_for_log("sent by log");
    assert_eq!(line, "INFO shop::mail: sent by log");
    let line = program.wait_for_log("sent by tracing");
    assert_eq!(
        line,
        "INFO shop::mail: sent by tracing order=42 to=\"Ada L.\""
    );
    let rest = terminate(program);
    assert!(
        !rest.iter().any(|line| line.contains("details")),
        "{rest:?}"
    );
}

#[test]
fn variable_sets_the_level_of_a_target() {
    let levels = "info,shop=debug,highwater_server::request=info";
    let mut program = start("plain_server", &[("RUST_LOG", levels)]);
    program.wait_for_log("serving http://");
    let traceparent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    let response = get_with(
        &program,
        "/log",
        &format!("x-request-id: order-42\r\n{traceparent}"),
    );
    assert!(
        response.contains("x-request-id: order-42\r\n"),
        "{response}"
    );
    let line = program.wait_for_log("details");
    // The fields of the request's span follow.
    assert_eq!(
        line,
        format!(
            "DEBUG shop::mail: details id=order-42 method=GET path=/log trace_id={TRACE} \
             parent_span_id=00f067aa0ba902b7 worker=1 generation=0"
        )
    );
    // With a span, each request has an id.
    assert!(get_with(&program, "/", "").contains("x-request-id: "));
}

#[test]
fn invalid_variable_is_reported() {
    let mut program = start("plain_server", &[("RUST_LOG", "shop=loud")]);
    let line = program.wait_for_log("RUST_LOG is ignored");
    assert!(
        line.ends_with("valid is, for example, info,shop::mail=debug"),
        "{line}"
    );
    program.wait_for_log("serving http://");
}

#[test]
fn plain_server() -> ExitCode {
    run_program(|addr| Server::new(addr).run(async |_| router()))
}

#[test]
fn trace_is_passed_on_unless_its_header_is_invalid() {
    let mut program = start("plain_server", &[]);
    program.wait_for_log("serving http://");
    let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
    for headers in [
        format!("traceparent: {valid}\r\n"),
        format!("traceparent: {valid}\r\ntracestate: a=1\r\n"),
    ] {
        let response = get_with(&program, "/call", &headers);
        let (traceparent, state) = body(&response).split_once(' ').unwrap();
        assert_eq!(traceparent[..36], valid[..36]);
        assert_eq!(traceparent[52..], valid[52..]);
        assert_ne!(traceparent, valid, "the span id is new");
        let expected = if headers.contains("a=1") {
            "a=1"
        } else {
            "none"
        };
        assert_eq!(state, expected);
    }
    for headers in [
        String::new(),
        "traceparent: \r\n".to_owned(),
        format!("traceparent: {}\r\n", valid.to_uppercase()),
        format!("traceparent: ff{}\r\n", &valid[2..]),
        format!("traceparent: {valid}-more\r\ntracestate: a=1\r\n"),
        format!("traceparent: {valid}\r\ntraceparent: {valid}\r\n"),
        "tracestate: a=1\r\n".to_owned(),
    ] {
        assert_eq!(
            body(&get_with(&program, "/call", &headers)),
            "none none",
            "{headers}"
        );
    }
    // Errors name the trace.
    let response = get_with(&program, "/fail", &format!("traceparent: {valid}\r\n"));
    let id = format!("\"trace_id\":\"{TRACE}\"");
    assert!(response.contains(&id), "{response}");
    let line = program.wait_for_log("code=unavailable");
    assert!(
        line.contains(&format!(" trace_id={TRACE} class=")),
        "{line}"
    );
    assert!(!get_with(&program, "/fail", "").contains("trace_id"));
}

#[test]
fn own_subscriber_receives_spans_and_events() {
    let mut program = start("cluster_with_a_subscriber", &[]);
    let ready = program.wait_for_log("is ready");
    for field in [
        " INFO highwater_server::server: worker 1 (pid ",
        " worker=1 ",
        " generation=",
    ] {
        assert!(ready.contains(field), "{ready}");
    }
    let traceparent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    let headers = format!("x-request-id: order-42\r\n{traceparent}");
    get_with(&program, "/log", &headers);
    for text in ["sent by log", "sent by tracing"] {
        let line = program.wait_for_log(text);
        let span = "INFO request{id=order-42 method=\"GET\" path=\"/log\" trace_id=4bf92f";
        assert!(line.contains(span), "{line}");
        assert!(line.contains("}: shop::mail: "), "{line}");
    }
    get_with(&program, "/fail", &headers);
    let line = program.wait_for_log("stripe is unavailable");
    for field in [
        " WARN request{id=order-42 ",
        "}: highwater_server::error: stripe is unavailable id=\"order-42\" ",
        &format!(" trace_id={TRACE} "),
        " code=\"unavailable\" status=503 ",
        r#" operation="GET /fail" "#,
        r#" context=card="42\nid=fake" "#,
        " worker=1 ",
    ] {
        assert!(line.contains(field), "{line}");
    }
    get_with(&program, "/fail", "");
    // The span of a finished request has its status.
    get_with(&program, "/", "");
    let line = program.wait_for_log("close");
    assert!(line.contains(" status="), "{line}");
    let rest = terminate(program);
    assert!(
        rest.iter()
            .any(|line| line.contains("all workers have exited")),
        "{rest:?}"
    );
}

#[test]
fn cluster_with_a_subscriber() -> ExitCode {
    run_program(|addr| {
        tracing_subscriber::fmt()
            .with_writer(logging::writer)
            .with_ansi(false)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
            .init();
        Cluster::new(addr).workers(1).run(async |_| router())
    })
}

/// Parses a line of the access log, which can follow the name of the test.
fn parse_entry(line: &str) -> serde_json::Value {
    let start = line.find('{').unwrap();
    serde_json::from_str(&line[start..]).unwrap()
}

#[test]
fn access_log_has_a_line_per_request() {
    let mut program = start("server_with_access_log", &[(FORMAT_VARIABLE, "json")]);
    let lines = stdout_lines(&mut program);
    program.wait_for_log("serving http://");
    let traceparent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    let headers = format!("x-request-id: order-42\r\nuser-agent: a\"b\r\n{traceparent}");
    let response = get_with(&program, "/?page=2", &headers);
    assert!(response.ends_with("hello"), "{response}");
    let line = wait_for_line(&lines, "\"event\":\"request\"");
    let entry = parse_entry(&line);
    for (key, value) in [
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("path", "/?page=2"),
        ("protocol", "HTTP/1.1"),
        ("id", "order-42"),
        ("trace_id", TRACE),
        ("agent", "a\"b"),
    ] {
        assert_eq!(entry[key], value, "{line}");
    }
    assert_eq!(
        (&entry["status"], &entry["bytes"]),
        (&200.into(), &5.into()),
        "{line}"
    );
    assert_eq!(entry["complete"], true, "{line}");
    // An error has the id of its log entry.
    get_with(&program, "/fail", "");
    let line = wait_for_line(&lines, "\"status\":503");
    let entry = parse_entry(&line);
    program.wait_for_log(&format!("id={} ", entry["id"].as_str().unwrap()));
    // A client that disconnects is reported as well.
    let mut stream = TcpStream::connect(program.addr).unwrap();
    stream
        .write_all(b"GET /never HTTP/1.1\r\nhost: test\r\n\r\n")
        .unwrap();
    program.wait_for_log("waiting");
    drop(stream);
    let line = wait_for_line(&lines, "\"status\":499");
    assert!(line.contains("\"complete\":false"), "{line}");
    terminate(program);
}

#[test]
fn combined_access_log_escapes_values() {
    let mut program = start("server_with_access_log", &[(FORMAT_VARIABLE, "combined")]);
    let lines = stdout_lines(&mut program);
    program.wait_for_log("serving http://");
    get_with(
        &program,
        "/?q=%22",
        "user-agent: \" 200 1\t\\\r\nx-request-id: order-42\r\n",
    );
    let line = wait_for_line(&lines, "order-42");
    assert!(
        line.contains(r#" "GET /?q=%22 HTTP/1.1" 200 5 "-" "\" 200 1\x09\\" 0."#),
        "{line}"
    );
    terminate(program);
}

#[test]
fn stalled_access_log_blocks_nothing() {
    const REQUESTS: usize = 4500;
    let mut program = start("server_with_access_log", &[(FORMAT_VARIABLE, "json")]);
    program.wait_for_log("serving http://");
    // Lines of more than 1 KiB fill the pipe and then the queue.
    let request = format!("GET /?{} HTTP/1.1\r\nhost: test\r\n\r\n", "x".repeat(2000));
    let mut stream = TcpStream::connect(program.addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut responses = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..REQUESTS / 10 {
        stream.write_all(request.repeat(10).as_bytes()).unwrap();
        for _ in 0..10 {
            // The body ends the response.
            let mut response = Vec::new();
            while !response.ends_with(b"\r\n\r\nhello") {
                responses.read_until(b'o', &mut response).unwrap();
            }
            assert!(response.starts_with(b"HTTP/1.1 200 "));
        }
    }
    // The reader resumes.
    let lines = stdout_lines(&mut program);
    let report = program.wait_for_log("dropped while the access log reader was stalled");
    let dropped = report
        .split(": ")
        .nth(1)
        .and_then(|text| text.split(' ').next());
    let dropped: usize = dropped.unwrap().parse().unwrap();
    drop(stream);
    terminate(program);
    let written = lines.iter().filter(|line| line.contains("\"status\":200"));
    assert_eq!(written.count() + dropped, REQUESTS, "{report}");
}

#[test]
fn stalled_access_log_does_not_delay_the_shutdown() {
    let mut program = start("server_with_access_log", &[(FORMAT_VARIABLE, "json")]);
    program.wait_for_log("serving http://");
    for _ in 0..100 {
        get_with(&program, &format!("/?{}", "x".repeat(2000)), "");
    }
    terminate(program);
}

#[test]
fn server_with_access_log() -> ExitCode {
    run_program(|addr| {
        let format = match env::var(FORMAT_VARIABLE).as_deref() {
            Ok("combined") => AccessLog::Combined,
            _ => AccessLog::Json,
        };
        let never = async || {
            log::info!("waiting");
            pending::<()>().await;
        };
        let router = router().route("/never", get(never));
        Server::new(addr).access_log(format).run(async |_| router)
    })
}
