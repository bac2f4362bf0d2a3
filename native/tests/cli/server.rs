//! A running `highwater serve`, and its HTTP responses.

use crate::support::{TEST_TIMEOUT, command, wait_until};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};
use tempfile::TempDir;

/// A server with a minimal page, killed on drop.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) addr: String,
    log: Arc<Mutex<Vec<String>>>,
    /// Exits when no process holds the log pipe open.
    reader: JoinHandle<()>,
    pub(crate) www: TempDir,
}

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let www = tempfile::tempdir().unwrap();
        fs::create_dir_all(www.path().join("pkg/events")).unwrap();
        for (file, content) in [
            ("index.html", "<!doctype html><title>Highwater</title>"),
            ("pkg/events/highwater_web.js", "export {};"),
            ("pkg/events/highwater_web_bg.wasm", "\0asm"),
            ("pkg/events/.stamp", "build stamp"),
        ] {
            fs::write(www.path().join(file), content).unwrap();
        }
        let mut process = command(&["serve", "--no-build", "--addr", "127.0.0.1:0", "--www"])
            .arg(www.path())
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let addr = line
            .strip_prefix("Highwater is running at http://")
            .and_then(|rest| rest.strip_suffix("/ (press Ctrl-C to stop)\n"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines() {
                    log.lock().unwrap().push(line.unwrap());
                }
            }
        });
        Server {
            log,
            reader,
            addr: addr.unwrap_or_else(|| panic!("{line:?}")).to_owned(),
            process,
            www,
        }
    }

    /// Returns the log lines written so far that contain `text`.
    pub(crate) fn logged(&self, text: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|it| it.contains(text)).cloned().collect()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(text, || !self.logged(text).is_empty());
    }

    /// Waits until the server and all its processes have exited.
    pub(crate) fn wait_for_all_processes(&self) {
        wait_until("all processes to exit", || self.reader.is_finished());
    }

    /// Returns the pid of the process that handles a request.
    pub(crate) fn serving_process(&self) -> u32 {
        let response = self.request("GET", "/readyz", &[], "");
        let number = response.body.trim().rsplit(' ').next().unwrap();
        number.parse().unwrap_or_else(|_| panic!("{response:?}"))
    }

    /// Returns the pid of the process that handles a request, or `None` without a
    /// response.
    #[cfg(unix)]
    pub(crate) fn try_serving_process(&self) -> Option<u32> {
        let mut stream = TcpStream::connect(&self.addr).ok()?;
        write!(stream, "GET /readyz HTTP/1.0\r\n\r\n").ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        response.trim().rsplit(' ').next()?.parse().ok()
    }

    pub(crate) fn run(&self, body: &str) -> Response {
        self.request("POST", "/api/runs", &[JSON], body)
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let mut stream = self.send(method, path, headers, body);
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        let mut response = Vec::new();
        // A server that rejects a long request may reset the connection after the
        // response.
        let _ = stream.read_to_end(&mut response);
        Response::read(&String::from_utf8(response).unwrap())
    }

    /// Sends an HTTP/1.0 request, so that the server closes the connection after the
    /// response.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> TcpStream {
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        write!(stream, "{head}\r\n{body}").unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        Response {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the name and data of each server-sent event.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let blocks = self
            .body
            .split("\n\n")
            .filter(|block| block.starts_with("event:"));
        blocks
            .map(|block| {
                let (event, data) = block.split_once('\n').unwrap();
                let event = event.strip_prefix("event: ").unwrap();
                let data = data.strip_prefix("data: ").unwrap();
                (event.to_owned(), serde_json::from_str(data).unwrap())
            })
            .collect()
    }
}
