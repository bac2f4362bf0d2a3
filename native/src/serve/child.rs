//! Being a worker of a supervisor.
//!
//! Its standard input is the socket that it accepts connections from, which the
//! supervisor holds for all its workers. Its standard output is the line to the
//! supervisor, both ways. A worker that has a bug asks the supervisor to replace it,
//! and serves until it is told to drain. It also inherits the table of [`turns`], if there is one.

mod line;

use super::{
    control::{BEAT_EVERY, Word},
    metrics::Meter,
    routes::Site,
    service::FailingWorkers,
    turns,
    worker::{Content, Links, Phase, Worker, advance},
};
use crate::{cli::WorkerOptions, error::Error, logging};
use line::Line;
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

/// Serves what it has inherited, until it is told to end, has a bug, or is alone.
///
/// # Errors
///
/// If a supervisor did not start it.
pub(crate) async fn serve(options: &WorkerOptions) -> Result<ExitCode, Error> {
    end_with_parent();
    let (listener, line) = inherited().map_err(Error::NoSupervisor)?;
    logging::start(options.log_level, true).map_err(Error::Runtime)?;
    let turns = turns::inherit();
    let phase = Arc::new(watch::Sender::new(Phase::Serves));
    let meter = Arc::new(Meter::default());
    let failing = FailingWorkers::default();
    let line = Line::open(
        &line,
        Arc::clone(&phase),
        Arc::clone(&meter),
        failing.clone(),
    );
    let line = line.map_err(Error::Runtime)?;
    let retirement = Arc::new(Retirement::new(Arc::clone(&line)));
    retire_on_signals(&retirement, &phase).map_err(Error::Runtime)?;
    let faults = options.faults;
    let hosts = options.hosts();
    let content = match &options.www {
        Some(www) => Content::Page(Site {
            www,
            faults,
            hosts: &hosts,
        }),
        None => Content::Plain { faults },
    };
    let has_bug = {
        let retirement = Arc::clone(&retirement);
        move || retirement.ask(Word::HadBug)
    };
    let scrape = line.scrape();
    let links = Links {
        meter: Arc::clone(&meter),
        scrape,
        failing,
        phase,
    };
    let worker = Worker::new(content, links, has_bug);
    line.say(Word::Version(env!("CARGO_PKG_VERSION").to_owned()));
    line.say(Word::Ready);
    tokio::spawn({
        let line = Arc::clone(&line);
        async move {
            loop {
                sleep(BEAT_EVERY).await;
                line.say(Word::Beat);
                retirement.ask_again();
            }
        }
    });
    let code = worker.serve(listener, turns).await;
    let code = code.map_err(Error::NoSupervisor)?;
    logging::give_up();
    line.close(Word::Metrics(meter.metrics().to_line()));
    Ok(code)
}

/// Has the system kill this process when the supervisor is gone, even if it is
/// stopped or its threads hang. It may be gone already: then the line has its end.
fn end_with_parent() {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{prctl, signal::Signal};
        // Elsewhere, and if it fails, the line is what ends it.
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    }
}

fn inherited() -> io::Result<(net::TcpListener, UnixStream)> {
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let line: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    let listener = net::TcpListener::from(socket);
    // First of all: what is none of ours, a terminal perhaps, is to stay as it is.
    listener.local_addr()?;
    let line = UnixStream::from(line);
    line.peer_addr()?;
    listener.set_nonblocking(true)?;
    // Or this process would go on listening when it drains: who came then would wait
    // in the queue of a socket that nobody accepts from.
    dup2_stdin(File::open("/dev/null")?)?;
    Ok((listener, line))
}

/// The wish of a worker to be replaced.
struct Retirement {
    line: Arc<Line>,
    why: OnceLock<Word>,
}

impl Retirement {
    fn new(line: Arc<Line>) -> Self {
        Retirement {
            line,
            why: OnceLock::new(),
        }
    }

    /// Asks the supervisor; only the first reason is told.
    fn ask(&self, why: Word) {
        if self.why.set(why).is_ok() {
            self.ask_again();
        }
    }

    /// Asks once more, if it has asked: a word is lost if the line is full.
    fn ask_again(&self) {
        if let Some(why) = self.why.get() {
            self.line.say(why.clone());
        }
    }
}

/// A signal has it replaced, and a second one ends it. Service managers send them to
/// all processes of a service at once, supervisor and workers alike.
fn retire_on_signals(
    retirement: &Arc<Retirement>,
    phase: &Arc<watch::Sender<Phase>>,
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (retirement, phase) = (Arc::clone(retirement), Arc::clone(phase));
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        retirement.ask(Word::GotSignal);
        next().await;
        advance(&phase, Phase::Ends);
    });
    Ok(())
}
