//! Taking connections out of the socket's queue.

use super::{
    Phase,
    gate::{Gate, Place},
    reached,
};
use crate::serve::turns::{Turns, Wait};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::yield_now,
    time::{Instant, sleep},
};

/// The first wait when the system lets no connection in. Each further one is
/// twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The looks that a worker takes without a sleep in between while it is not its turn,
/// and the time limit for them. Where the others run too, this is all it takes.
const QUICK_LOOKS: usize = 8;
const QUICK_LOOKS_WITHIN: Duration = Duration::from_micros(50);

/// The sleep between two looks, unless another connection arrives.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The most connections that a worker that is behind the others takes without letting
/// its open connections continue.
const LONGEST_CATCH_UP: usize = 64;

/// How many of those that are in the queue are taken at the end: as many as there
/// can be, so that it ends if others keep coming.
const MOST_REST: usize = 4096;

/// An accept queue.
pub(super) trait Accept: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Completes when a connection may have arrived since the last time it did.
    /// Dropped before that, it misses none.
    fn arrival(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Returns whether a connection is in the queue.
    fn is_pending(&mut self) -> bool;

    /// Takes the next connection.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if there is none.
    fn try_accept(&mut self) -> io::Result<Self::Stream>;
}

#[cfg(unix)]
pub(super) use of_unix::Queue;

#[cfg(unix)]
mod of_unix {
    use super::{Accept, small_events_at_once};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::{io, net::TcpListener, os::fd::AsFd};
    use tokio::{
        io::{Interest, unix::AsyncFd},
        net::TcpStream,
    };

    /// The accept queue of a socket that other processes may have too.
    #[derive(Debug)]
    pub(in crate::serve::worker) struct Queue(AsyncFd<TcpListener>);

    impl Queue {
        /// `listener` must be non-blocking.
        pub(in crate::serve::worker) fn new(listener: TcpListener) -> io::Result<Self> {
            let interest = Interest::READABLE;
            // SAFETY: the listener owns its descriptor, and nothing replaces or closes
            // it before it is dropped.
            Ok(Queue(unsafe {
                AsyncFd::register_with_interest(listener, interest)
            }?))
        }
    }

    impl Accept for Queue {
        type Stream = TcpStream;

        async fn arrival(&mut self) -> io::Result<()> {
            self.0.readable().await?.clear_ready();
            Ok(())
        }

        fn is_pending(&mut self) -> bool {
            let mut queue = [PollFd::new(self.0.get_ref().as_fd(), PollFlags::POLLIN)];
            // If that fails, accepting says why.
            poll(&mut queue, PollTimeout::ZERO) != Ok(0)
        }

        fn try_accept(&mut self) -> io::Result<TcpStream> {
            let (stream, _) = self.0.get_ref().accept()?;
            stream.set_nonblocking(true)?;
            let stream = TcpStream::from_std(stream)?;
            small_events_at_once(&stream);
            Ok(stream)
        }
    }
}

#[cfg(not(unix))]
pub(super) use elsewhere::Queue;

#[cfg(not(unix))]
mod elsewhere {
    use super::{Accept, small_events_at_once};
    use futures::FutureExt;
    use std::io;
    use tokio::net::{TcpListener, TcpStream};

    /// The accept queue of a socket that no other process has.
    #[derive(Debug)]
    pub(in crate::serve::worker) struct Queue {
        listener: TcpListener,
        next: Option<TcpStream>,
    }

