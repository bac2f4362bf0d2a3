//! Being a worker of a supervisor.
//!
//! Its standard input is the socket that it accepts connections from, which the
//! supervisor holds for all its workers. Its standard output is the line to the
//! supervisor, both ways. It also inherits the table of [`turns`], if there is one.

mod line;

use super::{
    control::{BEAT_EVERY, Word},
    metrics::Meter,
    routes::Site,
    turns,
    worker::{Content, Phase, Worker, advance},
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
    sync::Arc,
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
    let (listener, line) = inherited().map_err(Error::NotAWorker)?;
    logging::start(options.log_level, true).map_err(Error::Runtime)?;
    let turns = turns::inherit();
    let phase = Arc::new(watch::Sender::new(Phase::Serves));
    let meter = Arc::new(Meter::default());
    let line = Line::open(&line, Arc::clone(&phase), Arc::clone(&meter));
    let line = line.map_err(Error::Runtime)?;
    leave_on_signals(&line, &phase).map_err(Error::Runtime)?;
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
        let line = Arc::clone(&line);
        move || line.say(Word::Drains)
    };
    let scrape = line.scrape();
    let worker = Worker::new(content, Arc::clone(&meter), scrape, phase, has_bug);
    line.say(Word::Version(env!("CARGO_PKG_VERSION").to_owned()));
    line.say(Word::Ready);
    tokio::spawn({
        let line = Arc::clone(&line);
        async move {
            loop {
                sleep(BEAT_EVERY).await;
                line.say(Word::Beat);
            }
        }
    });
    let code = worker.serve(listener, turns).await;
    let code = code.map_err(Error::NotAWorker)?;
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

/// A signal ends it in peace. Service managers send them to all processes of a
/// service at once, supervisor and workers alike.
fn leave_on_signals(line: &Arc<Line>, phase: &Arc<watch::Sender<Phase>>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (line, phase) = (Arc::clone(line), Arc::clone(phase));
    tokio::spawn(async move {
        for next in [Phase::Drains, Phase::Ends] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if advance(&phase, next) && next == Phase::Drains {
                line.say(Word::Leaves);
            }
        }
    });
    Ok(())
}
