//! The process that serves, until it is told to end or has a bug.

use super::{
    api, errors,
    routes::{Site, router},
};
use axum::serve::{Listener, ListenerExt};
use std::{io, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

/// How a serving process ends that had a bug: as `sysexits.h` has it for an
/// error in the program itself.
pub(super) const EXIT_BUG: u8 = 70;

/// How long clients have to take what they were promised once the server is
/// asked to end.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long requests have that are under way when there is a bug. Another
/// process serves meanwhile, so that nobody waits for it.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// How long connections that are open stay so when there is a bug. A request
/// that is just on its way is still answered, and told that it was the last.
const LINGER: Duration = Duration::from_secs(1);

/// How far it is. It only goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serves,
    /// It takes no more requests, and finishes what it has.
    Drains,
    /// What is not finished is cut short.
    Ends,
}

/// Goes on to a phase, unless it is there or further; whether it did.
pub(super) fn advance(phase: &watch::Sender<Phase>, to: Phase) -> bool {
    phase.send_if_modified(|phase| {
        let goes_on = *phase < to;
        *phase = to.max(*phase);
        goes_on
    })
}

/// Completes when that phase has come.
pub(super) async fn reached(mut phase: watch::Receiver<Phase>, which: Phase) {
    // An error means that who tells is gone, which is the end as well.
    let _ = phase.wait_for(|phase| *phase >= which).await;
}

/// Serves until `phase` says that it is over. A bug advances that itself, after
/// `has_bug` was called; the first one, that is.
pub(super) async fn serve(
    listener: TcpListener,
    site: Site<'_>,
    phase: Arc<watch::Sender<Phase>>,
    has_bug: impl Fn() + Send + Sync + 'static,
) -> ExitCode {
    let watched = phase.subscribe();
    let (note_bug, bug) = watch::channel(false);
    let handler = errors::layer({
        let phase = Arc::clone(&phase);
        move || {
            if !note_bug.send_replace(true) && *phase.borrow() == Phase::Serves {
                has_bug();
            }
            advance(&phase, Phase::Drains);
        }
    });
    let state = Arc::new(api::State::new(watched.clone()));
    let listener = Accepting {
        listener: Some(listener),
        phase: watched.clone(),
    };
    let listener = listener.tap_io(|connection| {
        // Small events are to arrive when they happen, not when more follow.
        let _ = connection.set_nodelay(true);
    });
    let server = axum::serve(listener, router(site, state, handler))
        .with_graceful_shutdown(lingered(watched.clone()))
        .into_future();
    let deadline = async {
        reached(watched.clone(), Phase::Drains).await;
        // Not for ever: somebody may be told an endless run.
        let _ = timeout(DRAIN_WITHIN, reached(watched, Phase::Ends)).await;
        advance(&phase, Phase::Ends);
        sleep(GRACE).await;
    };
    tokio::select! {
        _ = server => {}
        () = deadline => {}
    }
    if *bug.borrow() {
        ExitCode::from(EXIT_BUG)
    } else {
        ExitCode::SUCCESS
    }
}

/// Completes when open connections that ask nothing are to be closed.
async fn lingered(phase: watch::Receiver<Phase>) {
    reached(phase.clone(), Phase::Drains).await;
    let _ = timeout(LINGER, reached(phase, Phase::Ends)).await;
}

/// Accepts connections as long as it serves. Those that come later are for
/// another process that has the same socket.
struct Accepting {
    listener: Option<TcpListener>,
    phase: watch::Receiver<Phase>,
}

impl Listener for Accepting {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                // In this order: after a bug not one more is accepted.
                biased;
                () = reached(self.phase.clone(), Phase::Drains) => {}
                connection = Listener::accept(listener) => return connection,
            }
        }
        self.listener = None;
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.listener {
            Some(listener) => listener.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
