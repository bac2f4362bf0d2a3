//! Clients that send one request at a time.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::super::super::statistics::median_of_sorted;

/// The path of the response that all servers have in common.
pub(super) const PATH: &str = "/hello";

/// The time limit for a response.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_secs(1);
/// Open files that the program needs apart from idle connections.
const OTHER_FILES: u64 = 256;
const RESPONSE_END: &[u8] = b"\r\n\r\nhello\n";

/// A keep-alive connection.
pub(super) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Client {
    pub(super) fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Client {
            stream,
            request: format!("GET {PATH} HTTP/1.1\r\nHost: {addr}\r\n\r\n").into_bytes(),
            response: Vec::with_capacity(1024),
        })
    }

    /// Sends a request and returns the response.
    pub(super) fn request(&mut self) -> Result<&[u8]> {
        self.stream.write_all(&self.request)?;
        self.response.clear();
        let mut read = [0; 1024];
        while !self.response.ends_with(RESPONSE_END) {
            let count = self.stream.read(&mut read)?;
            ensure!(count > 0, "the connection was closed");
            self.response.extend_from_slice(&read[..count]);
        }
        Ok(&self.response)
    }
}

/// Returns the median latency over one connection, in microseconds.
pub(super) fn median_latency(addr: SocketAddr) -> Result<f64> {
    let mut client = Client::connect(addr)?;
    let mut latencies = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < TURN {
        let sent = Instant::now();
        client.request()?;
        latencies.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    latencies.sort_by(f64::total_cmp);
    median_of_sorted(&latencies).context("no request was answered")
}

/// Returns the lines of a response in a form that ignores the order and case of headers,
/// and the date. Equal forms have an equal length in bytes.
pub(super) fn fingerprint(addr: SocketAddr) -> Result<Vec<String>> {
    let mut client = Client::connect(addr)?;
    let response = String::from_utf8_lossy(client.request()?).to_lowercase();
    let mut lines: Vec<String> = response
        .split("\r\n")
        .map(|line| match line.split_once(": ") {
            Some(("date", date)) => format!("date: {} bytes", date.len()),
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    Ok(lines)
}

/// Keep-alive connections, each of which has served one request.
pub(super) struct IdleConnections {
    _clients: Vec<Client>,
}

impl IdleConnections {
    /// Opens connections.
    ///
    /// # Errors
    ///
    /// If a connection cannot be opened, for example because of the limit on open files.
    pub(super) fn open(addr: SocketAddr, count: usize) -> Result<Self> {
        let (files, max_files) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let needed = count as u64 + OTHER_FILES;
        if files < needed {
            setrlimit(Resource::RLIMIT_NOFILE, needed, needed.max(max_files))
                .with_context(|| format!("{count} connections need `ulimit -n {needed}`"))?;
        }
        let open = || {
            let mut client = Client::connect(addr)?;
            client.request()?;
            client.response = Vec::new();
            Ok(client)
        };
        Ok(IdleConnections {
            _clients: (0..count).map(|_| open()).collect::<Result<_>>()?,
        })
    }
}
