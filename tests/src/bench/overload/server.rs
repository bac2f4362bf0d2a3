//! The servers under overload, each in a process of its own.

use std::env;
use std::fmt::Display;
use std::io::Write as _;
use std::process::{self, Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::get;
use clap::ValueEnum;
use highwater_server::Server;
use load::cluster::Cluster;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::client::pin_to_core;

/// The CPU time of a request that occupies the event loop.
const BUSY_TIME: Duration = Duration::from_millis(1);
/// The pool of the service that waits.
const POOL_SIZE: usize = 10;
const POOL_TIME: Duration = Duration::from_millis(10);

/// A kind of service.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// Occupies the event loop for a millisecond.
    Busy,
    /// Waits for one of ten permits, and holds it for ten milliseconds.
    Pool,
}

/// The framework of a server.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framework {
    Highwater,
    Axum,
}

/// Serves on one thread until it is killed
#[derive(clap::Args)]
pub(crate) struct OverloadServer {
    framework: Framework,
    service: Service,
}

impl Service {
    pub(super) const ALL: [Self; 2] = [Self::Busy, Self::Pool];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Busy => "1 ms on the loop",
            Self::Pool => "10 ms in a pool of 10",
        }
    }

    fn router(self) -> Router {
        match self {
            Self::Busy => Router::new().route(
                "/",
                get(async || {
                    let begin = Instant::now();
                    while begin.elapsed() < BUSY_TIME {
                        std::hint::spin_loop();
                    }
                    "done"
                }),
            ),
            Self::Pool => {
                let pool = Arc::new(Semaphore::new(POOL_SIZE));
                let serve = async move || {
                    let _permit = pool.acquire().await;
                    sleep(POOL_TIME).await;
                    "done"
                };
                Router::new().route("/", get(serve))
            }
        }
    }
}

impl Framework {
    pub(super) const ALL: [Self; 2] = [Self::Highwater, Self::Axum];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Highwater => "highwater-server",
            Self::Axum => "axum::serve",
        }
    }
}

impl OverloadServer {
    pub(crate) fn run(&self) -> ExitCode {
        pin_to_core(0);
        let router = self.service.router();
        match self.framework {
            Framework::Highwater => Server::new("127.0.0.1:0")
                .log_level(log::LevelFilter::Error)
                .on_ready(|addr| report(&addr))
                .run(async |_| router),
            Framework::Axum => {
                let runtime = Builder::new_current_thread().enable_all().build();
                let served = runtime
                    .expect("cannot create an event loop")
                    .block_on(async {
                        let listener = TcpListener::bind("127.0.0.1:0").await?;
                        report(&listener.local_addr()?);
                        axum::serve(listener, router).await
                    });
                ExitCode::from(u8::from(served.is_err()))
            }
        }
    }
}

/// Prints the events that [`Cluster`] reads.
fn report(addr: &dyn Display) {
    let mut stdout = std::io::stdout();
    let addr = json!({"event": "listening", "addr": addr.to_string()});
    let ready = json!({"event": "ready", "pid": process::id()});
    writeln!(stdout, "{addr}\n{ready}").expect("the benchmark reads the output");
}

pub(super) fn start(framework: Framework, service: Service) -> Result<Cluster> {
    let argument = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
        value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    };
    let mut command = Command::new(env::current_exe()?);
    command
        .args(["bench", "overload-server"])
        .arg(argument(&|| framework.to_possible_value()))
        .arg(argument(&|| service.to_possible_value()));
    Cluster::start(&mut command, 1).with_context(|| format!("cannot start {}", framework.name()))
}
