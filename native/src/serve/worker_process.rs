//! A worker process that was started by a supervisor.
//!
//! Its standard input is the listening socket, which the supervisor shares with all
//! workers. Its standard output is the [`ControlChannel`] to the supervisor, which works
//! in both directions. A worker with a bug requests a replacement and serves until the
//! supervisor tells it to drain. It also inherits the table of [`turns`], if one exists.

mod control_channel;

use super::{
    control::{HEARTBEAT_INTERVAL, WorkerMessage},
    endpoints::{EndpointState, FailingWorkers},
    metrics::Meter,
    turns,
    worker::{HttpService, Phase, Worker, WorkerContext, advance},
};
use crate::error::Error;
use control_channel::ControlChannel;
use highwater::error::http::HandlerLayer;
use highwater_server::logging;
use log::LevelFilter;
use nix::unistd::dup2_stdin;
use std::{
    fs::File,
    io, net,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
    sync::{Arc, OnceLock},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::sleep,
};

/// Serves on the inherited socket until the supervisor stops this worker or exits.
/// `service` creates the service, whose errors go to the given layer.
///
/// # Errors
///
/// If no supervisor started this process.
pub(super) async fn serve<S: HttpService>(
    log_level: LevelFilter,
    service: impl FnOnce(EndpointState, HandlerLayer) -> S,
) -> Result<ExitCode, Error> {
    die_with_parent();
    let (listener, channel) = inherited_sockets().map_err(Error::NoSupervisor)?;
    logging::start(log_level, true).map_err(Error::Runtime)?;
    let turns = turns::inherit();
    let phase = Arc::new(watch::Sender::new(Phase::Serving));
    let meter = Arc::new(Meter::default());
    let failing = FailingWorkers::default();
    let channel = ControlChannel::open(
        &channel,
        Arc::clone(&phase),
        Arc::clone(&meter),
        failing.clone(),
    );
    let channel = channel.map_err(Error::Runtime)?;
    let replacement = Arc::new(ReplacementRequest::new(Arc::clone(&channel)));
    request_replacement_on_signals(&replacement, &phase).map_err(Error::Runtime)?;
    let on_bug = {
        let replacement = Arc::clone(&replacement);
        move || replacement.send(WorkerMessage::HadBug)
    };
    let scrape = channel.scraper();
    let context = WorkerContext {
        meter: Arc::clone(&meter),
        scrape,
        failing,
        phase,
    };
    let worker = Worker::new(context, on_bug, service);
    channel.send(WorkerMessage::Version(env!("CARGO_PKG_VERSION").to_owned()));
    channel.send(WorkerMessage::Ready);
    tokio::spawn({
        let channel = Arc::clone(&channel);
        async move {
            loop {
                sleep(HEARTBEAT_INTERVAL).await;
                channel.send(WorkerMessage::Heartbeat);
                replacement.resend();
            }
        }
    });
    let code = worker.serve(listener, turns).await;
    let code = code.map_err(Error::NoSupervisor)?;
    logging::flush_or_drop();
    channel.close(WorkerMessage::Metrics(meter.metrics().to_line()));
    Ok(code)
}

/// Makes the kernel kill this process when the supervisor exits, even if this process is
/// stopped or hangs. If the supervisor has already exited, the closed control channel
/// makes this process exit.
fn die_with_parent() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{prctl, signal::Signal};
        // On other systems, or if this fails, the closed control channel makes this
        // process exit.
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    }
}

fn inherited_sockets() -> io::Result<(net::TcpListener, UnixStream)> {
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let channel: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    let listener = net::TcpListener::from(socket);
    // Both are checked before they are modified, because they may be a terminal.
    listener.local_addr()?;
    let channel = UnixStream::from(channel);
    channel.peer_addr()?;
    listener.set_nonblocking(true)?;
    // Otherwise, standard input would keep the socket open while this process drains, and
    // new connections would wait in a queue that no process accepts from.
    dup2_stdin(File::open("/dev/null")?)?;
    Ok((listener, channel))
}

/// A worker's request to be replaced.
struct ReplacementRequest {
    channel: Arc<ControlChannel>,
    reason: OnceLock<WorkerMessage>,
}

impl ReplacementRequest {
    fn new(channel: Arc<ControlChannel>) -> Self {
        ReplacementRequest {
            channel,
            reason: OnceLock::new(),
        }
    }

    /// Sends the request. Later calls are ignored.
    fn send(&self, reason: WorkerMessage) {
        if self.reason.set(reason).is_ok() {
            self.resend();
        }
    }

    /// Repeats the request if one was sent, because a full channel drops messages.
    fn resend(&self) {
        if let Some(reason) = self.reason.get() {
            self.channel.send(reason.clone());
        }
    }
}

/// Requests a replacement at the first signal and stops at the second. Service managers
/// signal all processes of a service at the same time, including the workers.
fn request_replacement_on_signals(
    replacement: &Arc<ReplacementRequest>,
    phase: &Arc<watch::Sender<Phase>>,
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (replacement, phase) = (Arc::clone(replacement), Arc::clone(phase));
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        replacement.send(WorkerMessage::GotSignal);
        next().await;
        advance(&phase, Phase::Stopping);
    });
    Ok(())
}
