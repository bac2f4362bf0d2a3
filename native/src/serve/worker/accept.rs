//! Taking connections out of the socket's queue.

use super::{
    Phase,
    connection_limit::{ConnectionLimit, ConnectionPermit},
    phase_reached,
};
use crate::serve::turns::{TurnWait, Turns};
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
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// The looks that a worker takes without a sleep in between while it is not its turn,
/// and the time limit for them. Where the others run too, this is all it takes.
const QUICK_CHECKS: usize = 8;
const QUICK_CHECKS_WITHIN: Duration = Duration::from_micros(50);

/// The sleep between two looks, unless another connection arrives.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The most connections that a worker that is behind the others takes without letting
/// its open connections continue.
const MAX_CATCH_UP: usize = 64;

/// How many of those that are in the queue are taken at the end: as many as there
/// can be, so that it ends if others keep coming.
const MAX_FINAL_ACCEPTS: usize = 4096;

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
pub(super) use unix::Queue;

#[cfg(unix)]
mod unix {
    use super::{Accept, set_nodelay};
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
            set_nodelay(&stream);
            Ok(stream)
        }
    }
}

#[cfg(not(unix))]
pub(super) use elsewhere::Queue;

#[cfg(not(unix))]
mod elsewhere {
    use super::{Accept, set_nodelay};
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
            set_nodelay(&stream);
            Ok(stream)
        }
    }
}

/// Small events are to arrive when they happen, not when more follow.
fn set_nodelay(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// Hands connections to `serve`, each with its permit, until the worker drains. The
/// queue is dropped then: connections that arrive later are for another process that
/// has the same socket.
///
/// If there is no other process, what is in the queue when the last listener is
/// closed is cut off. Therefore the connections that are there already are taken at
/// the end, unless `bug` says that this process is to answer nobody whom it need
/// not answer.
///
/// While all places are taken, no connection is accepted. None is refused: the queue
/// holds them, or another worker takes them.
pub(super) async fn accept_all<A: Accept>(
    mut queue: A,
    turns: Turns,
    connection_limit: Arc<ConnectionLimit>,
    phase: watch::Receiver<Phase>,
    bug: watch::Receiver<bool>,
    mut serve: impl FnMut(A::Stream, ConnectionPermit),
) {
    tokio::select! {
        // In this order: once it drains not one more is accepted.
        biased;
        () = phase_reached(phase, Phase::Draining) => {}
        () = accept(&mut queue, &turns, &connection_limit, &mut serve) => {}
    }
    drop(turns);
    if *bug.borrow() {
        return;
    }
    for _ in 0..MAX_FINAL_ACCEPTS {
        let Some(mut permit) = connection_limit.try_acquire() else {
            break;
        };
        match queue.try_accept() {
            Ok(stream) => {
                permit.mark_used();
                serve(stream, permit);
            }
            Err(error) if is_client_error(&error) => {}
            Err(_) => break,
        }
    }
}

/// Accepts whenever it is this worker's turn.
async fn accept<A: Accept>(
    queue: &mut A,
    turns: &Turns,
    connection_limit: &Arc<ConnectionLimit>,
    serve: &mut impl FnMut(A::Stream, ConnectionPermit),
) {
    let mut wait = FIRST_BACKOFF;
    let mut catch_up = 0;
    loop {
        let mut permit = if let Some(permit) = connection_limit.try_acquire() {
            permit
        } else {
            turns.leave();
            connection_limit.acquire().await
        };
        turns.join();
        match next(queue, turns).await {
            Ok(stream) => {
                wait = FIRST_BACKOFF;
                turns.took();
                permit.mark_used();
                serve(stream, permit);
                if turns.is_behind() && catch_up < MAX_CATCH_UP {
                    catch_up += 1;
                } else {
                    catch_up = 0;
                    // Those that are open go first.
                    yield_now().await;
                }
            }
            Err(error) if is_client_error(&error) => {
                connection_limit.meter.accept_failed();
                yield_now().await;
            }
            Err(error) => {
                turns.leave();
                connection_limit.meter.accept_failed();
                drop(permit);
                connection_limit.out_of_resources(&error);
                sleep(wait).await;
                wait = MAX_BACKOFF.min(2 * wait);
            }
        }
    }
}

/// Takes the next connection, once there is one and it is this worker's turn.
async fn next<A: Accept>(queue: &mut A, turns: &Turns) -> io::Result<A::Stream> {
    loop {
        let begin = Instant::now();
        let mut quick_checks = 0..QUICK_CHECKS;
        let mut wait = TurnWait::new(begin);
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
            if quick_checks.next().is_some() && begin.elapsed() < QUICK_CHECKS_WITHIN {
                yield_now().await;
            } else {
                tokio::select! {
                    arrival = queue.arrival() => arrival?,
                    () = sleep(CHECK_INTERVAL) => {}
                }
            }
        }
        queue.arrival().await?;
    }
}

/// Whether it says something of that one connection only: it was gone before it
/// was accepted.
fn is_client_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
