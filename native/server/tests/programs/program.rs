//! Starts programs, and waits for what they log.

use highwater_server::ListenAddr;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// The time limit of a condition, generous enough for slow machines.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// A running program, killed on drop.
pub(crate) struct Program {
    pub(crate) child: Child,
    /// The address to connect to, unless it is a Unix socket.
    pub(crate) addr: SocketAddr,
    pub(crate) log: Receiver<String>,
    /// The log lines received so far.
    lines: Vec<String>,
}

impl Program {
    /// Starts an example on a free port, whatever its address is: it inherits a socket, as
    /// from systemd.
    pub(crate) fn example(name: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        Self::start(&mut activated_example(name, socket.into()), addr)
    }

    /// Starts a program of this file, which is a test that serves.
    pub(crate) fn of_this_file(name: &str, addr: impl Into<ListenAddr>) -> Self {
        let addr = addr.into();
        let mut command = command(name, &addr);
        Self::start(command.stdout(Stdio::null()), addr)
    }

    /// Like [`of_this_file`](Self::of_this_file), with environment variables.
    #[cfg(feature = "tls")]
    pub(crate) fn with_variables(
        name: &str,
        addr: SocketAddr,
        variables: &[(&str, &std::path::Path)],
    ) -> Self {
        let mut command = command(name, &addr.into());
        command
            .envs(variables.iter().copied())
            .stdout(Stdio::null());
        Self::start(&mut command, addr)
    }

    /// Like [`of_this_file`](Self::of_this_file), but standard output is part of the log.
    pub(crate) fn with_output(name: &str, addr: SocketAddr) -> Self {
        let (reader, writer) = io::pipe().unwrap();
        let mut command = command(name, &addr.into());
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = command.spawn().unwrap();
        Self::new(child, reader, addr)
    }

    pub(crate) fn start(command: &mut Command, addr: impl Into<ListenAddr>) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let addr = addr.into().tcp().unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
        Self::new(child, stderr, addr)
    }

    fn new(child: Child, output: impl Read + Send + 'static, addr: SocketAddr) -> Self {
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Program {
            child,
            addr,
            log,
            lines: Vec::new(),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid(self.child.id()), signal).unwrap();
    }

    /// Waits for a log line that contains `text`, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(TIMEOUT);
            let line = line.unwrap_or_else(|_| panic!("{text:?} is not in {:?}", self.lines));
            self.lines.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until another worker is ready, and returns its process id.
    pub(crate) fn wait_for_worker(&mut self) -> u32 {
        let line = self.wait_for_log("is ready");
        let pid = line.split("(pid ").nth(1).unwrap();
        pid.split(')').next().unwrap().parse().unwrap()
    }

    /// Waits until the program has exited, and returns all log lines.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().unwrap();
        // The workers have the log open until they have exited.
        self.lines.extend(self.log.iter());
        (status, std::mem::take(&mut self.lines))
    }

    pub(crate) fn get(&self, path: &str) -> String {
        get_from(self.addr, path, CLOSE)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request on a new connection, and returns all that the server sends.
pub(crate) fn get_from(addr: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    // The server resets the connection of an aborted request.
    let _ = stream.read_to_end(&mut response);
    String::from_utf8(response).unwrap()
}

/// Returns the command for a program of this file.
pub(crate) fn command(name: &str, addr: &ListenAddr) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ADDR_VARIABLE, addr.to_string())
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Returns the command for an example that inherits a socket, as from systemd.
pub(crate) fn activated_example(name: &str, socket: OwnedFd) -> Command {
    let mut command = Command::new("sh");
    // The shell is replaced by the example, which has the same process id.
    command.args([
        "-c",
        "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"",
    ]);
    command.arg(example(name)).stdin(socket);
    command
}

/// Returns the path of an example, which `cargo test` has built.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut path = env::current_exe().unwrap();
    path.pop();
    path.pop();
    let path = path.join("examples").join(name);
    assert!(
        path.is_file(),
        "build the examples first: cargo build --examples"
    );
    path
}

pub(crate) fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap())
}

#[track_caller]
pub(crate) fn wait_until_gone(process: u32) {
    let since = Instant::now();
    while kill(pid(process), None) != Err(Errno::ESRCH) {
        assert!(since.elapsed() < TIMEOUT, "process {process} is running");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The header of the last request on a connection.
pub(crate) const CLOSE: &str = "connection: close\r\n";

/// The address of a program of this file.
const ADDR_VARIABLE: &str = "HIGHWATER_TEST_ADDR";

/// Runs `serve` if this process is a program. Otherwise this process runs all tests.
pub(crate) fn run_program(serve: impl FnOnce(String) -> ExitCode) -> ExitCode {
    match env::var(ADDR_VARIABLE) {
        Ok(addr) => serve(addr),
        Err(_) => ExitCode::SUCCESS,
    }
}

pub(crate) fn free_addr() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}
