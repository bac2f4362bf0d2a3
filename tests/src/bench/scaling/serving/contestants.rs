//! The compared servers, all with two workers or threads and without an access log.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::super::super::service;
use super::super::servers::WORKERS;
use super::process::ServerProcess;
use crate::workspace::Workspace;

/// The number of idle connections whose memory is measured.
pub(super) const IDLE_CONNECTIONS: usize = 10_000;

/// A compared server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// A `Cluster` that serves a function.
    Function,
    /// Two processes with hyper and the same function.
    Hyper,
    Nginx,
    NodeCluster,
    /// A `Cluster` that serves an axum router.
    Router,
    Axum,
}

impl Server {
    const ALL: [Self; 6] = [
        Self::Function,
        Self::Hyper,
        Self::Nginx,
        Self::NodeCluster,
        Self::Router,
        Self::Axum,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Function => "highwater-server",
            Self::Hyper => "bare hyper, 2 processes",
            Self::Nginx => "nginx",
            Self::NodeCluster => "Node cluster",
            Self::Router => "highwater-server, axum",
            Self::Axum => "axum::serve, 2 threads",
        }
    }
}

/// The programs of the servers.
pub(super) struct Contestants {
    service: PathBuf,
    /// This program, which contains the peers in Rust.
    tests: PathBuf,
    nginx: Option<PathBuf>,
    node: Option<PathBuf>,
    node_script: PathBuf,
    /// The prefix of nginx.
    folder: PathBuf,
}

impl Contestants {
    /// Builds the service and finds the other programs.
    pub(super) fn prepare(workspace: &Workspace) -> Result<Self> {
        // Debian installs it where only root's PATH leads.
        let nginx = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
        let nginx = workspace
            .find("nginx")
            .or_else(|| nginx.into_iter().find(|path| path.is_file()));
        Ok(Contestants {
            service: service::build(workspace)?,
            tests: env::current_exe().context("cannot find this program")?,
            nginx,
            node: workspace.find("node"),
            node_script: workspace.root.join("tests/node/bench-http.mjs"),
            folder: workspace.target.join("nginx"),
        })
    }

    /// Returns the servers that are installed.
    pub(super) fn available(&self) -> Vec<Server> {
        let is_available = |server: &Server| {
            let (program, package) = match server {
                Server::Nginx => (&self.nginx, "nginx-light"),
                Server::NodeCluster => (&self.node, "nodejs"),
                _ => return true,
            };
            if program.is_none() {
                eprintln!(
                    "tests: warning: {} is skipped: install the package {package}",
                    server.name()
                );
            }
            program.is_some()
        };
        Server::ALL.into_iter().filter(is_available).collect()
    }

    /// Starts a server and waits for its first response.
    pub(super) fn start(&self, server: Server) -> Result<ServerProcess> {
        let addr = unused_addr()?;
        let workers = WORKERS.to_string();
        let mut command = match server {
            Server::Function | Server::Router => {
                let mut command = Command::new(&self.service);
                command.args(["--workers", &workers, "--addr", &addr.to_string()]);
                if server == Server::Function {
                    command.arg("--plain");
                }
                command
            }
            Server::Hyper | Server::Axum => {
                let kind = match server {
                    Server::Axum => "axum",
                    _ => "hyper",
                };
                let mut command = Command::new(&self.tests);
                command.args(["bench", "peer", kind, &addr.to_string()]);
                command
            }
            Server::Nginx => {
                let program = self.nginx.as_deref().context("nginx is not installed")?;
                nginx_command(program, &self.folder, addr)?
            }
            Server::NodeCluster => {
                let mut command =
                    Command::new(self.node.as_deref().context("Node is not installed")?);
                command.arg(&self.node_script);
                command.args(["cluster", &workers, &addr.port().to_string()]);
                command
            }
        };
        ServerProcess::start(&mut command, addr)
            .with_context(|| format!("cannot start {}", server.name()))
    }
}

/// Returns a command for nginx with its own configuration. All its files are in `folder`.
fn nginx_command(program: &Path, folder: &Path, addr: SocketAddr) -> Result<Command> {
    fs::create_dir_all(folder)?;
    let path = folder.join("nginx.conf");
    let temporary_folders: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
        .map(|module| format!("    {module}_temp_path temporary;\n"))
        .concat();
    let connections = 2 * IDLE_CONNECTIONS;
    let configuration = format!(
        "daemon off;
worker_processes {WORKERS};
worker_rlimit_nofile {connections};
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    default_type text/plain;
{temporary_folders}    server {{
        listen {addr} reuseport;
        location / {{ return 200 \"hello\\n\"; }}
    }}
}}
"
    );
    fs::write(&path, configuration)?;
    let mut command = Command::new(program);
    // The trailing slash is part of a prefix.
    command.arg("-p").arg(folder.join(""));
    command.arg("-c").arg(path);
    // Until the configuration is read, nginx would log to the system's folder.
    command.args(["-e", "stderr"]);
    Ok(command)
}

/// Returns an address that is not in use.
fn unused_addr() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
