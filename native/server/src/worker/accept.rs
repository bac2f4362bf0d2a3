//! Accepting connections from the accept queue.

use super::{
    connection_limit::{ConnectionLimit, ConnectionPermit},
    raw_stream::RawStream,
};
use crate::{
    listen::Listener,
    phase::{Phase, phase_reached},
    turns::{TurnWait, Turns},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::yield_now,
    time::{Instant, sleep},
};

/// The first delay after the system failed to accept a connection. It doubles with each
/// further failure, up to [`MAX_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// The maximum number of turn checks without sleeping in between. They suffice while the
/// other workers are running.
const MAX_QUICK_CHECKS: usize = 8;

/// The time limit for checks without sleeping.
const QUICK_CHECKS_TIMEOUT: Duration = Duration::from_micros(50);

/// The sleep between later checks, unless a connection arrives first.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The maximum number of connections that a worker accepts without yielding to its open
/// connections. A busy event loop returns here only once in a while.
const MAX_IN_A_ROW: usize = 64;

/// The maximum number of queued connections that a draining worker accepts. It equals the
/// queue's capacity, so that the loop terminates even if connections keep arriving.
const MAX_FINAL_ACCEPTS: usize = 4096;

/// An accept queue.
pub(super) trait AcceptQueue: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Completes when a connection may have arrived since the previous completion.
    /// Dropping the future does not lose an arrival.
    fn arrival(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Returns true if a connection is in the queue.
    fn has_connection(&mut self) -> bool;

    /// Accepts the next connection.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if the queue is empty.
    fn try_accept(&mut self) -> io::Result<Accepted<Self::Stream>>;
}

/// An accepted connection.
#[derive(Debug)]
pub(super) struct Accepted<I> {
    pub(super) stream: I,
    /// The address of the other end. `None` for a Unix socket.
    pub(super) peer: Option<SocketAddr>,
}

#[cfg(unix)]
pub(super) use unix::ListenerQueue;

#[cfg(unix)]
mod unix {
    use super::{AcceptQueue, Accepted, Listener, RawStream, set_nodelay};
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::{io, os::fd::AsFd};
    use tokio::{
        io::{Interest, unix::AsyncFd},
        net::{TcpStream, UnixStream},
    };

    /// The accept queue of a socket that other processes may share.
    #[derive(Debug)]
    pub(in crate::worker) struct ListenerQueue(AsyncFd<Listener>);

    impl ListenerQueue {
        pub(in crate::worker) fn new(listener: Listener) -> io::Result<Self> {
            let interest = Interest::READABLE;
            // SAFETY: the listener owns its descriptor, which stays open until the
            // listener is dropped.
            Ok(ListenerQueue(unsafe {
                AsyncFd::register_with_interest(listener, interest)
            }?))
        }
    }

    impl AcceptQueue for ListenerQueue {
        type Stream = RawStream;

        async fn arrival(&mut self) -> io::Result<()> {
            self.0.readable().await?.clear_ready();
            Ok(())
        }

        fn has_connection(&mut self) -> bool {
            let mut queue = [PollFd::new(self.0.get_ref().as_fd(), PollFlags::POLLIN)];
            // If the poll fails, accepting reports the error.
            poll(&mut queue, PollTimeout::ZERO) != Ok(0)
        }

        fn try_accept(&mut self) -> io::Result<Accepted<RawStream>> {
            match self.0.get_ref() {
                Listener::Tcp(listener) => {
                    let (stream, peer) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    let stream = TcpStream::from_std(stream)?;
                    set_nodelay(&stream);
                    Ok(Accepted {
                        stream: RawStream::Tcp(stream),
                        peer: Some(peer),
                    })
                }
                Listener::Unix { listener, .. } => {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Ok(Accepted {
                        stream: RawStream::Unix(UnixStream::from_std(stream)?),
                        peer: None,
                    })
                }
            }
        }
    }
}

#[cfg(not(unix))]
pub(super) use other_platforms::ListenerQueue;

#[cfg(not(unix))]
mod other_platforms {
    use super::{AcceptQueue, Accepted, Listener, RawStream, set_nodelay};
    use futures_util::FutureExt;
    use std::{io, net::SocketAddr};
    use tokio::net::{TcpListener, TcpStream};

    /// The accept queue of a socket that no other process shares.
    #[derive(Debug)]
    pub(in crate::worker) struct ListenerQueue {
        listener: TcpListener,
        next: Option<(TcpStream, SocketAddr)>,
    }

