//! Turns at the shared accept queue, which balance connections across the workers.
//!
//! All workers accept from one socket, so that no queued connection is lost when a
//! worker exits. The kernel wakes every worker for each connection, and the first to run
//! would take a whole burst. Therefore the workers share a table with one [`TurnEntry`]
//! each, which counts accepted connections. A worker that is [`MAX_LEAD`] connections
//! ahead of another one leaves the next connection to it.
//!
//! No connection waits for an unresponsive worker. A worker that stops accepting clears
//! its entry. A worker that does not check the queue for [`SILENCE_LIMIT`] while
//! connections wait is skipped until it checks again. It then continues at the count of
//! the others, so that it does not have to catch up on the connections it missed.

#[cfg(unix)]
mod table;

#[cfg(unix)]
pub(super) use table::{TURNS_VARIABLE, TurnTable, inherit};

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    time::Duration,
};
use tokio::time::Instant;

/// The maximum number of connections that a worker is ahead of another one.
const MAX_LEAD: u64 = 4;

/// The time that connections wait for an unresponsive worker. It is too short for
/// clients to notice, and longer than a process usually waits for a CPU on a busy
/// machine.
const SILENCE_LIMIT: Duration = Duration::from_millis(30);

/// The maximum time that counts towards [`SILENCE_LIMIT`] between two checks. If this
/// process did not run for a while, the other workers probably did not run either.
const MAX_STEP: Duration = Duration::from_millis(2);

/// A number that no check has.
const NEVER: u64 = u64::MAX;

/// The state of a worker in shared memory. Several processes read and write each field.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct TurnEntry {
    /// Nonzero while the worker accepts connections.
    accepts: AtomicU32,
    /// The number of connections that the worker accepted or was excused from.
    accepted: AtomicU64,
    /// The number of times that the worker has checked the queue.
    checks: AtomicU64,
    /// The value of `checks` at which another worker skipped this one, or [`NEVER`].
    skipped_at: AtomicU64,
}

/// The turns of one worker. Dropping it stops the others from waiting for this worker.
#[derive(Debug)]
pub(super) struct Turns {
    entries: &'static [TurnEntry],
    /// The number of entries that have ever been in use.
    used: &'static AtomicU64,
    own: usize,
}

/// The workers that the next connection is waiting for.
#[derive(Debug)]
pub(super) struct TurnWait {
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
            accepts: AtomicU32::new(0),
            accepted: AtomicU64::new(0),
            checks: AtomicU64::new(0),
            skipped_at: AtomicU64::new(NEVER),
        }
    }

    /// Resets the entry for a worker that has not started to accept.
    #[cfg(unix)]
    fn reset(&self) {
        self.accepts.store(0, SeqCst);
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
        self.accepts.load(SeqCst) != 0 && !self.is_skipped()
    }
}

impl Turns {
    /// Creates turns for a worker that shares its queue with no other worker.
    pub(super) fn unshared() -> Self {
        Turns {
            entries: Box::leak(Box::new([TurnEntry::new()])),
            used: Box::leak(Box::new(AtomicU64::new(1))),
            own: 0,
        }
    }

    /// Joins the others, at their count.
    pub(super) fn join(&self) {
        let own = self.own();
        if own.accepts.load(SeqCst) == 0 {
            // The count may also go down: the others may have started at zero since.
            if let Some(least) = self.least_accepted() {
                own.accepted.store(least, SeqCst);
            }
            own.checks.fetch_add(1, SeqCst);
            own.accepts.store(1, SeqCst);
        }
    }

    /// Leaves: the others accept without waiting for this worker.
    pub(super) fn leave(&self) {
        self.own().accepts.store(0, SeqCst);
    }

    /// Counts a connection that this worker accepted.
    pub(super) fn count_accepted(&self) {
        self.own().accepted.fetch_add(1, SeqCst);
    }

