//! `highwater serve`: the page, its headers and the API.

use crate::{
    server::{JSON, Server},
    support::{TEST_TIMEOUT, command, highwater},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::Duration,
};

#[test]
fn every_response_has_security_headers_and_a_type() {
    let server = Server::start();
    for (path, status, content_type) in [
        ("/", 200, "text/html"),
        ("/pkg/events/highwater_web.js", 200, "text/javascript"),
        ("/pkg/events/highwater_web_bg.wasm", 200, "application/wasm"),
        ("/healthz", 200, "text/plain; charset=utf-8"),
        ("/readyz", 200, "text/plain; charset=utf-8"),
        ("/none", 404, "application/problem+json"),
        ("/../Cargo.toml", 404, "application/problem+json"),
        ("/pkg/events/.stamp", 404, "application/problem+json"),
        ("/pkg/events/%2Estamp", 404, "application/problem+json"),
        ("/pkg%2fevents%2f%2estamp", 404, "application/problem+json"),
        ("/api/scenarios", 200, "application/json"),
        ("/api/none", 404, "application/problem+json"),
        ("/api/runs", 405, "application/problem+json"),
    ] {
        let response = server.request("GET", path, &[], "");
        assert_eq!(response.status, status, "{path}: {response:?}");
        for (name, value) in [
            ("content-type", content_type),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-cache"),
            ("server-timing", "native"),
        ] {
            assert_eq!(response.header(name), Some(value), "{name} of {path}");
        }
        let policy = response.header("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self' 'wasm-unsafe-eval' blob:;"),
            "{policy}"
        );
    }
}

#[test]
fn unchanged_files_return_304() {
    let server = Server::start();
    let first = server.request("GET", "/", &[], "");
    let modified = first.header("last-modified").unwrap();
    let again = server.request("GET", "/", &[("If-Modified-Since", modified)], "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[test]
fn files_are_sent_in_an_accepted_encoding() {
    let server = Server::start();
    let source = server.www.path().join("index.html");
    let time = fs::metadata(&source).unwrap().modified().unwrap();
    let set_time = |file: &str, time| {
        let file = fs::File::options().append(true).open(file).unwrap();
        file.set_modified(time).unwrap();
    };
    let compressed = ["br", "gz"].map(|it| format!("{}.{it}", source.display()));
    for (file, content) in compressed.iter().zip(["brotli", "gzipped"]) {
        fs::write(file, content).unwrap();
        set_time(file, time);
    }
    let get = |headers: &[(&str, &str)]| {
        let response = server.request("GET", "/", headers, "");
        assert_eq!(response.header("vary"), Some("accept-encoding"));
        response
    };
    let mut tags = Vec::new();
    for (accepted, encoding, content) in [
        ("gzip, deflate, br, zstd", Some("br"), "brotli"),
        ("br;q=0.5, gzip", Some("gzip"), "gzipped"),
        ("br;q=0, gzip;q=0", None, "<!doctype"),
        ("zstd", None, "<!doctype"),
        ("", None, "<!doctype"),
    ] {
        let response = get(&[("Accept-Encoding", accepted)]);
        assert_eq!(response.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(response.header("content-type"), Some("text/html"));
        assert!(response.body.starts_with(content), "{accepted}");
        let tag = response.header("etag").unwrap().to_owned();
        let revalidation = [("Accept-Encoding", accepted), ("If-None-Match", &tag)];
        assert_eq!(get(&revalidation).status, 304);
        let other = [
            ("Accept-Encoding", accepted),
            ("If-None-Match", "\"other\""),
        ];
        assert_eq!(get(&other).status, 200);
        tags.push(tag);
    }
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);

    // A changed source is sent itself, whether it is newer or older.
    let minute = Duration::from_mins(1);
    for time in [time - minute, time + minute] {
        set_time(&source.display().to_string(), time);
        let response = get(&[("Accept-Encoding", "br, gzip")]);
        assert_eq!(response.header("content-encoding"), None);
        assert!(response.body.starts_with("<!doctype"));
    }
}

#[test]
fn api_and_command_line_list_the_same_scenarios() {
    let response = Server::start().request("GET", "/api/scenarios", &[], "");
    assert_eq!(response.json(), highwater(&["list", "--json"]).json());
}

#[test]
fn run_is_streamed_while_in_progress() {
    // The run takes hours, so any event arrives before its end.
    let endless =
        r#"{"scenario": "decoupling", "params": {"email_latency": 5000, "users": 10000}}"#;
    let server = Server::start();
    let client = server.send("POST", "/api/runs", &[JSON], endless);
    client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    let mut lines = BufReader::new(client).lines().map(Result::unwrap);
    let first = lines.find(|line| line.starts_with("event: "));
    assert_eq!(first.as_deref(), Some("event: trace"));
    let data = lines.next().unwrap();
    let batch: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(batch["first_name"], 0);
}

#[test]
fn streamed_run_is_complete() {
    let body = r#"{"scenario": "decoupling", "params": {"users": 4, "interval": "20", "fail_rate": 100}, "seed": 3}"#;
    let response = Server::start().run(body);
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    let events = response.events();
    let (last, batches) = events.split_last().unwrap();
    let mut names = Vec::new();
    for (event, batch) in batches {
        assert_eq!(event, "trace");
        // Each batch appends to the name table of the previous batches.
        assert_eq!(batch["first_name"], names.len());
        names.extend(batch["names"].as_array().unwrap().clone());
        assert_eq!(batch["dropped"], 0);
    }
    assert!(names.contains(&"EmailService".into()), "{names:?}");
    let answered = batches
        .iter()
        .flat_map(|(_, batch)| batch["events"].as_array().unwrap())
        .filter(|event| event["kind"] == "request" && event["phase"] == "end");
    assert_eq!(answered.count(), 4);

    let (event, end) = last;
    assert_eq!(event, "end");
    assert_eq!(end["died"], Value::Null);
    let verdicts = end["verdicts"].as_array().unwrap();
    let count = |outcome| {
        verdicts
            .iter()
            .filter(|it| it["outcome"] == outcome)
            .count()
    };
    assert_eq!(count("failed"), 0, "{end}");
    assert!(count("passed") >= 5, "{end}");
}

#[test]
fn failed_run_is_reported_and_the_server_survives() {
    let server = Server::start();
    let body = r#"{"scenario": "decoupling", "params": {"fault": "panic", "fail_rate": 100, "interval": 1}}"#;
    let events = server.run(body).events();
    let (event, end) = events.last().unwrap();
    assert_eq!(event, "end");
    assert_eq!(
        end["died"],
        "EmailService has a bug: it cannot handle user 1"
    );
    assert_eq!(end["verdicts"][0]["outcome"], "failed");
    assert_eq!(server.request("GET", "/healthz", &[], "").status, 200);
}

#[test]
fn fifth_run_is_rejected_until_a_client_disconnects() {
    let server = Server::start();
    // Each run takes hours and blocks its loop for five seconds at a time.
    let slow = r#"{"scenario": "decoupling", "params": {"email_latency": 5000, "users": 10000}}"#;
    let mut clients: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut client = server.send("POST", "/api/runs", &[JSON], slow);
            // The run is counted once its response has started.
            client.read_exact(&mut [0; 12]).unwrap();
            client
        })
        .collect();
    let rejected = server.run(slow);
    assert_eq!(rejected.status, 503, "{rejected:?}");
    assert_eq!(rejected.header("retry-after"), Some("1"));
    assert_eq!(rejected.json()["code"], "busy");

    clients.pop();
    // The server detects the disconnect with a delay.
    let quick = r#"{"scenario": "decoupling", "params": {"users": 1, "interval": 0}}"#;
    let status = (0..500).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        Some(server.run(quick).status).filter(|status| *status != 503)
    });
    assert_eq!(status, Some(200));
}

