//! A running chromedriver, on a port of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends with its value, and its browser with it: the browser watches the driver,
/// and does not survive it.
pub(crate) struct Driver {
    port: u16,
    _child: Child,
    // Kept open: the driver fails when nobody reads what it says.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// Starts the one on the PATH.
    pub(crate) async fn start() -> Result<Self> {
        let mut child = Command::new("chromedriver")
            // The driver takes a free port and says which.
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run chromedriver: `cargo run -p tests -- setup` installs it")?;
        let stdout = child.stdout.take().context("chromedriver has no output")?;
        let mut output = BufReader::new(stdout).lines();
        let port = timeout(PATIENCE, async {
            while let Some(line) = output.next_line().await? {
                if let Some(port) = port_in(&line) {
                    return Ok(port);
                }
            }
            anyhow::bail!("chromedriver ended")
        })
        .await
        .context("chromedriver does not start")??;
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

/// The port in `ChromeDriver was started successfully on port 1234.`
fn port_in(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}