    /// Returns true if another worker has accepted more connections.
    pub(super) fn is_behind(&self) -> bool {
        let accepted = self.own().accepted();
        self.others().any(|(_, other)| other.accepted() > accepted)
    }

    /// Returns true if the next connection is for this worker. If not, the caller checks
    /// again soon, with the same `wait` for as long as connections are queued.
    pub(super) fn check(&self, wait: &mut TurnWait, now: Instant) -> bool {
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
            let before = wait.awaited.iter();
            let mut before = before.filter(|it| it.index == index && it.checks == checks);
            let silence = before.next().map_or(Duration::ZERO, |it| it.silence + step);
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

    /// Continues at the lowest count of the others, if that is higher.
    fn catch_up(&self) {
        if let Some(least) = self.least_accepted() {
            self.own().accepted.fetch_max(least, SeqCst);
        }
    }

    fn least_accepted(&self) -> Option<u64> {
        self.others().map(|(_, other)| other.accepted()).min()
    }

    fn own(&self) -> &TurnEntry {
        &self.entries[self.own]
    }

    /// Returns the other workers that take turns.
    fn others(&self) -> impl Iterator<Item = (usize, &TurnEntry)> {
        let used = usize::try_from(self.used.load(SeqCst)).unwrap_or(usize::MAX);
        let entries = self.entries.iter().enumerate().take(used);
        entries.filter(|(index, entry)| *index != self.own && entry.takes_turns())
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.leave();
    }
}

impl TurnWait {
    pub(super) fn new(now: Instant) -> Self {
        TurnWait {
            last_check: now,
            awaited: Vec::new(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(1);

    /// Creates workers that share a table.
    pub(in crate::serve) fn workers(count: usize) -> Vec<Turns> {
        let entries: Vec<TurnEntry> = (0..count).map(|_| TurnEntry::new()).collect();
        let entries: &'static [TurnEntry] = entries.leak();
        let used = Box::leak(Box::new(AtomicU64::new(count as u64)));
        let worker = |own| Turns { entries, used, own };
        (0..count).map(worker).collect()
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
            workers(count).into_iter().map(busy).collect()
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
        fn live_workers_stay_within_the_lead(
            count in 1_usize..16,
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..2000),
        ) {
            let now = Instant::now();
            let mut workers = BusyWorker::all(count, now);
            for index in order {
                workers[index.index(count)].try_accept(now);
                let accepted = || workers.iter().map(|worker| worker.accepted);
                prop_assert!(accepted().max() <= accepted().min().map(|least| least + MAX_LEAD));
            }
        }

        #[test]
        fn connections_wait_at_most_the_silence_limit(
            counts in prop::collection::vec((0_u64..100, 0_u8..4), 1..16),
            live in any::<prop::sample::Index>(),
        ) {
            let mut now = Instant::now();
            let mut workers = BusyWorker::all(counts.len(), now);
            let live = live.index(counts.len());
            let mut running = Vec::new();
            for (index, (accepted, state)) in counts.iter().enumerate() {
                let turns = &workers[index].turns;
                turns.own().accepted.store(*accepted, SeqCst);
                match state {
                    _ if index == live => running.push(index),
                    // Stopped, or with a blocked event loop.
                    0 => {}
                    1 => turns.leave(),
                    _ => running.push(index),
                }
            }
            for _ in 0..10 {
                let begin = now;
                let mut is_taken = false;
                while !is_taken {
                    now += TICK;
                    for index in &running {
                        is_taken |= workers[*index].try_accept(now);
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
        assert!(accepted().max() <= accepted().min().map(|least| least + MAX_LEAD));
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
        // The other worker waited once.
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
    fn own_delays_are_not_held_against_others() {
        let mut now = Instant::now();
        let mut workers = BusyWorker::all(2, now);
        while workers[0].try_accept(now) {}
        now += 100 * SILENCE_LIMIT;
        assert!(!workers[0].try_accept(now));
        assert!(workers[1].try_accept(now));
        assert!(workers[0].try_accept(now));
    }
}