    impl Queue {
        /// `listener` must be non-blocking.
        pub(in crate::serve::worker) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
            Ok(Queue {
                listener: TcpListener::from_std(listener)?,
                next: None,
            })
        }
    }

    impl Accept for Queue {
        type Stream = TcpStream;

        async fn arrival(&mut self) -> io::Result<()> {
            if self.next.is_none() {
                self.next = Some(self.listener.accept().await?.0);
            }
            Ok(())
        }

        fn is_pending(&mut self) -> bool {
            self.next.is_some()
        }

        fn try_accept(&mut self) -> io::Result<TcpStream> {
            let stream = match self.next.take() {
                Some(stream) => stream,
                None => match self.listener.accept().now_or_never() {
                    Some(accepted) => accepted?.0,
                    None => return Err(io::ErrorKind::WouldBlock.into()),
                },
            };
            small_events_at_once(&stream);
            Ok(stream)
        }
    }
}

/// Small events are to arrive when they happen, not when more follow.
fn small_events_at_once(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// Hands connections to `take`, each with its place, until the worker drains. The
/// queue is dropped then: connections that arrive later are for another process that
/// has the same socket.
///
/// If there is no other process, what is in the queue when the last listener is
/// closed is cut off. Therefore the connections that are there already are taken at
/// the end, unless `has_bug` says that this process is to answer nobody whom it need
/// not answer.
///
/// While all places are taken, no connection is accepted. None is refused: the queue
/// holds them, or another worker takes them.
pub(super) async fn accept_all<A: Accept>(
    mut queue: A,
    turns: Turns,
    gate: Arc<Gate>,
    phase: watch::Receiver<Phase>,
    has_bug: watch::Receiver<bool>,
    mut take: impl FnMut(A::Stream, Place),
) {
    tokio::select! {
        // In this order: once it drains not one more is accepted.
        biased;
        () = reached(phase, Phase::Drains) => {}
        () = accept(&mut queue, &turns, &gate, &mut take) => {}
    }
    drop(turns);
    if *has_bug.borrow() {
        return;
    }
    for _ in 0..MOST_REST {
        let Some(mut place) = gate.free_place() else {
            break;
        };
        match queue.try_accept() {
            Ok(stream) => {
                place.take();
                take(stream, place);
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(_) => break,
        }
    }
}

/// Accepts whenever it is this worker's turn.
async fn accept<A: Accept>(
    queue: &mut A,
    turns: &Turns,
    gate: &Arc<Gate>,
    take: &mut impl FnMut(A::Stream, Place),
) {
    let mut wait = FIRST_WAIT;
    let mut catches_up = 0;
    loop {
        let mut place = if let Some(place) = gate.free_place() {
            place
        } else {
            turns.leave();
            gate.place().await
        };
        turns.join();
        match next(queue, turns).await {
            Ok(stream) => {
                wait = FIRST_WAIT;
                turns.took();
                place.take();
                take(stream, place);
                if turns.is_behind() && catches_up < LONGEST_CATCH_UP {
                    catches_up += 1;
                } else {
                    catches_up = 0;
                    // Those that are open go first.
                    yield_now().await;
                }
            }
            Err(error) if is_of_the_client(&error) => {
                gate.meter.has_not_accepted();
                yield_now().await;
            }
            Err(error) => {
                turns.leave();
                gate.meter.has_not_accepted();
                drop(place);
                gate.is_short(&error);
                sleep(wait).await;
                wait = LONGEST_WAIT.min(2 * wait);
            }
        }
    }
}

/// Takes the next connection, once there is one and it is this worker's turn.
async fn next<A: Accept>(queue: &mut A, turns: &Turns) -> io::Result<A::Stream> {
    loop {
        let begin = Instant::now();
        let mut quick_looks = 0..QUICK_LOOKS;
        let mut wait = Wait::new(begin);
        loop {
            if turns.look(&mut wait, Instant::now()) {
                match queue.try_accept() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    accepted => return accepted,
                }
            }
            if !queue.is_pending() {
                break;
            }
            if quick_looks.next().is_some() && begin.elapsed() < QUICK_LOOKS_WITHIN {
                yield_now().await;
            } else {
                tokio::select! {
                    arrival = queue.arrival() => arrival?,
                    () = sleep(LOOK_EVERY) => {}
                }
            }
        }
        queue.arrival().await?;
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
