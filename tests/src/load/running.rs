//! Running load tests.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::arrivals::Arrivals;
use crate::builder::Load;
use crate::client::Client;
use crate::client_task::{ClientTask, Shared};
use crate::ledger::Ledger;
use crate::tally::Tally;

/// The interval at which the counters are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A load test that runs on its own thread until it is stopped.
///
/// Dropping it also stops it and waits for requests in flight.
pub struct RunningLoad {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    arrivals: Option<Arrivals>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts the load test on its own thread.
    ///
    /// # Panics
    ///
    /// If the thread or its event loop cannot be created.
    #[must_use]
    pub fn start(self) -> RunningLoad {
        let (stop, stopped) = watch::channel(false);
        let Load {
            addr,
            path,
            timeout,
            rate,
            groups,
        } = self;
        let shared = Arc::new(Shared {
            addr,
            path,
            timeout,
            stopped,
            ledger: Mutex::new(Ledger::new(groups.iter().map(|(client, _)| *client))),
        });
        let arrivals = rate.map(Arrivals::start);
        let due = arrivals.as_ref().map(|arrivals| arrivals.due.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("cannot create an event loop");
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || runtime.block_on(run_clients(&shared, &groups, due.as_ref())))
        };
        RunningLoad {
            shared,
            stop,
            arrivals,
            thread: Some(thread),
        }
    }
}

impl RunningLoad {
    /// Returns the outcomes so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.lock().clone()
    }

    /// Returns the number of requests sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sum(|tally| tally.sent)
    }

    /// Waits until `count` requests were answered. Returns `false` after the timeout.
    #[must_use]
    pub fn wait_for_responses(&self, count: u64, timeout: Duration) -> bool {
        let since = Instant::now();
        while self.sum(Tally::answered) < count {
            if since.elapsed() > timeout {
                return false;
            }
            thread::sleep(POLL_INTERVAL);
        }
        true
    }

    /// Stops sending, waits for requests in flight, and returns all outcomes.
    ///
    /// # Panics
    ///
    /// If a client panicked.
    #[must_use]
    pub fn stop(mut self) -> Ledger {
        let is_ok = self.shut_down();
        assert!(is_ok, "a client panicked");
        self.ledger()
    }

    /// Stops the load test. Returns `false` if its thread panicked.
    fn shut_down(&mut self) -> bool {
        let Some(thread) = self.thread.take() else {
            return true;
        };
        self.stop.send_replace(true);
        let is_ok = thread.join().is_ok();
        if let Some(arrivals) = self.arrivals.take() {
            self.shared.lock().never_sent = arrivals.stop();
        }
        is_ok
    }

    fn sum(&self, count: impl Fn(&Tally) -> u64) -> u64 {
        let ledger = self.shared.lock();
        ledger.tallies.iter().map(|(_, tally)| count(tally)).sum()
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Runs all clients until the load test is stopped.
async fn run_clients(
    shared: &Arc<Shared>,
    groups: &[(Client, usize)],
    due: Option<&Receiver<Instant>>,
) {
    let mut tasks = JoinSet::new();
    for (group, (client, count)) in groups.iter().enumerate() {
        for _ in 0..*count {
            let client_task = ClientTask {
                shared: Arc::clone(shared),
                group,
                client: *client,
                due: due.cloned(),
            };
            tasks.spawn(client_task.run());
        }
    }
    // Propagates any client's panic.
    tasks.join_all().await;
}
