//! Turns at one accept queue: every worker takes an equal share of the connections.
//!
//! All workers accept from one socket, so that no queued connection is lost when a
//! worker goes. The kernel wakes all of them for each connection, and the one that
//! runs first would take a whole burst. Therefore the workers share a table with an
//! [`TurnEntry`] each, which counts the connections that it took. A worker that is
//! [`MAX_LEAD`] connections ahead of another one leaves the next connection to it.
//!
//! A connection never waits for a worker in vain: one that stops accepting clears its entry, and
//! one that does not look at the queue for [`SILENCE_LIMIT`] although connections wait
//! there is passed over until it looks again. It then continues at the count of the
//! others, so that it is not flooded with the connections that it missed.

#[cfg(unix)]
mod table;

#[cfg(unix)]
pub(super) use table::{TURNS_VARIABLE, TurnTable, inherit};

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    time::Duration,
};
use tokio::time::Instant;

/// The most connections that a worker takes more than another one.
const MAX_LEAD: u64 = 4;

/// The time that connections wait for a worker that gives no sign. Clients do not notice
/// it, and it is rare that a busy machine lets a process wait longer for a processor.
const SILENCE_LIMIT: Duration = Duration::from_millis(30);

/// The most of [`SILENCE_LIMIT`] that passes between two looks. If this process itself does
/// not run for a while, the others on the machine probably did not run either.
const MAX_STEP: Duration = Duration::from_millis(2);

/// Not the number of any look.
const NEVER: u64 = u64::MAX;

/// A worker as the others see it. It is table memory: each field is
/// read and written by several processes.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct TurnEntry {
    /// Not 0 while it accepts connections.
    accepts: AtomicU32,
    /// The connections that it took, or was excused from.
    taken: AtomicU64,
    /// Counts the times that it has looked at the queue.
    looks: AtomicU64,
    /// The number of looks at which another worker passed over it, or [`NEVER`].
    passed_over_at: AtomicU64,
}

/// A worker's place among those that take turns. Dropped, it takes part no more.
#[derive(Debug)]
pub(super) struct Turns {
    entries: &'static [TurnEntry],
    /// The number of entries that were ever in use.
    used: &'static AtomicU64,
    own: usize,
}

/// The workers that hold up the next connection, for as long as it waits.
#[derive(Debug)]
pub(super) struct TurnWait {
    last_look: Instant,
    awaited: Vec<AwaitedWorker>,
}

#[derive(Debug)]
struct AwaitedWorker {
    index: usize,
    looks: u64,
    silent: Duration,
}

impl TurnEntry {
    fn new() -> Self {
        TurnEntry {
            accepts: AtomicU32::new(0),
            taken: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            passed_over_at: AtomicU64::new(NEVER),
        }
    }

    /// Makes it that of a worker that has not started to accept.
    #[cfg(unix)]
    fn reset(&self) {
        self.accepts.store(0, SeqCst);
        self.taken.store(0, SeqCst);
        self.looks.store(0, SeqCst);
        self.passed_over_at.store(NEVER, SeqCst);
    }

    fn taken(&self) -> u64 {
        self.taken.load(SeqCst)
    }

    fn is_passed_over(&self) -> bool {
        self.passed_over_at.load(SeqCst) == self.looks.load(SeqCst)
    }

    fn takes_turns(&self) -> bool {
        self.accepts.load(SeqCst) != 0 && !self.is_passed_over()
    }
}

impl Turns {
    /// Turns of a worker that shares its queue with nobody, or knows of nobody.
    pub(super) fn unshared() -> Self {
        Turns {
            entries: Box::leak(Box::new([TurnEntry::new()])),
            used: Box::leak(Box::new(AtomicU64::new(1))),
            own: 0,
        }
    }

    /// Takes part from now on, at the count of the others.
    pub(super) fn join(&self) {
        let own = self.own();
        if own.accepts.load(SeqCst) == 0 {
            // Down as well: the others may have begun to count while this one was away.
            if let Some(least) = self.least_taken() {
                own.taken.store(least, SeqCst);
            }
            own.looks.fetch_add(1, SeqCst);
            own.accepts.store(1, SeqCst);
        }
    }

    /// Lets the others accept without waiting for this worker.
    pub(super) fn leave(&self) {
        self.own().accepts.store(0, SeqCst);
    }

    /// Counts a connection that this worker took.
    pub(super) fn took(&self) {
        self.own().taken.fetch_add(1, SeqCst);
    }

    /// Returns whether another worker has taken more connections.
    pub(super) fn is_behind(&self) -> bool {
        let taken = self.own().taken();
        self.others().any(|(_, other)| other.taken() > taken)
    }

    /// Returns whether the next connection is for this worker. If not, look again soon, with
    /// the same `wait` for as long as connections are in the queue.
    pub(super) fn look(&self, wait: &mut TurnWait, now: Instant) -> bool {
        let own = self.own();
        if own.is_passed_over() {
            self.catch_up();
        }
        own.looks.fetch_add(1, SeqCst);
        let step = MAX_STEP.min(now.duration_since(wait.last_look));
        wait.last_look = now;
        let taken = own.taken();
        let mut holds_up = Vec::new();
        for (index, other) in self.others() {
            if other.taken().saturating_add(MAX_LEAD) > taken {
                continue;
            }
            let looks = other.looks.load(SeqCst);
            let before = wait.awaited.iter();
            let mut before = before.filter(|it| it.index == index && it.looks == looks);
            let silent = before.next().map_or(Duration::ZERO, |it| it.silent + step);
            if silent >= SILENCE_LIMIT {
                other.passed_over_at.store(looks, SeqCst);
            } else {
                holds_up.push(AwaitedWorker {
                    index,
                    looks,
                    silent,
                });
            }
        }
        wait.awaited = holds_up;
        wait.awaited.is_empty()
    }

