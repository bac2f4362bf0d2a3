//! Turn-taking at the shared accept queue, which balances connections across the workers.
//!
//! All workers accept from one socket, so that no queued connection is lost when a worker
//! exits. The kernel wakes every worker for each connection, and the first to run would
//! take a whole burst. Therefore the workers share a table with one [`TurnEntry`] each,
//! which counts accepted connections. A worker that is [`MAX_LEAD`] connections ahead of
//! another worker leaves the next connection to that worker.
//!
//! Connections do not wait for an unresponsive worker. A worker that stops accepting
//! marks its entry as inactive. A worker that does not check the queue for
//! [`SILENCE_LIMIT`] while connections wait is skipped until it checks again. It then
//! continues at the count of the others, so that it does not have to make up for missed
//! connections.

#[cfg(unix)]
mod table;

#[cfg(unix)]
pub(crate) use table::{EntryReservation, TurnTable, inherit};

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    time::Duration,
};
use tokio::time::Instant;

/// The maximum number of connections by which a worker can be ahead of another.
const MAX_LEAD: u64 = 4;

/// The time that connections wait for an unresponsive worker. It is too short for
/// clients to notice, and longer than a process usually waits for a CPU on a busy
/// machine.
const SILENCE_LIMIT: Duration = Duration::from_millis(30);

/// The maximum time that counts towards [`SILENCE_LIMIT`] between two checks. If this
/// process did not run for a while, the other workers probably did not run either.
const MAX_STEP: Duration = Duration::from_millis(2);

/// A check count that no worker reaches.
const NEVER: u64 = u64::MAX;

/// A worker's state in shared memory. Several processes read and write each field.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct TurnEntry {
    /// Nonzero while the worker accepts connections.
    is_accepting: AtomicU32,
    /// The number of connections that the worker has accepted, plus missed ones that it
    /// does not have to make up for.
    accepted: AtomicU64,
    /// The number of times that the worker has checked the queue.
    checks: AtomicU64,
    /// The value of `checks` at which another worker skipped this one, or [`NEVER`].
    skipped_at: AtomicU64,
}

/// The turns of one worker. After it is dropped, the other workers do not wait for this
/// worker.
#[derive(Debug)]
pub(crate) struct Turns {
    entries: &'static [TurnEntry],
    /// The number of entries that have ever been in use.
    used_entries: &'static AtomicU64,
    own: usize,
}

/// The workers that the next connection is waiting for.
#[derive(Debug)]
pub(crate) struct TurnWait {
    last_check: Instant,
    awaited: Vec<AwaitedWorker>,
}

#[derive(Debug)]
struct AwaitedWorker {
    index: usize,
    checks: u64,
    silence: Duration,
}

impl TurnEntry {
    fn new() -> Self {
        TurnEntry {
            is_accepting: AtomicU32::new(0),
            accepted: AtomicU64::new(0),
            checks: AtomicU64::new(0),
            skipped_at: AtomicU64::new(NEVER),
        }
    }

    /// Resets the entry for a worker that is not yet accepting connections.
    #[cfg(unix)]
    fn reset(&self) {
        self.is_accepting.store(0, SeqCst);
        self.accepted.store(0, SeqCst);
        self.checks.store(0, SeqCst);
        self.skipped_at.store(NEVER, SeqCst);
    }

    fn accepted(&self) -> u64 {
        self.accepted.load(SeqCst)
    }

    fn is_skipped(&self) -> bool {
        self.skipped_at.load(SeqCst) == self.checks.load(SeqCst)
    }

    fn takes_turns(&self) -> bool {
        self.is_accepting.load(SeqCst) != 0 && !self.is_skipped()
    }
}

impl Turns {
    /// Creates turns for a worker that does not share its queue.
    pub(crate) fn unshared() -> Self {
        Turns {
            entries: Box::leak(Box::new([TurnEntry::new()])),
            used_entries: Box::leak(Box::new(AtomicU64::new(1))),
            own: 0,
        }
    }

