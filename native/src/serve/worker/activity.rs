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
/// timer asks, when it is due, whether [anything is overdue](Activity::check_timeouts).
/// (hyper's own timer of heads would be made anew for each request, and would not
/// tell a client that has nothing to ask from one that does not get on with it.)
///
/// All is noted and read by one task.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Microseconds since `opened`, shifted, and what it has been doing since.
    state: AtomicU64,
    /// When something was last read, in microseconds since `opened`.
    read: AtomicU64,
    /// The same of the last write, if the client does not take it; else [`NEVER`].
    blocked: AtomicU64,
    /// True if the client may still be sending: the last request has a body, or its
    /// answer is the last one and the client does not expect that.
    may_be_sending: AtomicBool,
    /// True if the service has an answer of which nothing was written yet.
    response_is_due: AtomicBool,
    /// Whether it was found to be overdue.
    timed_out: AtomicBool,
}

/// Why a connection is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum ConnectionTimeout {
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

impl Activity {
    pub(super) fn new() -> Self {
        Activity {
            opened: Instant::now(),
            state: AtomicU64::new(IDLE),
            read: AtomicU64::new(0),
            blocked: AtomicU64::new(NEVER),
            may_be_sending: AtomicBool::new(false),
            response_is_due: AtomicBool::new(false),
            timed_out: AtomicBool::new(false),
        }
    }

    /// Something came from the client.
    pub(super) fn bytes_received(&self) {
        let now = self.now();
        self.read.store(now, Relaxed);
        if self.doing() == IDLE {
            self.begin(ASKING, now);
        }
    }

    /// A request is there; when the last of its head came.
    pub(super) fn request_started(&self, has_body: bool) -> Instant {
        self.may_be_sending.store(has_body, Relaxed);
        let read = self.read.load(Relaxed);
        self.begin(SERVED, read);
        self.opened + Duration::from_micros(read)
    }

    /// Notes that the service closes the connection after its answer.
    pub(super) fn response_is_last(&self) {
        self.may_be_sending.store(true, Relaxed);
    }

    /// Returns true if the client may still be sending.
    pub(super) fn may_be_sending(&self) -> bool {
        self.may_be_sending.load(Relaxed)
    }

    /// Notes that the service has an answer, which is written next.
    pub(super) fn response_ready(&self) {
        self.response_is_due.store(true, Relaxed);
    }

    /// Returns true if what is written next begins with an answer of the service.
    pub(super) fn response_is_due(&self) -> bool {
        self.response_is_due.load(Relaxed)
    }

    /// Whether it is this side that ends the connection.
    pub(super) fn timed_out(&self) -> bool {
        self.timed_out.load(Relaxed)
    }

    /// The answer is made, all of it.
    pub(super) fn request_finished(&self) {
        self.begin(IDLE, self.now());
    }

    /// The client did not take what it was sent.
    pub(super) fn write_blocked(&self) {
        if self.blocked.load(Relaxed) == NEVER {
            self.blocked.store(self.now(), Relaxed);
        }
    }

    /// The client took something.
    pub(super) fn write_progressed(&self) {
        self.response_is_due.store(false, Relaxed);
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
    pub(super) fn check_timeouts(&self, limits: &Limits) -> Result<Instant, ConnectionTimeout> {
        let now = self.now();
        let shortest = limits.head.min(limits.idle).min(limits.stall);
        // Whatever the limits are: the loop has other things to do.
        let shortest = shortest.max(Duration::from_millis(1));
        let blocked = self.blocked.load(Relaxed);
        let since = self.state.load(Relaxed) >> SHIFT;
        let (since, limit, overdue) = match self.doing() {
            _ if blocked != NEVER => (blocked, limits.stall, ConnectionTimeout::Stall),
            IDLE => (since, limits.idle, ConnectionTimeout::Idle),
            ASKING => (since, limits.head, ConnectionTimeout::Head),
            // There are other limits for it.
            _ => return Ok(self.opened + Duration::from_micros(now) + shortest),
        };
        let spent = Duration::from_micros(now - since);
        match limit.checked_sub(spent) {
            None | Some(Duration::ZERO) => {
                self.timed_out.store(true, Relaxed);
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
        let activity = Activity::new();
        advance(55 * SECOND).await;
        activity.bytes_received();
        advance(9 * SECOND).await;
        activity.bytes_received();
        assert_eq!(
            activity.check_timeouts(&limits()),
            Ok(Instant::now() + SECOND)
        );
        advance(SECOND).await;
        assert_eq!(
            activity.check_timeouts(&limits()),
            Err(ConnectionTimeout::Head)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle() {
        let activity = Activity::new();
        activity.bytes_received();
        activity.request_started(false);
        advance(100 * SECOND).await;
        assert!(activity.check_timeouts(&limits()).is_ok());
        activity.request_finished();
        advance(59 * SECOND).await;
        assert_eq!(
            activity.check_timeouts(&limits()),
            Ok(Instant::now() + SECOND)
        );
        advance(SECOND).await;
        assert_eq!(
            activity.check_timeouts(&limits()),
            Err(ConnectionTimeout::Idle)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_begin_later_is_asked_for_in_time() {
        let activity = Activity::new();
        assert_eq!(
            activity.check_timeouts(&limits()),
            Ok(Instant::now() + 10 * SECOND)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_is_not_cut_off() {
        let activity = Activity::new();
        activity.bytes_received();
        activity.request_started(false);
        activity.write_blocked();
        activity.request_finished();
        for _ in 0..9 {
            advance(29 * SECOND).await;
            assert!(activity.check_timeouts(&limits()).is_ok());
            activity.write_progressed();
            activity.write_blocked();
        }
        advance(30 * SECOND).await;
        assert_eq!(
            activity.check_timeouts(&limits()),
            Err(ConnectionTimeout::Stall)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_asked_when_its_head_is_read() {
        let activity = Activity::new();
        advance(SECOND).await;
        activity.bytes_received();
        let read = Instant::now();
        advance(SECOND).await;
        assert_eq!(activity.request_started(false), read);
    }
}
