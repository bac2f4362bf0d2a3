//! A load on its way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::arrivals::Arrivals;
use crate::client::{Client, Worker};
use crate::ledger::Ledger;
use crate::plan::Load;
use crate::tally::Tally;

/// How often one looks whether enough has happened.
const LOOK: Duration = Duration::from_millis(5);

/// A load that runs, on a thread of its own, until it is stopped.
///
/// Dropped, it stops as well, and waits until it has.
pub struct RunningLoad {
    shared: Arc<Shared>,
    over: watch::Sender<bool>,
    arrivals: Option<Arrivals>,
    thread: Option<JoinHandle<()>>,
}

impl RunningLoad {
    pub(crate) fn start(load: Load) -> Self {
        let (over, is_over) = watch::channel(false);
        let Load {
            addr,
            path,
            timeout,
            rate,
            groups,
        } = load;
        let shared = Arc::new(Shared {
            addr,
            path,
            timeout,
            over: is_over,
            ledger: Mutex::new(Ledger::new(groups.iter().map(|(client, _)| *client))),
        });
        let arrivals = rate.map(Arrivals::start);
        let due = arrivals.as_ref().map(|arrivals| arrivals.due.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("there is an event loop");
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || runtime.block_on(work(&shared, &groups, due.as_ref())))
        };
        RunningLoad {
            shared,
            over,
            arrivals,
            thread: Some(thread),
        }
    }

    /// What became of the requests so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.lock().clone()
    }

    /// How many requests were sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sum(|tally| tally.sent)
    }

    /// Waits until so many requests were answered, or gives up after a time;
    /// whether they were.
    #[must_use]
    pub fn wait_for_answers(&self, count: u64, patience: Duration) -> bool {
        let since = Instant::now();
        while self.sum(Tally::answered) < count {
            if since.elapsed() > patience {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    }

    /// Has no more requests sent, waits for those that were, and returns what
    /// became of all.
    ///
    /// # Panics
    ///
    /// If a client had a bug.
    #[must_use]
    pub fn stop(mut self) -> Ledger {
        let thread = self.end();
        assert!(thread, "a client has panicked");
        self.ledger()
    }

    /// Whether it came to its end without a panic.
    fn end(&mut self) -> bool {
        let Some(thread) = self.thread.take() else {
            return true;
        };
        self.over.send_replace(true);
        let is_well = thread.join().is_ok();
        if let Some(arrivals) = self.arrivals.take() {
            self.shared.lock().never_sent = arrivals.stop();
        }
        is_well
    }

    fn sum(&self, of: impl Fn(&Tally) -> u64) -> u64 {
        let ledger = self.shared.lock();
        ledger.tallies.iter().map(|(_, tally)| of(tally)).sum()
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has all clients work, until it is over.
async fn work(shared: &Arc<Shared>, groups: &[(Client, usize)], due: Option<&Receiver<Instant>>) {
    let mut tasks = JoinSet::new();
    for (group, (client, count)) in groups.iter().enumerate() {
        for _ in 0..*count {
            let worker = Worker {
                shared: Arc::clone(shared),
                group,
                client: *client,
                due: due.cloned(),
            };
            tasks.spawn(worker.run());
        }
    }
    // With its panic, if one has any.
    tasks.join_all().await;
}

/// What the clients have in common.
pub(crate) struct Shared {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    over: watch::Receiver<bool>,
    ledger: Mutex<Ledger>,
}

impl Shared {
    pub(crate) fn tally(&self, group: usize, note: impl FnOnce(&mut Tally)) {
        note(&mut self.lock().tallies[group].1);
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Completes when it is over.
    pub(crate) async fn over(&self) {
        // An error means that nobody is left to say so.
        let _ = self.over.clone().wait_for(|over| *over).await;
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
