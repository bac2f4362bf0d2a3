//! A worker process that was started by a supervisor.
//!
//! It inherits the listening sockets, which the supervisor shares with all workers, the
//! [`ControlChannel`] to the supervisor, which works in both directions, and the table of
//! [`turns`](crate::turns), if one exists. A worker with a bug requests a replacement and
//! serves until the supervisor tells it to drain.

mod control_channel;

use crate::{
    control::{HEARTBEAT_INTERVAL, WorkerMessage},
    error::Error,
    handle::{FailingWorkers, Worker},
    inheritance::Inherited,
    logging,
    metrics::Meter,
    options::{Options, create_service},
    phase::{Phase, advance},
    service::HttpService,
    tls::Tls,
    worker::{WorkerContext, WorkerServer},
};
use control_channel::ControlChannel;
use highwater::{BoxError, error::Classification};
use std::{
    io,
    process::ExitCode,
    sync::{Arc, OnceLock},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::sleep,
};

/// Serves on the inherited sockets until the supervisor stops this worker or exits.
///
/// # Errors
///
/// If the system lacks resources. If `service` fails, the supervisor reports the error.
pub(crate) async fn serve<F, Fut, S, E>(
    inherited: Inherited,
    options: Options,
    version: Option<String>,
    service: F,
) -> Result<ExitCode, Error>
where
    F: FnOnce(Worker) -> Fut,
    Fut: Future<Output = Result<S, E>>,
    S: HttpService,
    E: Into<BoxError>,
{
    die_with_parent();
    logging::start(options.log_level).map_err(Error::Runtime)?;
    let phase = Arc::new(watch::Sender::new(Phase::Serving));
    let meter = Arc::new(Meter::default());
    let failing = FailingWorkers::default();
    let channel = ControlChannel::open(
        &inherited.control,
        Arc::clone(&phase),
        Arc::clone(&meter),
        failing.clone(),
    );
    let channel = channel.map_err(Error::Runtime)?;
    let replacement = Arc::new(ReplacementRequest::new(Arc::clone(&channel)));
    request_replacement_on_signals(&replacement, &phase).map_err(Error::Runtime)?;
    let on_bug = Arc::clone(&replacement);
    let on_retire = Arc::clone(&replacement);
    let worker = WorkerServer::new(WorkerContext {
        id: inherited.id,
        local_addr: {
            let addr = inherited.listeners.service.local_addr();
            addr.map_err(Error::Runtime)?
        },
        limits: options.limits,
        endpoints: options.endpoints,
        drains_endpoints: true,
        tls: options.tls.as_ref().map(Tls::load).transpose()?,
        trusted_proxies: options.trusted_proxies,
        handler: options.handler,
        access_log: options.access_log,
        meter: Arc::clone(&meter),
        scrape: channel.scraper(),
        failing,
        phase,
        on_bug: Box::new(move || on_bug.send(WorkerMessage::HadBug)),
        on_retire: Box::new(move |reason| {
            on_retire.send(WorkerMessage::Retire(logging::one_line(reason)));
        }),
    });
    let service = match create_service(service, worker.handle()).await {
        Ok(service) => service,
        Err(cause) => {
            let classification = Classification::of(&*cause);
            channel.close(WorkerMessage::Failed {
                is_transient: classification.is_some_and(|it| it.is_transient()),
                cause: logging::one_line(&cause.to_string()),
            });
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(version) = version {
        channel.send(WorkerMessage::Version(logging::one_line(&version)));
    }
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
    let code = worker
        .serve(inherited.listeners, inherited.turns, service)
        .await;
    let code = code.map_err(Error::Runtime)?;
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
