//! A running chromedriver or geckodriver, on a port of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::browser::Kind;

/// How long it may take to start.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often one is started until it has a port: chromedriver takes a free one of
/// IPv6, then the same of IPv4, and ends if a connection of the machine has that.
const STARTS: usize = 10;

/// Ends with its value. Chrome watches its driver, and does not survive it; Firefox
/// has to be closed before.
pub(crate) struct Driver {
    port: u16,
    _child: Child,
    // Kept open: the driver fails when nobody reads what it says.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// Starts the one on the PATH.
    pub(crate) async fn start(kind: Kind) -> Result<Self> {
        for _ in 1..STARTS {
            match Self::start_once(kind).await {
                Err(error) if error.is::<PortInUse>() => {}
                other => return other,
            }
        }
        Self::start_once(kind).await
    }

    async fn start_once(kind: Kind) -> Result<Self> {
        let (program, options): (_, &[&str]) = match kind {
            Kind::Chrome => ("chromedriver", &[]),
            // What is not in `WebDriver` is asked of the browser's own scripts.
            Kind::Firefox => ("geckodriver", &["--allow-system-access"]),
        };
        let mut child = Command::new(program)
            // The driver takes a free port and says which.
            .arg("--port=0")
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("cannot run {program}: `cargo run -p tests -- setup` installs it")
            })?;
        let stdout = child.stdout.take().context("the driver has no output")?;
        let mut output = BufReader::new(stdout).lines();
        let port = timeout(TIMEOUT, async {
            let mut last = String::new();
            while let Some(line) = output.next_line().await? {
                if let Some(port) = port_in(&line) {
                    return Ok(port);
                }
                last = line;
            }
            if last.contains("port not available") {
                return Err(PortInUse.into());
            }
            anyhow::bail!("{program} ended; the last it said was: {last}")
        })
        .await
        .with_context(|| format!("{program} does not start"))??;
        Ok(Self {
            port,
            _child: child,
            _output: output,
        })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The port the driver chose is another program's.
#[derive(Debug, thiserror::Error)]
#[error("the driver found no port of IPv4 and IPv6 alike")]
struct PortInUse;

/// The port in `ChromeDriver was started successfully on port 1234.`, or in
/// `geckodriver INFO Listening on 127.0.0.1:1234`.
fn port_in(line: &str) -> Option<u16> {
    let chrome = line.split_once("successfully on port ");
    let (_, port) = chrome.or_else(|| line.split_once("Listening on 127.0.0.1:"))?;
    port.trim_end_matches('.').parse().ok()
}
