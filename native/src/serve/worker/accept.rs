//! Taking connections out of the socket's queue.

use super::{
    Phase,
    gate::{Gate, Place},
    reached,
};
use std::{
    io, iter,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::yield_now,
    time::sleep,
};

/// The first wait when the system lets no connection in. Each further one is
/// twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many times the loop goes round between two connections, and how long.
const MOST_TURNS: usize = 64;
const LONGEST_TURNS: Duration = Duration::from_micros(50);

/// How many of those that are in the queue are taken at the end: as many as there
/// can be, so that it ends if others keep coming.
const MOST_REST: usize = 4096;

/// Where connections come from.
pub(super) trait Accept: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one, when there is one. Dropped before that, it takes none.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Those that are there already, without waiting for more.
    fn rest(self) -> impl Iterator<Item = Self::Stream> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        // Small events are to arrive when they happen, not when more follow.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn rest(self) -> impl Iterator<Item = TcpStream> + Send {
        // The system is asked: what the runtime knows may be out of date.
        let listener = self.into_std().ok();
        iter::from_fn(move || {
            loop {
                match listener.as_ref()?.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(true).ok()?;
                        let _ = stream.set_nodelay(true);
                        return TcpStream::from_std(stream).ok();
                    }
                    Err(error) if is_of_the_client(&error) => {}
                    Err(_) => return None,
                }
            }
        })
    }
}

/// Hands connections to `take`, each with its place, until the worker drains. The
/// listener is gone then: those that come later are for another process that has
/// the same socket.
///
/// If there is no other one, whoever is in the queue when the last listener is gone
/// is cut off. So those that are there already are taken at the end, unless
/// `has_bug` says that this process is to answer nobody whom it need not answer.
///
/// Where there is no place for more, none is accepted until one is free. Nobody is
/// refused: the queue of the socket holds them.
pub(super) async fn accept_all<A: Accept>(
    mut listener: A,
    gate: Arc<Gate>,
    phase: watch::Receiver<Phase>,
    has_bug: watch::Receiver<bool>,
    mut take: impl FnMut(A::Stream, Place),
) {
    let accepting = async {
        let mut wait = FIRST_WAIT;
        loop {
            let mut place = gate.place().await;
            match listener.accept().await {
                Ok(stream) => {
                    wait = FIRST_WAIT;
                    place.take();
                    take(stream, place);
                    give_way(gate.open()).await;
                }
                Err(error) if is_of_the_client(&error) => {
                    gate.meter.has_not_accepted();
                    yield_now().await;
                }
                Err(error) => {
                    gate.meter.has_not_accepted();
                    drop(place);
                    gate.is_short(&error);
                    sleep(wait).await;
                    wait = LONGEST_WAIT.min(2 * wait);
                }
            }
        }
    };
    tokio::select! {
        // In this order: once it drains not one more is accepted.
        biased;
        () = reached(phase, Phase::Drains) => {}
        () = accepting => {}
    }
    if *has_bug.borrow() {
        return;
    }
    for stream in listener.rest().take(MOST_REST) {
        let Some(mut place) = gate.free_place() else {
            break;
        };
        place.take();
        take(stream, place);
    }
}

/// Lets others go first, before the next connection: those that are open, and
/// another worker that has fewer of them.
///
/// All workers wait for one socket, and the system wakes them all; without this,
/// the one that is awake already takes a whole burst. The more it has, the longer
/// it holds back, but never for long: a loop that is busy goes round once.
async fn give_way(open: usize) {
    let begin = Instant::now();
    for _ in 0..open.clamp(1, MOST_TURNS) {
        yield_now().await;
        if begin.elapsed() > LONGEST_TURNS {
            break;
        }
    }
}

/// Whether it says something of that one connection only: it was gone before it
/// was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
