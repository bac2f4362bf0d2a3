//! Being the serving process of a supervisor.
//!
//! Its standard input is the socket that it accepts connections from, which the
//! supervisor holds for all its processes in turn. Its standard output is the line
//! to the supervisor, both ways.

use super::{
    control::{Order, Word},
    metrics::{self, Meter},
    routes::Site,
    worker::{Content, Phase, Worker, advance},
};
use crate::{cli::WorkerOptions, error::Error};
use std::{
    io::{self, BufRead, BufReader, Write},
    net,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{self, ExitCode},
    sync::Arc,
    thread,
};
use tokio::{net::TcpListener, sync::watch};

/// How it exits if the supervisor is gone.
const EXIT_ORPHANED: i32 = 1;

/// Serves what it has inherited, until it is told to end, has a bug, or is alone.
///
/// # Errors
///
/// If a supervisor did not start it.
pub(crate) async fn serve(options: &WorkerOptions) -> Result<ExitCode, Error> {
    let (listener, line) = inherited().map_err(Error::NotAWorker)?;
    let phase = Arc::new(watch::Sender::new(Phase::Serves));
    listen(&line, Arc::clone(&phase)).map_err(Error::Runtime)?;
    let faults = options.faults;
    let content = match &options.www {
        Some(www) => Content::Page(Site { www, faults }),
        None => Content::Plain { faults },
    };
    let meter = Arc::new(Meter::default());
    let scrape = metrics::of_one(&meter);
    let line = Arc::new(line);
    let has_bug = {
        let line = Arc::clone(&line);
        move || say(&line, Word::Drains)
    };
    let worker = Worker::new(content, meter, scrape, phase, has_bug);
    say(&line, Word::Ready);
    Ok(worker.serve(listener).await)
}

fn inherited() -> io::Result<(TcpListener, UnixStream)> {
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let line: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    let listener = net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    listener.local_addr()?;
    let line = UnixStream::from(line);
    line.peer_addr()?;
    Ok((TcpListener::from_std(listener)?, line))
}

/// Follows orders, on a thread of its own: it is to end with the supervisor even
/// if a bug holds up the loop.
fn listen(line: &UnixStream, phase: Arc<watch::Sender<Phase>>) -> io::Result<()> {
    let line = BufReader::new(line.try_clone()?);
    let follow = move || {
        for order in line.lines() {
            match order.ok().as_deref().map(Order::parse) {
                Some(Some(Order::Stop)) => {
                    advance(&phase, Phase::Ends);
                }
                // A supervisor of another build, perhaps.
                Some(None) => {}
                None => break,
            }
        }
        process::exit(EXIT_ORPHANED);
    };
    let thread = thread::Builder::new().name("orders".to_owned());
    thread.spawn(follow).map(drop)
}

fn say(mut line: &UnixStream, word: Word) {
    // If nobody hears it, the thread that listens ends the process.
    let _ = writeln!(line, "{word}");
}
