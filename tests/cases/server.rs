//! Servers for browser cases.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::response::Html;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tower_http::services::ServeDir;

use crate::native;

/// Time limit for `highwater serve` to print its address.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running `highwater serve`, killed on drop.
pub(crate) struct Serve {
    /// The address of the page: `http://127.0.0.1:PORT/`.
    pub(crate) url: String,
    child: Child,
}

impl Serve {
    /// Starts the built program on a free port. The suite has already built the page,
    /// so the server skips that check.
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts the built program with additional options.
    pub(crate) async fn start_with(options: &[&str]) -> Result<Self> {
        let mut child = Command::from(native::command())
            .args(["serve", "--addr", "127.0.0.1:0", "--no-build"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run highwater")?;
        let stdout = child
            .stdout
            .take()
            .context("highwater's standard output is not piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let url = timeout(TIMEOUT, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = url_in(&line) {
                    return Ok(url);
                }
            }
            bail!("highwater serve exited without printing an address")
        })
        .await
        .context("highwater serve did not print an address in time")??;
        // Drain the rest of the output.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { url, child })
    }

    /// Returns the process id of the supervisor, the parent of the serving processes.
    pub(crate) fn supervisor_pid(&self) -> Option<u32> {
        self.child.id()
    }
}

/// Returns the first `http://127.0.0.1:PORT/` in a line.
fn url_in(line: &str) -> Option<String> {
    const START: &str = "http://127.0.0.1:";
    let rest = &line[line.find(START)? + START.len()..];
    let (port, _) = rest.split_once('/')?;
    let port: u16 = port.parse().ok()?;
    Some(format!("{START}{port}/"))
}

/// A server without the headers that `highwater` adds.
pub(crate) struct PlainServer {
    /// The address of its root.
    pub(crate) url: String,
    task: AbortHandle,
}

impl PlainServer {
    /// Answers every request with this HTML.
    pub(crate) async fn page(html: &'static str) -> Result<Self> {
        Self::start(Router::new().fallback(async move || Html(html))).await
    }

    /// Serves a folder of the workspace.
    pub(crate) async fn folder(folder: &str) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Self::start(Router::new().fallback_service(ServeDir::new(root.join(folder)))).await
    }

    async fn start(router: Router) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let serving = axum::serve(listener, router).into_future();
        let task = tokio::spawn(serving).abort_handle();
        Ok(Self { url, task })
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