    impl ListenerQueue {
        pub(in crate::worker) fn new(Listener::Tcp(listener): Listener) -> io::Result<Self> {
            Ok(ListenerQueue {
                listener: TcpListener::from_std(listener)?,
                next: None,
            })
        }
    }

    impl AcceptQueue for ListenerQueue {
        type Stream = RawStream;

        async fn arrival(&mut self) -> io::Result<()> {
            if self.next.is_none() {
                self.next = Some(self.listener.accept().await?);
            }
            Ok(())
        }

        fn has_connection(&mut self) -> bool {
            self.next.is_some()
        }

        fn try_accept(&mut self) -> io::Result<Accepted<RawStream>> {
            let (stream, peer) = match self.next.take() {
                Some(accepted) => accepted,
                None => match self.listener.accept().now_or_never() {
                    Some(accepted) => accepted?,
                    None => return Err(io::ErrorKind::WouldBlock.into()),
                },
            };
            set_nodelay(&stream);
            Ok(Accepted {
                stream: RawStream::Tcp(stream),
                peer: Some(peer),
            })
        }
    }
}

/// Disables Nagle's algorithm, so that small events are sent immediately.
fn set_nodelay(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// Passes connections with their permits to `serve` until the worker drains. Then the
/// queue is dropped, and later connections go to other processes that share the socket.
///
/// If there is no other process, closing the last listener resets the queued connections.
/// Therefore the worker first accepts the connections that are already queued, unless it
/// hit a bug and should serve as little as possible.
///
/// While all permits are in use, new connections are neither accepted nor refused: they
/// stay in the queue, or another worker accepts them.
pub(super) async fn accept_all<A: AcceptQueue>(
    mut queue: A,
    turns: Turns,
    connection_limit: Arc<ConnectionLimit>,
    phase: watch::Receiver<Phase>,
    has_bug: watch::Receiver<bool>,
    mut serve: impl FnMut(Accepted<A::Stream>, ConnectionPermit),
) {
    tokio::select! {
        // Polled in this order, so that a draining worker accepts no more connections.
        biased;
        () = phase_reached(phase, Phase::Draining) => {}
        () = accept_in_turn(&mut queue, &turns, &connection_limit, &mut serve) => {}
    }
    drop(turns);
    if *has_bug.borrow() {
        return;
    }
    for _ in 0..MAX_FINAL_ACCEPTS {
        let Some(mut permit) = connection_limit.try_acquire() else {
            break;
        };
        match queue.try_accept() {
            Ok(accepted) => {
                permit.mark_used();
                serve(accepted, permit);
            }
            Err(error) if is_client_error(&error) => {}
            Err(_) => break,
        }
    }
}

/// Accepts connections whenever it is this worker's turn.
async fn accept_in_turn<A: AcceptQueue>(
    queue: &mut A,
    turns: &Turns,
    connection_limit: &Arc<ConnectionLimit>,
    serve: &mut impl FnMut(Accepted<A::Stream>, ConnectionPermit),
) {
    let mut backoff = FIRST_BACKOFF;
    let mut accepted_count = 0;
    loop {
        let mut permit = if let Some(permit) = connection_limit.try_acquire() {
            permit
        } else {
            turns.leave();
            connection_limit.acquire().await
        };
        turns.join();
        match accept_next(queue, turns).await {
            Ok(accepted) => {
                backoff = FIRST_BACKOFF;
                turns.count_accepted();
                permit.mark_used();
                serve(accepted, permit);
                if accepted_count < MAX_IN_A_ROW {
                    accepted_count += 1;
                } else {
                    accepted_count = 0;
                    // Open connections take precedence.
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
                connection_limit.record_resource_error(&error);
                sleep(backoff).await;
                backoff = MAX_BACKOFF.min(2 * backoff);
            }
        }
    }
}

/// Accepts the next connection as soon as there is one and it is this worker's turn.
async fn accept_next<A: AcceptQueue>(
    queue: &mut A,
    turns: &Turns,
) -> io::Result<Accepted<A::Stream>> {
    loop {
        let begin = Instant::now();
        let mut quick_checks = 0..MAX_QUICK_CHECKS;
        let mut wait = TurnWait::new(begin);
        loop {
            if turns.check(&mut wait, Instant::now()) {
                match queue.try_accept() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    accepted => return accepted,
                }
            }
            if !queue.has_connection() {
                break;
            }
            if quick_checks.next().is_some() && begin.elapsed() < QUICK_CHECKS_TIMEOUT {
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

/// Returns true if the error affects only one connection, which was closed before it was
/// accepted.
fn is_client_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
