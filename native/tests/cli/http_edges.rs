//! Unusual and malformed HTTP requests, sent as raw bytes.

use crate::{
    server::{Response, Server},
    support::{TEST_TIMEOUT, command, highwater},
};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

/// Sends bytes and reads until the server closes the connection. Fails if the server
/// resets the connection.
fn exchange(addr: &str, bytes: &[u8]) -> Response {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    Response::read(&response)
}

/// Sends a request head with these lines.
fn send_head(addr: &str, lines: &[&str]) -> Response {
    let head = lines.join("\r\n") + "\r\nConnection: close\r\n\r\n";
    exchange(addr, head.as_bytes())
}

/// Checks for a problem document with this status and an id.
#[track_caller]
fn assert_problem(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{response:?}");
    let content_type = response.header("content-type");
    assert_eq!(
        content_type,
        Some("application/problem+json"),
        "{response:?}"
    );
    let problem = response.json();
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["id"].as_str(), response.header("x-request-id"));
}

/// A running `highwater cluster`, killed on drop.
struct Cluster {
    process: Child,
    addr: String,
}

impl Cluster {
    fn start() -> Self {
        let mut process = command(&["cluster", "--workers", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let addr = line
            .split("http://")
            .nth(1)
            .and_then(|it| it.split('/').next());
        let addr = addr.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Cluster { process, addr }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(unix)]
#[test]
fn http_1_1_requires_one_valid_host_header() {
    let server = Server::start();
    let cluster = Cluster::start();
    for addr in [&server.addr, &cluster.addr] {
        let get = "GET / HTTP/1.1";
        assert_problem(&send_head(addr, &[get]), 400);
        for host in [
            "", "a b", "a,b", "u@a", "a/b", "a:b", "a:1:2", "a:65536", "[::1", "::1", "[::g]",
            "a%2", "http://a",
        ] {
            let host = format!("Host: {host}");
            let response = send_head(addr, &[get, &host]);
            assert_problem(&response, 400);
            assert_eq!(response.header("connection"), Some("close"), "{host}");
        }
        let host_header = format!("Host: {addr}");
        for hosts in [[&*host_header, &host_header], [&host_header, "host: b"]] {
            assert_problem(&send_head(addr, &[get, hosts[0], hosts[1]]), 400);
        }
        // These rules apply to every HTTP version.
        assert_problem(
            &send_head(addr, &["GET / HTTP/1.0", &host_header, &host_header]),
            400,
        );
        assert_problem(&send_head(addr, &["GET / HTTP/1.0", "Host: a b"]), 400);
        assert_eq!(send_head(addr, &["GET / HTTP/1.0"]).status, 200);
        assert_eq!(send_head(addr, &[get, &host_header]).status, 200);
        // The host in the target overrides the Host header, which is still required.
        let absolute = format!("GET http://{addr}/healthz HTTP/1.1");
        assert_problem(&send_head(addr, &[&absolute]), 400);
        assert_eq!(send_head(addr, &[&absolute, "Host: other"]).status, 200);
        assert_problem(
            &send_head(addr, &["GET http://u@a/ HTTP/1.1", &host_header]),
            400,
        );
    }
    // A cluster accepts any host name.
    let other = send_head(&cluster.addr, &["GET / HTTP/1.1", "Host: example.com"]);
    assert_eq!(other.status, 200);
}

#[test]
fn non_loopback_hosts_require_allow_host() {
    let server = Server::start_with(&["--allow-host", "Page.Test", "--allow-host", "192.0.2.7"]);
    let status = |host: &str| {
        let host = format!("Host: {host}");
        let response = send_head(&server.addr, &["GET /healthz HTTP/1.1", &host]);
        if response.status != 200 {
            assert_problem(&response, 421);
            assert_eq!(response.json()["code"], "misdirected_request");
            assert!(response.body.contains("--allow-host"), "{response:?}");
        }
        response.status
    };
    for host in [
        "localhost",
        "LOCALHOST:1",
        "localhost.",
        "app.localhost",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]:8080",
        "page.test",
        "PAGE.test.:8080",
        "192.0.2.7:80",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "example.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "sub.page.test",
        "192.0.2.8",
        "0.0.0.0",
        "[::2]",
    ] {
        assert_eq!(status(host), 421, "{host}");
    }
    // The rule applies to every route and method.
    for line in [
        "GET /",
        "POST /api/runs",
        "GET /none",
        "GET http://example.com/",
    ] {
        let line = format!("{line} HTTP/1.1");
        let response = send_head(&server.addr, &[&line, "Host: example.com"]);
        assert_eq!(response.status, 421, "{response:?}");
    }
    let target = "GET http://localhost/healthz HTTP/1.1";
    assert_eq!(
        send_head(&server.addr, &[target, "Host: example.com"]).status,
        200
    );
}

#[test]
fn allow_host_accepts_only_host_names() {
    for invalid in ["", "a:80", "http://a", "a/b", "*.a"] {
        let result = highwater(&["serve", "--allow-host", invalid]);
        assert_eq!(result.code, Some(2), "{invalid}: {result:?}");
        assert!(result.stderr.contains("host name"), "{invalid}: {result:?}");
    }
}

#[test]
fn invalid_file_paths_return_404() {
    let server = Server::start();
    let www = server.www.path();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("loop_b", www.join("loop_a")).unwrap();
        std::os::unix::fs::symlink("loop_a", www.join("loop_b")).unwrap();
    }
    fs::create_dir(www.join("empty")).unwrap();
    for path in [
        &*format!("/{}", "a".repeat(256)),
        &format!("/{}", "%61".repeat(256)),
        &format!("/pkg/{}/index.html", "a".repeat(256)),
        &"/a".repeat(2_500),
        &("/a".repeat(2_500) + "/"),
        &"/pkg/events".repeat(500),
        "/index.html/x",
        "/index.html/",
        "/a%00b",
        "/loop_a",
        "/loop_a/",
        "/loop_a/x",
        "/empty/",
        "/%ff",
        "/..%2f..%2fetc%2fpasswd",
    ] {
        for method in ["GET", "HEAD"] {
            let response = server.request(method, path, &[], "");
            assert_eq!(response.status, 404, "{method} {path}: {response:?}");
        }
    }
    assert_eq!(server.request("GET", "/", &[], "").status, 200);
    fs::remove_dir_all(www).unwrap();
    for path in ["/", "/index.html", "/pkg/"] {
        assert_eq!(server.request("GET", path, &[], "").status, 404, "{path}");
    }
}

#[cfg(unix)]
#[test]
fn disallowed_methods_return_405_with_allow_header() {
    let server = Server::start();
    let cluster = Cluster::start();
    for (addr, path) in [
        (&server.addr, "/"),
        (&server.addr, "/index.html"),
        (&server.addr, "/healthz"),
        (&server.addr, "/readyz"),
        (&server.addr, "/metrics"),
        (&server.addr, "/problems/"),
        (&server.addr, "/problems/busy"),
        (&server.addr, "/api/scenarios"),
        (&cluster.addr, "/"),
        (&cluster.addr, "/work"),
        (&cluster.addr, "/healthz"),
        (&cluster.addr, "/metrics"),
    ] {
        let host_header = format!("Host: {addr}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"] {
            let response = send_head(addr, &[&format!("{method} {path} HTTP/1.1"), &host_header]);
            assert_problem(&response, 405);
            assert_eq!(
                response.header("allow"),
                Some("GET,HEAD"),
                "{method} {path}"
            );
        }
        let head = send_head(addr, &[&format!("HEAD {path} HTTP/1.1"), &host_header]);
        let get = send_head(addr, &[&format!("GET {path} HTTP/1.1"), &host_header]);
        assert_eq!((head.status, &*head.body), (get.status, ""), "{path}");
    }
    let host_header = format!("Host: {}", server.addr);
    let response = send_head(&server.addr, &["GET /api/runs HTTP/1.1", &host_header]);
    assert_problem(&response, 405);
    assert_eq!(response.header("allow"), Some("POST"));
}

#[test]
fn accept_header_selects_text_or_json() {
    let server = Server::start();
    for (accept, expects_text) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", true),
        ("TEXT/HTML;charset=utf-8", true),
        ("text/html;q=0", false),
        ("application/json, text/html;q=0.9", false),
        ("application/json;q=0.1, text/*", true),
        ("application/x-text/html", false),
        ("*/*", false),
    ] {
        let response = server.request("GET", "/none", &[("Accept", accept)], "");
        assert_eq!(response.status, 404);
        let content_type = response.header("content-type").unwrap();
        assert_eq!(
            content_type.starts_with("text/plain"),
            expects_text,
            "{accept}"
        );
        assert_eq!(response.header("vary"), Some("accept"));
    }
}
