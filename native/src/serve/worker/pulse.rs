//! What a connection is doing, and how long it may.

use super::limits::Limits;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// What a connection is doing now, and since when.
///
/// The socket, the service and the answer's body note it as it happens, which
/// costs a look at the clock. Nobody sets a timer for that: the connection's one
/// timer asks, when it is due, whether [anything is overdue](Pulse::check).
/// (hyper's own timer of heads would be made anew for each request, and would not
/// tell a client that has nothing to ask from one that does not get on with it.)
///
/// All is noted and read by one task.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    /// Microseconds since `opened`, shifted, and what it has been doing since.
    state: AtomicU64,
    /// When something was last read, in microseconds since `opened`.
    read: AtomicU64,
    /// The same of the last write, if the client does not take it; else [`NEVER`].
    blocked: AtomicU64,
    /// True if the client may still be sending: the last request has a body, or its
    /// answer is the last one and the client does not expect that.
    may_be_sent: AtomicBool,
    /// True if the service has an answer of which nothing was written yet.
    answer_is_due: AtomicBool,
    /// Whether it was found to be overdue.
    is_cut_off: AtomicBool,
}

/// Why a connection is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Overdue {
    /// It asked nothing.
    Idle,
    /// The head of its request did not come whole.
    Head,
    /// It does not take what it is sent.
    Stall,
}

const IDLE: u64 = 0;
const ASKING: u64 = 1;
const SERVED: u64 = 2;
const SHIFT: u32 = 2;
const NEVER: u64 = u64::MAX;

impl Pulse {
    pub(super) fn new() -> Self {
        Pulse {
            opened: Instant::now(),
            state: AtomicU64::new(IDLE),
            read: AtomicU64::new(0),
            blocked: AtomicU64::new(NEVER),
            may_be_sent: AtomicBool::new(false),
            answer_is_due: AtomicBool::new(false),
            is_cut_off: AtomicBool::new(false),
        }
    }

    /// Something came from the client.
    pub(super) fn has_read(&self) {
        let now = self.now();
        self.read.store(now, Relaxed);
        if self.doing() == IDLE {
            self.begin(ASKING, now);
        }
    }

    /// A request is there; when the last of its head came.
    pub(super) fn is_asked(&self, has_body: bool) -> Instant {
        self.may_be_sent.store(has_body, Relaxed);
        let read = self.read.load(Relaxed);
        self.begin(SERVED, read);
        self.opened + Duration::from_micros(read)
    }

    /// Notes that the service closes the connection after its answer.
    pub(super) fn is_refused(&self) {
        self.may_be_sent.store(true, Relaxed);
    }

    /// Returns true if the client may still be sending.
    pub(super) fn may_be_sent(&self) -> bool {
        self.may_be_sent.load(Relaxed)
    }

    /// Notes that the service has an answer, which is written next.
    pub(super) fn has_answer(&self) {
        self.answer_is_due.store(true, Relaxed);
    }

    /// Returns true if what is written next begins with an answer of the service.
    pub(super) fn answer_is_due(&self) -> bool {
        self.answer_is_due.load(Relaxed)
    }

    /// Whether it is this side that ends the connection.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Relaxed)
    }

    /// The answer is made, all of it.
    pub(super) fn is_answered(&self) {
        self.begin(IDLE, self.now());
    }

    /// The client did not take what it was sent.
    pub(super) fn is_blocked(&self) {
        if self.blocked.load(Relaxed) == NEVER {
            self.blocked.store(self.now(), Relaxed);
        }
    }

    /// The client took something.
    pub(super) fn has_written(&self) {
        self.answer_is_due.store(false, Relaxed);
        if self.blocked.load(Relaxed) != NEVER {
            self.blocked.store(NEVER, Relaxed);
            // It was not for the client to ask meanwhile.
            if self.doing() == IDLE {
                self.begin(IDLE, self.now());
            }
        }
    }

    /// When to ask again.
    ///
    /// No later than the shortest limit from now, as what begins right after this
    /// may last as long as that.
    ///
    /// # Errors
    ///
    /// If the connection is to be cut off.
    pub(super) fn check(&self, limits: &Limits) -> Result<Instant, Overdue> {
        let now = self.now();
        let shortest = limits.head.min(limits.idle).min(limits.stall);
        // Whatever the limits are: the loop has other things to do.
        let shortest = shortest.max(Duration::from_millis(1));
        let blocked = self.blocked.load(Relaxed);
        let since = self.state.load(Relaxed) >> SHIFT;
        let (since, limit, overdue) = match self.doing() {
            _ if blocked != NEVER => (blocked, limits.stall, Overdue::Stall),
            IDLE => (since, limits.idle, Overdue::Idle),
            ASKING => (since, limits.head, Overdue::Head),
            // There are other limits for it.
            _ => return Ok(self.opened + Duration::from_micros(now) + shortest),
        };
        let spent = Duration::from_micros(now - since);
        match limit.checked_sub(spent) {
            None | Some(Duration::ZERO) => {
                self.is_cut_off.store(true, Relaxed);
                Err(overdue)
            }
            Some(left) => Ok(self.opened + Duration::from_micros(now) + left.min(shortest)),
        }
    }

    fn doing(&self) -> u64 {
        self.state.load(Relaxed) & ((1 << SHIFT) - 1)
    }

    fn begin(&self, doing: u64, now: u64) {
        self.state.store(now << SHIFT | doing, Relaxed);
    }

    fn now(&self) -> u64 {
        // Of half a million years, no connection has seen the end.
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            head: 10 * SECOND,
            idle: 60 * SECOND,
            stall: 30 * SECOND,
            ..Limits::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte() {
        let pulse = Pulse::new();
        advance(55 * SECOND).await;
        pulse.has_read();
        advance(9 * SECOND).await;
        pulse.has_read();
        assert_eq!(pulse.check(&limits()), Ok(Instant::now() + SECOND));
        advance(SECOND).await;
        assert_eq!(pulse.check(&limits()), Err(Overdue::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle() {
        let pulse = Pulse::new();
        pulse.has_read();
        pulse.is_asked(false);
        advance(100 * SECOND).await;
        assert!(pulse.check(&limits()).is_ok());
        pulse.is_answered();
        advance(59 * SECOND).await;
        assert_eq!(pulse.check(&limits()), Ok(Instant::now() + SECOND));
        advance(SECOND).await;
        assert_eq!(pulse.check(&limits()), Err(Overdue::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_begin_later_is_asked_for_in_time() {
        let pulse = Pulse::new();
        assert_eq!(pulse.check(&limits()), Ok(Instant::now() + 10 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_is_not_cut_off() {
        let pulse = Pulse::new();
        pulse.has_read();
        pulse.is_asked(false);
        pulse.is_blocked();
        pulse.is_answered();
        for _ in 0..9 {
            advance(29 * SECOND).await;
            assert!(pulse.check(&limits()).is_ok());
            pulse.has_written();
            pulse.is_blocked();
        }
        advance(30 * SECOND).await;
        assert_eq!(pulse.check(&limits()), Err(Overdue::Stall));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_asked_when_its_head_is_read() {
        let pulse = Pulse::new();
        advance(SECOND).await;
        pulse.has_read();
        let read = Instant::now();
        advance(SECOND).await;
        assert_eq!(pulse.is_asked(false), read);
    }
}
