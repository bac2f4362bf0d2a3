//! A running `native serve`, and what it answers.

use crate::support::command;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};
use tempfile::TempDir;

/// A server with a page of three files, ended when dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) addr: String,
    _www: TempDir,
}

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

impl Server {
    pub(crate) fn start() -> Self {
        let www = tempfile::tempdir().unwrap();
        fs::create_dir_all(www.path().join("pkg/events")).unwrap();
        for (file, content) in [
            ("index.html", "<!doctype html><title>Highwater</title>"),
            ("pkg/events/highwater_web.js", "export {};"),
            ("pkg/events/highwater_web_bg.wasm", "\0asm"),
            ("pkg/events/.stamp", "for programs"),
        ] {
            fs::write(www.path().join(file), content).unwrap();
        }
        let mut process = command(&["serve", "--no-build", "--addr", "127.0.0.1:0", "--www"])
            .arg(www.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let addr = line
            .strip_prefix("Highwater is at http://")
            .and_then(|rest| rest.strip_suffix("/ (Ctrl-C stops it)\n"));
        Server {
            addr: addr.unwrap_or_else(|| panic!("{line:?}")).to_owned(),
            process,
            _www: www,
        }
    }

    pub(crate) fn run(&self, body: &str) -> Answer {
        self.request("POST", "/api/runs", &[JSON], body)
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut stream = self.send(method, path, headers, body);
        let mut answer = Vec::new();
        // A server that refuses a long request may hang up on the rest of it
        // once it has answered.
        let _ = stream.read_to_end(&mut answer);
        Answer::read(&String::from_utf8(answer).unwrap())
    }

    /// HTTP/1.0: the answer comes in one piece and ends with the connection.
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
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        Answer {
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

    /// Server-sent events: the name and the data of each.
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