    /// Starts taking turns, at the lowest count of the others.
    pub(crate) fn join(&self) {
        let own = self.own();
        if own.is_accepting.load(SeqCst) == 0 {
            // The count can also decrease, because the others may have restarted at zero.
            if let Some(lowest) = self.lowest_accepted() {
                own.accepted.store(lowest, SeqCst);
            }
            own.checks.fetch_add(1, SeqCst);
            own.is_accepting.store(1, SeqCst);
        }
    }

    /// Stops taking turns: the others do not wait for this worker.
    pub(crate) fn leave(&self) {
        self.own().is_accepting.store(0, SeqCst);
    }

    /// Counts a connection that this worker accepted.
    pub(crate) fn count_accepted(&self) {
        self.own().accepted.fetch_add(1, SeqCst);
    }

    /// Returns true if it is this worker's turn. If not, the caller must check again
    /// soon, with the same `wait` for as long as connections are queued.
    pub(crate) fn check(&self, wait: &mut TurnWait, now: Instant) -> bool {
        let own = self.own();
        if own.is_skipped() {
            self.catch_up();
        }
        own.checks.fetch_add(1, SeqCst);
        let step = MAX_STEP.min(now.duration_since(wait.last_check));
        wait.last_check = now;
        let accepted = own.accepted();
        let mut awaited = Vec::new();
        for (index, other) in self.others() {
            if other.accepted().saturating_add(MAX_LEAD) > accepted {
                continue;
            }
            let checks = other.checks.load(SeqCst);
            let previous = wait.awaited.iter();
            let mut previous = previous.filter(|it| it.index == index && it.checks == checks);
            let silence = previous
                .next()
                .map_or(Duration::ZERO, |it| it.silence + step);
            if silence >= SILENCE_LIMIT {
                other.skipped_at.store(checks, SeqCst);
            } else {
                awaited.push(AwaitedWorker {
                    index,
                    checks,
                    silence,
                });
            }
        }
        wait.awaited = awaited;
        wait.awaited.is_empty()
    }

    /// Raises this worker's count to the lowest count of the others.
    fn catch_up(&self) {
        if let Some(lowest) = self.lowest_accepted() {
            self.own().accepted.fetch_max(lowest, SeqCst);
        }
    }

    fn lowest_accepted(&self) -> Option<u64> {
        self.others().map(|(_, other)| other.accepted()).min()
    }

    fn own(&self) -> &TurnEntry {
        &self.entries[self.own]
    }

    /// Returns the other workers that take turns.
    fn others(&self) -> impl Iterator<Item = (usize, &TurnEntry)> {
        let used_entries = usize::try_from(self.used_entries.load(SeqCst)).unwrap_or(usize::MAX);
        let entries = self.entries.iter().enumerate().take(used_entries);
        entries.filter(|(index, entry)| *index != self.own && entry.takes_turns())
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.leave();
    }
}