#[cfg(unix)]
#[test]
fn signal_stops_the_build_and_its_children() {
    use crate::support::{signal, wait_until};
    use std::{env, os::unix::fs::PermissionsExt, sync::mpsc};

    // The build starts a child process, as cargo starts compilers.
    let folder = tempfile::tempdir().unwrap();
    let cargo = folder.path().join("cargo");
    fs::write(&cargo, "#!/bin/sh\nsleep 600 &\necho started\nwait\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.path().display());

    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut server = command(&["serve", "--addr", "127.0.0.1:0"])
            .env("PATH", &path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // All processes inherit standard error, so it is closed when the last one exits.
        let stderr = BufReader::new(server.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in stderr.lines() {
                let _ = send.send(line.unwrap());
            }
        });
        while lines.recv_timeout(TEST_TIMEOUT).unwrap() != "started" {}
        signal(name, server.id());
        assert_eq!(server.wait().unwrap().code(), Some(code), "{name}");
        wait_until("all processes of the build to exit", || {
            reader.is_finished()
        });
    }
}

#[cfg(unix)]
#[test]
fn signal_stops_the_server_and_its_runs() {
    use crate::support::signal;
    for name in ["-INT", "-TERM"] {
        let mut server = Server::start();
        let slow = r#"{"scenario": "decoupling", "params": {"email_latency": 5000}}"#;
        let mut client = server.send("POST", "/api/runs", &[JSON], slow);
        client.read_exact(&mut [0; 12]).unwrap();
        signal(name, server.process.id());
        assert_eq!(server.process.wait().unwrap().code(), Some(0), "{name}");
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("event: end"), "{rest}");
    }
}

#[test]
fn port_in_use_suggests_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    // Without --no-build, the port is still checked before the build.
    let result = highwater(&["serve", "--addr", &addr]);
    assert_eq!(result.code, Some(1), "{result:?}");
    assert_eq!(result.stderr.lines().count(), 1, "{result:?}");
    let line = format!("error: {addr} is already in use: try --addr 127.0.0.1:");
    assert!(result.stderr.starts_with(&line), "{result:?}");
    assert!(
        result
            .stderr
            .contains("--addr 127.0.0.1:0 for any free port"),
        "{result:?}"
    );
}

#[test]
fn missing_page_names_the_build_command() {
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().to_str().unwrap();
    let result = highwater(&["serve", "--no-build", "--addr", "127.0.0.1:0", "--www", www]);
    assert_eq!(result.code, Some(1), "{result:?}");
    assert_eq!(result.stderr.lines().count(), 1, "{result:?}");
    assert!(
        result
            .stderr
            .contains("pkg/events/highwater_web.js is missing"),
        "{result:?}"
    );
    assert!(result.stderr.contains("cargo run -p bundle"), "{result:?}");
}
