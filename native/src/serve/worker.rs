//! The process that serves, until it is told to end or has a bug.

mod accept;
mod connection;
mod episode;
mod gate;
mod limits;
mod malformed;
mod pulse;
mod socket;
#[cfg(test)]
mod tests;
mod watched;

pub(super) use limits::Limits;
pub(super) use pulse::Overdue;

use super::{
    api, errors,
    metrics::{Meter, Scrape},
    routes::{Site, router},
    service::{self, Errorproof, FailingWorkers, Shared},
    turns::Turns,
};
use crate::logging;
use accept::{Accept, Queue, accept_all};
use axum::routing::RouterIntoService;
use gate::Gate;
use highwater::error::Handler;
use hyper::body::Incoming;
use malformed::Malformed;
use std::{
    io,
    net::TcpListener,
    process::{self, ExitCode},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use watched::Served;

/// How a serving process ends that had a bug: as `sysexits.h` has it for an
/// error in the program itself.
pub(super) const EXIT_BUG: u8 = 70;

/// How long clients have to take what they were promised once the server is
/// asked to end.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long requests have that are under way when a worker is replaced. Another
/// process serves meanwhile, so that nobody waits for it.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(30);

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

/// What a worker serves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// The page and its API.
    Page(Site<'a>),
    /// As good as nothing, and faults if they are wanted.
    Plain { faults: bool },
}

/// All that is needed to serve, but for connections.
///
/// What may fail or panic as it is made has been made: a worker that is there can
/// say that it is ready.
pub(super) struct Worker {
    service: Services,
    limits: Limits,
    meter: Arc<Meter>,
    phase: Arc<watch::Sender<Phase>>,
    bug: watch::Receiver<bool>,
    handler: Arc<Handler>,
}

/// What connects a worker with whoever runs it.
pub(super) struct Links {
    pub(super) meter: Arc<Meter>,
    /// What `GET /metrics` tells.
    pub(super) scrape: Scrape,
    /// What `GET /readyz` tells.
    pub(super) failing: FailingWorkers,
    pub(super) phase: Arc<watch::Sender<Phase>>,
}

/// The parts of a worker that its connections need beside the service.
struct Serving {
    limits: Limits,
    meter: Arc<Meter>,
    phase: Arc<watch::Sender<Phase>>,
    bug: watch::Receiver<bool>,
    malformed: Malformed,
}

enum Services {
    Page(RouterIntoService<Incoming>),
    Plain(Errorproof),
}

impl Worker {
    /// Creates a worker that serves until its phase says that it is over. `has_bug` is
    /// called at the first bug, and decides whether that is the end.
    pub(super) fn new(
        content: Content<'_>,
        links: Links,
        has_bug: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let Links {
            meter,
            scrape,
            failing,
            phase,
        } = links;
        let limits = Limits::of_this_process();
        let (note_bug, bug) = watch::channel(false);
        let handler = errors::handler();
        let layer = errors::layer(Arc::clone(&handler), move || {
            if !note_bug.send_replace(true) {
                has_bug();
            }
        });
        let shared = Shared {
            limits,
            phase: phase.subscribe(),
            scrape,
            failing,
        };
        let service = match content {
            Content::Page(site) => {
                let state = Arc::new(api::State::new(phase.subscribe()));
                Services::Page(router(site, state, &shared, layer).into_service())
            }
            Content::Plain { faults } => {
                let meter = Arc::clone(&meter);
                Services::Plain(service::service(shared, meter, faults, &layer))
            }
        };
        Worker {
            service,
            limits,
            meter,
            phase,
            bug,
            handler,
        }
    }

    /// Serves to the end. The code says whether there was a bug.
    ///
    /// # Errors
    ///
    /// If the runtime cannot wait for connections at this listener, which must be
    /// non-blocking.
    pub(super) async fn serve(self, listener: TcpListener, turns: Turns) -> io::Result<ExitCode> {
        let queue = Queue::new(listener)?;
        let Worker {
            service,
            limits,
            meter,
            phase,
            bug,
            handler,
        } = self;
        let serving = Serving {
            limits,
            meter,
            phase,
            bug: bug.clone(),
            malformed: Malformed::new(handler),
        };
        match service {
            Services::Page(page) => serve_on(queue, turns, page, serving).await,
            Services::Plain(plain) => serve_on(queue, turns, plain, serving).await,
        }
        Ok(if *bug.borrow() {
            ExitCode::from(EXIT_BUG)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Serves anything on connections from anywhere.
///
/// When it drains, no more connections are accepted but those that are in the queue
/// already. All that are open are served for the time of the
/// [linger](Limits::linger), each answer with `Connection: close`; then those that
/// ask nothing are closed, and requests that are under way are finished. It ends
/// with the last connection, or at its deadline, which cuts what is left.
async fn serve_on<A: Accept, S: Served>(queue: A, turns: Turns, service: S, serving: Serving) {
    let Serving {
        limits,
        meter,
        phase,
        bug,
        malformed,
    } = serving;
    let watched = phase.subscribe();
    let gate = Arc::new(Gate::new(limits, Arc::clone(&meter), watched.clone()));
    let malformed = Arc::new(malformed);
    let take = |stream, place| {
        let (gate, malformed) = (Arc::clone(&gate), Arc::clone(&malformed));
        let service = service.clone();
        tokio::spawn(connection::serve(stream, service, gate, malformed, place));
    };
    let accepting = accept_all(queue, turns, Arc::clone(&gate), watched.clone(), bug, take);
    let ending = async {
        accepting.await;
        drain(&gate, &limits, &phase).await;
    };
    tokio::select! {
        () = ending => {}
        () = meter.watch_loop() => {}
    }
}

/// Lets the connections that are open come to their end.
async fn drain(gate: &Gate, limits: &Limits, phase: &watch::Sender<Phase>) {
    let watched = phase.subscribe();
    let closed = async {
        tokio::select! {
            () = gate.is_empty() => return,
            () = sleep(limits.linger) => {}
            () = reached(watched.clone(), Phase::Ends) => {}
        }
        gate.close();
        gate.is_empty().await;
    };
    let deadline = async {
        // Not for ever: somebody may be told an endless run.
        let _ = timeout(limits.drain, reached(watched.clone(), Phase::Ends)).await;
        advance(phase, Phase::Ends);
        sleep(limits.grace).await;
    };
    tokio::select! {
        () = closed => {}
        () = deadline => {}
    }
}

/// A line about a worker, with the number of its process.
fn log(line: &str) {
    logging::line(&format!("process {}: {line}", process::id()));
}