impl TurnWait {
    pub(crate) fn new(now: Instant) -> Self {
        TurnWait {
            last_check: now,
            awaited: Vec::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(1);

    /// Creates the turns of `count` workers that share a table.
    pub(crate) fn shared_turns(count: usize) -> Vec<Turns> {
        let entries: Vec<TurnEntry> = (0..count).map(|_| TurnEntry::new()).collect();
        let entries: &'static [TurnEntry] = entries.leak();
        let used_entries = Box::leak(Box::new(AtomicU64::new(count as u64)));
        let turns = |own| Turns {
            entries,
            used_entries,
            own,
        };
        (0..count).map(turns).collect()
    }

    /// A worker with an endless queue of connections.
    struct BusyWorker {
        turns: Turns,
        wait: TurnWait,
        accepted: u64,
    }

    impl BusyWorker {
        fn all(count: usize, now: Instant) -> Vec<Self> {
            let busy = |turns: Turns| {
                turns.join();
                BusyWorker {
                    turns,
                    wait: TurnWait::new(now),
                    accepted: 0,
                }
            };
            shared_turns(count).into_iter().map(busy).collect()
        }

        fn try_accept(&mut self, now: Instant) -> bool {
            let is_next = self.turns.check(&mut self.wait, now);
            if is_next {
                self.turns.count_accepted();
                self.accepted += 1;
                self.wait = TurnWait::new(now);
            }
            is_next
        }
    }

    proptest! {
        #[test]
        fn responsive_workers_stay_within_the_maximum_lead(
            count in 1_usize..16,
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..2000),
        ) {
            let now = Instant::now();
            let mut workers = BusyWorker::all(count, now);
            for index in order {
                workers[index.index(count)].try_accept(now);
                let accepted = || workers.iter().map(|worker| worker.accepted);
                prop_assert!(accepted().max() <= accepted().min().map(|lowest| lowest + MAX_LEAD));
            }
        }

        #[test]
        fn connections_wait_at_most_the_silence_limit(
            counts in prop::collection::vec((0_u64..100, 0_u8..4), 1..16),
            live_index in any::<prop::sample::Index>(),
        ) {
            let mut now = Instant::now();
            let mut workers = BusyWorker::all(counts.len(), now);
            let live_index = live_index.index(counts.len());
            let mut responsive = Vec::new();
            for (index, (accepted, state)) in counts.iter().enumerate() {
                let turns = &workers[index].turns;
                turns.own().accepted.store(*accepted, SeqCst);
                match state {
                    _ if index == live_index => responsive.push(index),
                    // Stopped, or with a blocked event loop.
                    0 => {}
                    1 => turns.leave(),
                    _ => responsive.push(index),
                }
            }
            for _ in 0..10 {
                let begin = now;
                let mut is_accepted = false;
                while !is_accepted {
                    now += TICK;
                    for index in &responsive {
                        is_accepted |= workers[*index].try_accept(now);
                    }
                    prop_assert!(now - begin <= SILENCE_LIMIT + 2 * TICK);
                }
            }
        }
    }

    #[test]
    fn joining_worker_gets_only_its_share() {
        let now = Instant::now();
        let mut workers = BusyWorker::all(3, now);
        workers[2].turns.leave();
        for worker in &workers[..2] {
            worker.turns.own().accepted.store(50_000, SeqCst);
            worker.turns.leave();
        }
        for index in [2, 0, 1] {
            workers[index].turns.join();
        }
        for _ in 0..300 {
            for worker in &mut workers {
                worker.try_accept(now);
            }
        }
        let accepted = || workers.iter().map(|worker| worker.accepted);
        assert!(accepted().max() <= accepted().min().map(|lowest| lowest + MAX_LEAD));
    }

    #[test]
    fn returning_worker_continues_at_the_count_of_the_others() {
        let mut now = Instant::now();
        let mut workers = BusyWorker::all(2, now);
        while workers[0].accepted < 1000 {
            now += TICK;
            workers[0].try_accept(now);
        }
        while workers[1].try_accept(now) {}
        assert!(workers[1].accepted <= MAX_LEAD, "{}", workers[1].accepted);
        // The other worker waited only once.
        assert!(workers[0].accepted >= 1000);
        assert!(!workers[1].turns.own().is_skipped());
    }

    #[test]
    fn joining_worker_starts_at_the_count_of_the_others() {
        let now = Instant::now();
        let mut workers = BusyWorker::all(2, now);
        workers[1].turns.leave();
        for _ in 0..1000 {
            assert!(workers[0].try_accept(now));
        }
        workers[1].turns.join();
        while workers[1].try_accept(now) {}
        assert_eq!(workers[1].accepted, MAX_LEAD);
    }

    #[test]
    fn own_delay_does_not_skip_other_workers() {
        let mut now = Instant::now();
        let mut workers = BusyWorker::all(2, now);
        while workers[0].try_accept(now) {}
        now += 100 * SILENCE_LIMIT;
        assert!(!workers[0].try_accept(now));
        assert!(workers[1].try_accept(now));
        assert!(workers[0].try_accept(now));
    }
}
