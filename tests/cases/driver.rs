//! A running chromedriver or geckodriver on its own port.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Time limit for the driver to start.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of start attempts. chromedriver picks a free IPv6 port and exits if
/// the same IPv4 port is in use.
const MAX_START_ATTEMPTS: usize = 10;

/// The browser to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrowserKind {
    /// Chrome or Chromium.
    Chrome,
    /// Firefox.
    Firefox,
}

/// A driver process, killed on drop. Chrome exits with its driver. Firefox must be
/// closed first.
pub(crate) struct Driver {
    port: u16,
    _child: Child,
    // Kept open, because the driver fails if its output is closed.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// Starts the driver from the PATH.
    pub(crate) async fn start(kind: BrowserKind) -> Result<Self> {
        for _ in 1..MAX_START_ATTEMPTS {
            match Self::start_once(kind).await {
                Err(error) if error.is::<PortInUse>() => {}
                other => return other,
            }
        }
        Self::start_once(kind).await
    }

    async fn start_once(kind: BrowserKind) -> Result<Self> {
        let (program, options): (_, &[&str]) = match kind {
            BrowserKind::Chrome => ("chromedriver", &[]),
            // The `firefox` module runs scripts with system access.
            BrowserKind::Firefox => ("geckodriver", &["--allow-system-access"]),
        };
        let mut child = Command::new(program)
            // The driver picks a free port and prints it.
            .arg("--port=0")
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("cannot run {program}: `cargo run -p tests -- setup` installs it")
            })?;
        let stdout = child
            .stdout
            .take()
            .context("the driver's standard output is not piped")?;
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
            anyhow::bail!("{program} exited; its last line was: {last}")
        })
        .await
        .with_context(|| format!("{program} did not print a port within {TIMEOUT:?}"))??;
        Ok(Self {
            port,
            _child: child,
            _output: output,
        })
    }

    /// Returns the address of the driver.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The driver picked a port that is in use.
#[derive(Debug, thiserror::Error)]
#[error("the driver found no port that is free on IPv4 and IPv6")]
struct PortInUse;

/// Parses the port from `ChromeDriver was started successfully on port 1234.` or
/// `geckodriver INFO Listening on 127.0.0.1:1234`.
fn port_in(line: &str) -> Option<u16> {
    let chrome = line.split_once("successfully on port ");
    let (_, port) = chrome.or_else(|| line.split_once("Listening on 127.0.0.1:"))?;
    port.trim_end_matches('.').parse().ok()
}
