//! Server logs: a stalled reader does not block the server, repeated lines are sampled,
//! and client disconnects are not errors.
#![cfg(unix)]

use crate::{
    server::{JSON, Server},
    support::{TEST_TIMEOUT, command, signal, wait_until},
};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write, pipe},
    net::{Shutdown, TcpStream},
    process::{Child, Stdio},
    thread,
};

/// A server whose standard error is a pipe that is not read.
struct StalledServer {
    process: Child,
    addr: String,
    log: File,
    _www: tempfile::TempDir,
}

impl StalledServer {
    fn start(options: &[&str]) -> Self {
        let www = tempfile::tempdir().unwrap();
        fs::create_dir_all(www.path().join("pkg/events")).unwrap();
        fs::write(www.path().join("pkg/events/highwater_web.js"), "").unwrap();
        let (log, stderr) = pipe().unwrap();
        let mut process = command(&["serve", "--no-build", "--addr", "127.0.0.1:0", "--www"])
            .arg(www.path())
            .args(options)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let addr = line.split("http://").nth(1).unwrap();
        let (addr, _) = addr.split_once('/').unwrap();
        StalledServer {
            addr: addr.to_owned(),
            process,
            log: File::from(std::os::fd::OwnedFd::from(log)),
            _www: www,
        }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.addr).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn metric(&self, name: &str) -> u64 {
        metric(&self.get("/metrics"), name)
    }
}

impl Drop for StalledServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
fn metric(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        value.parse().ok()
    });
    value.unwrap_or_else(|| panic!("{name}: {text}"))
}

/// Returns the number that follows a text in a line, or 0.
fn number(line: &str, before: &str) -> u64 {
    let after = line.split(before).nth(1);
    let digits = after.map_or("", |after| {
        let end = after.find(|it: char| !it.is_ascii_digit());
        &after[..end.unwrap_or(after.len())]
    });
    digits.parse().unwrap_or(0)
}

#[test]
fn stalled_log_reader_does_not_block_requests() {
    // At the debug level, every request is logged.
    let mut server = StalledServer::start(&["--log-level", "debug"]);
    let long = "x".repeat(4_000);
    let mut requests = 0;
    while requests < 20 || server.metric("highwater_log_lines_dropped_total") == 0 {
        for _ in 0..100 {
            assert!(server.get(&format!("/api/{long}")).contains(" 404 "));
            requests += 1;
        }
        assert!(requests < 20_000, "no line was dropped");
    }
    assert!(server.get("/readyz").contains(" 200 "));

    // The reader resumes.
    let reader = BufReader::new(server.log.try_clone().unwrap());
    let (send, lines) = std::sync::mpsc::channel();
    let reading = thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let mut lines_before_report = Vec::new();
    let report = loop {
        let line = lines.recv_timeout(TEST_TIMEOUT).unwrap();
        if line.contains("dropped while the log reader was stalled") {
            break line;
        }
        lines_before_report.push(line);
    };
    let dropped = server.metric("highwater_log_lines_dropped_total");
    assert!(
        report.contains(&format!(": {dropped} log lines were")),
        "{report}"
    );
    let written = lines_before_report
        .iter()
        .filter(|line| line.contains("status=404"));
    assert_eq!(written.count() as u64 + dropped, requests);
    for line in &lines_before_report {
        assert!(line.len() < 4096, "{} bytes", line.len());
        let is_complete = line.starts_with("INFO id=") && line.ends_with('"');
        assert!(is_complete || line.contains("is ready"), "{line}");
        assert!(!line.contains(&long[..1_025]), "{line}");
    }

    // No line is lost at exit.
    signal("-TERM", server.process.id());
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    reading.join().unwrap();
    let rest: Vec<String> = lines.try_iter().collect();
    assert_eq!(rest.last().unwrap(), "all workers have exited");
}

