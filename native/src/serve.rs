//! `native serve`: the page and its API.
//!
//! Two processes do it. One binds, builds the page, and holds the socket
//! (`supervisor`); the other is started by it and serves (`child`, `worker`). If
//! that one has a bug, it answers what it has and is replaced. The rest is what
//! is served: `routes`, `api`, `stream`, `problems`, `faults`, `headers`, and
//! `errors` for when it goes wrong.

mod api;
#[cfg(unix)]
mod child;
#[cfg(unix)]
mod control;
mod deadline;
mod errors;
mod faults;
mod headers;
mod metrics;
mod page;
mod problems;
mod routes;
mod service;
mod stream;
#[cfg(unix)]
mod supervisor;
mod worker;

#[cfg(unix)]
pub(crate) use child::serve as serve_as_child;

use crate::{
    cli::ServeOptions,
    error::Error,
    interrupt::{Signal, interrupted},
    report::{self, BAD},
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    process::ExitCode,
};
use tokio::net::TcpListener;

/// Binds, builds the page, and sees to it that it is served until it is asked to
/// end.
///
/// # Errors
///
/// Bad input, an address that cannot be had, no page to serve, or a process that
/// keeps ending.
pub(crate) async fn serve(options: &ServeOptions) -> Result<ExitCode, Error> {
    let addr = options.addr()?;
    let (www, build) = options.www();
    // Before the build: who has to choose another port should not wait for it.
    let listener = listen(addr).await?;
    let addr = listener.local_addr().unwrap_or(addr);
    if !addr.ip().is_loopback() {
        anstream::eprintln!(
            "{BAD}warning:{BAD:#} whoever reaches {addr} can open the page and start runs; \
             browsers give the page threads on 127.0.0.1 or over HTTPS only"
        );
    }
    // One listener for all that follows: a signal between two would be lost.
    let mut interrupted = pin!(interrupted());
    tokio::select! {
        biased;
        signal = &mut interrupted => return Ok(ExitCode::from(signal.exit_code())),
        ready = page::prepare(&www, build) => ready?,
    }
    let say_where = || {
        report::print(&format!(
            "Highwater is at http://{addr}/ (Ctrl-C stops it)\n"
        ))
    };
    let build_the_rest = async {
        if build {
            page::build_the_rest().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = serve_it(listener, www, options.faults, interrupted, say_where) => served,
        () = build_the_rest => Ok(ExitCode::SUCCESS),
    }
}

/// The folder this program was built from.
pub(crate) fn checkout() -> PathBuf {
    let native = Path::new(env!("CARGO_MANIFEST_DIR"));
    native.parent().unwrap_or(native).to_owned()
}

async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr)
        .await
        .map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => Error::PortTaken(addr),
            _ => Error::Listen { addr, cause },
        })
}

#[cfg(unix)]
async fn serve_it(
    listener: TcpListener,
    www: PathBuf,
    faults: bool,
    signal: impl Future<Output = Signal>,
    is_served: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    let listener = listener.into_std().map_err(Error::Runtime)?;
    supervisor::supervise(listener, www, faults, signal, is_served).await?;
    Ok(ExitCode::SUCCESS)
}

/// Without a socket to hand on, this process serves itself, and a bug ends it.
#[cfg(not(unix))]
async fn serve_it(
    listener: TcpListener,
    www: PathBuf,
    faults: bool,
    signal: impl Future<Output = Signal>,
    is_served: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    use metrics::Meter;
    use std::sync::Arc;
    use worker::{Content, Phase, Worker, advance};

    let phase = Arc::new(tokio::sync::watch::Sender::new(Phase::Serves));
    let content = Content::Page(routes::Site { www: &www, faults });
    let meter = Arc::new(Meter::default());
    let scrape = metrics::of_one(&meter);
    let worker = Worker::new(content, meter, scrape, Arc::clone(&phase), || {});
    let served = worker.serve(listener);
    let stopped = async {
        signal.await;
        advance(&phase, Phase::Ends);
        std::future::pending::<()>().await;
    };
    is_served()?;
    tokio::select! {
        code = served => Ok(code),
        () = stopped => Ok(ExitCode::SUCCESS),
    }
}