    /// Continues at the count of the others, if that is higher.
    fn catch_up(&self) {
        if let Some(least) = self.least_taken() {
            self.own().taken.fetch_max(least, SeqCst);
        }
    }

    fn least_taken(&self) -> Option<u64> {
        self.others().map(|(_, other)| other.taken()).min()
    }

    fn own(&self) -> &TurnEntry {
        &self.entries[self.own]
    }

    /// The others that take turns.
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
            last_look: now,
            awaited: Vec::new(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(1);

    /// Workers that share a table.
    pub(in crate::serve) fn workers(count: usize) -> Vec<Turns> {
        let entries: Vec<TurnEntry> = (0..count).map(|_| TurnEntry::new()).collect();
        let entries: &'static [TurnEntry] = entries.leak();
        let used = Box::leak(Box::new(AtomicU64::new(count as u64)));
        let worker = |own| Turns { entries, used, own };
        (0..count).map(worker).collect()
    }

    /// A worker that looks whether it may take the next of endless connections.
    struct Looking {
        turns: Turns,
        wait: TurnWait,
        took: u64,
    }

    impl Looking {
        fn all(count: usize, now: Instant) -> Vec<Self> {
            let looking = |turns: Turns| {
                turns.join();
                Looking {
                    turns,
                    wait: TurnWait::new(now),
                    took: 0,
                }
            };
            workers(count).into_iter().map(looking).collect()
        }

        fn looks(&mut self, now: Instant) -> bool {
            let is_next = self.turns.look(&mut self.wait, now);
            if is_next {
                self.turns.took();
                self.took += 1;
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
            let mut workers = Looking::all(count, now);
            for index in order {
                workers[index.index(count)].looks(now);
                let took = || workers.iter().map(|worker| worker.took);
                prop_assert!(took().max() <= took().min().map(|least| least + MAX_LEAD));
            }
        }

        #[test]
        fn connections_never_wait_longer_than_the_patience(
            counts in prop::collection::vec((0_u64..100, 0_u8..4), 1..16),
            live in any::<prop::sample::Index>(),
        ) {
            let mut now = Instant::now();
            let mut workers = Looking::all(counts.len(), now);
            let live = live.index(counts.len());
            let mut looks = Vec::new();
            for (index, (taken, state)) in counts.iter().enumerate() {
                let turns = &workers[index].turns;
                turns.own().taken.store(*taken, SeqCst);
                match state {
                    _ if index == live => looks.push(index),
                    // It is stopped, or its loop is blocked.
                    0 => {}
                    1 => turns.leave(),
                    _ => looks.push(index),
                }
            }
            for _ in 0..10 {
                let begin = now;
                let mut is_taken = false;
                while !is_taken {
                    now += TICK;
                    for index in &looks {
                        is_taken |= workers[*index].looks(now);
                    }
                    prop_assert!(now - begin <= SILENCE_LIMIT + 2 * TICK);
                }
            }
        }
    }

    #[test]
    fn worker_that_joins_while_all_are_full_gets_its_share_only() {
        let now = Instant::now();
        let mut workers = Looking::all(3, now);
        workers[2].turns.leave();
        for worker in &workers[..2] {
            worker.turns.own().taken.store(50_000, SeqCst);
            worker.turns.leave();
        }
        for index in [2, 0, 1] {
            workers[index].turns.join();
        }
        for _ in 0..300 {
            for worker in &mut workers {
                worker.looks(now);
            }
        }
        let took = || workers.iter().map(|worker| worker.took);
        assert!(took().max() <= took().min().map(|least| least + MAX_LEAD));
    }

    #[test]
    fn returning_worker_continues_at_the_count_of_the_others() {
        let mut now = Instant::now();
        let mut workers = Looking::all(2, now);
        while workers[0].took < 1000 {
            now += TICK;
            workers[0].looks(now);
        }
        while workers[1].looks(now) {}
        assert!(workers[1].took <= MAX_LEAD, "{}", workers[1].took);
        // It was waited for once.
        assert!(workers[0].took >= 1000);
        assert!(!workers[1].turns.own().is_passed_over());
    }

    #[test]
    fn joining_worker_starts_at_the_count_of_the_others() {
        let now = Instant::now();
        let mut workers = Looking::all(2, now);
        workers[1].turns.leave();
        for _ in 0..1000 {
            assert!(workers[0].looks(now));
        }
        workers[1].turns.join();
        while workers[1].looks(now) {}
        assert_eq!(workers[1].took, MAX_LEAD);
    }

    #[test]
    fn own_delays_are_not_held_against_others() {
        let mut now = Instant::now();
        let mut workers = Looking::all(2, now);
        while workers[0].looks(now) {}
        now += 100 * SILENCE_LIMIT;
        assert!(!workers[0].looks(now));
        assert!(workers[1].looks(now));
        assert!(workers[0].looks(now));
    }
}