#[test]
fn stalled_log_does_not_delay_shutdown() {
    let mut server = StalledServer::start(&["--log-level", "debug", "--faults"]);
    for _ in 0..200 {
        server.get(&format!("/api/{}", "x".repeat(4_000)));
    }
    let worker: u32 = {
        let ready = server.get("/readyz");
        ready.trim().rsplit(' ').next().unwrap().parse().unwrap()
    };
    signal("-KILL", worker);
    assert!(
        server.get("/readyz").contains(" 200 "),
        "the killed worker was not replaced"
    );
    signal("-TERM", server.process.id());
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

#[test]
fn closed_log_counts_dropped_lines() {
    let mut server = StalledServer::start(&["--log-level", "debug"]);
    let dev_null = File::open("/dev/null").unwrap();
    drop(std::mem::replace(&mut server.log, dev_null));
    // The writer may be behind, and busy with earlier lines.
    wait_until("dropped lines to be counted", || {
        assert!(server.get("/nothing").contains(" 404 "));
        server.metric("highwater_log_lines_dropped_total") >= 10
    });
}

#[test]
fn repeated_lines_are_sampled_and_counts_add_up() {
    const REQUESTS: u64 = 300;
    let server = Server::start();
    for number in 0..REQUESTS {
        let path = format!("/nothing/{number}");
        assert_eq!(server.request("GET", &path, &[], "").status, 404);
        if number == 100 {
            // Lines of another kind are sampled separately.
            assert_eq!(server.run("{").status, 400);
        }
    }
    assert_eq!(server.logged("code=malformed_json").len(), 1);
    let count_lines = || {
        let lines = server.logged("code=not_found");
        let written = lines.iter().filter(|line| line.contains(" id=")).count();
        let suppressed: u64 = lines.iter().map(|line| number(line, "left_out=")).sum();
        (written as u64, suppressed)
    };
    // The remaining count is reported even if no more lines of this kind follow.
    wait_until("all lines to be accounted for", || {
        let (written, suppressed) = count_lines();
        written + suppressed >= REQUESTS
    });
    let (written, suppressed) = count_lines();
    assert_eq!(written + suppressed, REQUESTS);
    assert!(written < REQUESTS / 4, "{written}");
    let metrics = server.request("GET", "/metrics", &[], "").body;
    let name = "highwater_http_requests_total{status=\"4xx\"}";
    assert_eq!(metric(&metrics, name), REQUESTS + 1);
    let suppressed_total = metric(&metrics, "highwater_log_lines_left_out_total");
    assert_eq!(suppressed_total, suppressed);
}

/// Starts a server and disconnects clients in every phase of a request.
fn server_after_disconnects(options: &[&str]) -> Server {
    let server = Server::start_with(options);
    let run = r#"{"scenario": "decoupling", "params": {"email_latency": 5000, "users": 10000}}"#;
    // Two clients disconnect while sending the request.
    for is_closed in [false, true] {
        let head = "POST /api/runs HTTP/1.1\r\nHost: 127.0.0.1\r\n";
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{{");
        let mut stream = TcpStream::connect(&server.addr).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        if !is_closed {
            stream.shutdown(Shutdown::Write).unwrap();
            let _ = stream.read(&mut [0; 16]);
        }
        drop(stream);
    }
    // Two clients disconnect while reading the response.
    for _ in 0..2 {
        let mut stream = server.send("POST", "/api/runs", &[JSON], run);
        stream.read_exact(&mut [0; 12]).unwrap();
        drop(stream);
    }
    // An incomplete head counts neither as a request nor as malformed.
    let mut stream = TcpStream::connect(&server.addr).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHos").unwrap();
    drop(stream);
    wait_until("the disconnects to be counted", || {
        let metrics = server.request("GET", "/metrics", &[], "").body;
        metric(&metrics, "highwater_http_requests_hung_up_total") == 4
    });
    server
}

#[test]
fn disconnects_are_counted_separately_and_not_logged() {
    let server = server_after_disconnects(&[]);
    let metrics = server.request("GET", "/metrics", &[], "").body;
    for class in ["4xx", "5xx"] {
        let name = format!("highwater_http_requests_total{{status=\"{class}\"}}");
        assert_eq!(metric(&metrics, &name), 0, "{class}");
    }
    // Clients that received the complete response do not count as disconnected.
    for (method, path) in [
        ("HEAD", "/"),
        ("GET", "/"),
        ("GET", "/none"),
        ("HEAD", "/none"),
    ] {
        server.request(method, path, &[], "");
    }
    // The entry of this request is the last one in the log.
    server.request("GET", "/none", &[], "");
    server.wait_for_log("code=not_found");
    for level in ["WARN", "DEBUG", "ERROR", "client_gone", "invalid_input"] {
        assert_eq!(server.logged(level), [""; 0], "{level}");
    }
    let metrics = server.request("GET", "/metrics", &[], "").body;
    assert_eq!(metric(&metrics, "highwater_http_requests_hung_up_total"), 4);
}

#[test]
fn disconnects_are_logged_at_debug() {
    let server = server_after_disconnects(&["--log-level", "debug"]);
    wait_until("two entries for each phase", || {
        server
            .logged("client disconnected while sending the request")
            .len()
            == 2
            && server
                .logged("client disconnected before the response was complete")
                .len()
                == 2
    });
    assert_eq!(server.logged("WARN"), [""; 0]);
}

#[test]
fn panics_are_logged_as_errors() {
    let server = Server::start_with(&["--faults"]);
    for _ in 0..3 {
        assert_eq!(
            server
                .request("POST", "/api/faults/bug", &[JSON], "{}")
                .status,
            500
        );
    }
    server.wait_for_log("panicked at native/src/serve/faults.rs");
    // Each bug replaces the worker process, and each process samples separately.
    let lines = server.logged("a deliberate bug");
    assert!(!lines.is_empty());
    for line in lines {
        assert!(line.starts_with("ERROR "), "{line}");
    }
}

#[test]
fn dropped_lines_of_replaced_workers_are_counted() {
    const REQUESTS: u64 = 200;
    let server = StalledServer::start(&["--log-level", "debug"]);
    for _ in 0..REQUESTS {
        server.get(&format!("/api/{}", "x".repeat(4_000)));
    }
    signal("-HUP", server.process.id());
    // A pipe holds 64 KiB, and each line is longer than 1 KiB.
    wait_until("the lines of the old worker to be counted", || {
        server.metric("highwater_log_lines_dropped_total") >= REQUESTS - 64
    });
}
