//! The activity of a connection, and its timeouts.

use super::limits::Limits;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// The current activity of a connection, and its start.
///
/// The socket, the service and the response's body record changes, at the cost of reading
/// the clock. None of them sets a timer: the connection has a single timer, which calls
/// [`check_timeouts`](ConnectionActivity::check_timeouts) when it fires. hyper's own timer for
/// heads would be recreated for each request, and does not distinguish an idle client
/// from one that sends its head too slowly.
///
/// One task does all reads and writes.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    opened: Instant,
    /// The start of the current activity in microseconds since `opened`, shifted, and
    /// the activity itself.
    state: AtomicU64,
    /// The time of the last read, in microseconds since `opened`.
    read: AtomicU64,
    /// The time since which the client has not read what was written, or [`NEVER`].
    blocked: AtomicU64,
    /// True if the client may still be sending: the last request has a body, or its
    /// response closes the connection and the client does not expect that.
    may_be_sending: AtomicBool,
    /// True if the service has returned a response of which nothing was written yet.
    response_is_due: AtomicBool,
    timed_out: AtomicBool,
}

/// The timeout that closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum ConnectionTimeout {
    /// The client sent no request.
    Idle,
    /// The head of the request was not complete.
    Head,
    /// The client did not read what was written.
    Stall,
}

const IDLE: u64 = 0;
const READING_HEAD: u64 = 1;
const SERVED: u64 = 2;
const SHIFT: u32 = 2;
const NEVER: u64 = u64::MAX;

impl ConnectionActivity {
    pub(super) fn new() -> Self {
        ConnectionActivity {
            opened: Instant::now(),
            state: AtomicU64::new(IDLE),
            read: AtomicU64::new(0),
            blocked: AtomicU64::new(NEVER),
            may_be_sending: AtomicBool::new(false),
            response_is_due: AtomicBool::new(false),
            timed_out: AtomicBool::new(false),
        }
    }

    /// Notes that bytes were received from the client.
    pub(super) fn bytes_received(&self) {
        let now = self.now();
        self.read.store(now, Relaxed);
        if self.current() == IDLE {
            self.begin(READING_HEAD, now);
        }
    }

    /// Notes a complete head. Returns when its last byte was received.
    pub(super) fn request_started(&self, has_body: bool) -> Instant {
        self.may_be_sending.store(has_body, Relaxed);
        let read = self.read.load(Relaxed);
        self.begin(SERVED, read);
        self.opened + Duration::from_micros(read)
    }

    /// Notes that the service closes the connection after its response.
    pub(super) fn response_is_last(&self) {
        self.may_be_sending.store(true, Relaxed);
    }

    /// Returns true if the client may still be sending.
    pub(super) fn may_be_sending(&self) -> bool {
        self.may_be_sending.load(Relaxed)
    }

    /// Notes that the service has returned a response, which is written next.
    pub(super) fn response_ready(&self) {
        self.response_is_due.store(true, Relaxed);
    }

    /// Returns true if the next write starts a response of the service.
    pub(super) fn response_is_due(&self) -> bool {
        self.response_is_due.load(Relaxed)
    }

    /// Returns true if the server closes the connection after a timeout.
    pub(super) fn timed_out(&self) -> bool {
        self.timed_out.load(Relaxed)
    }

    /// Notes that the whole response was produced.
    pub(super) fn request_finished(&self) {
        self.begin(IDLE, self.now());
    }

    /// Notes that a write blocks because the client does not read.
    pub(super) fn write_blocked(&self) {
        if self.blocked.load(Relaxed) == NEVER {
            self.blocked.store(self.now(), Relaxed);
        }
    }

    /// Notes that bytes were written.
    pub(super) fn write_progressed(&self) {
        self.response_is_due.store(false, Relaxed);
        if self.blocked.load(Relaxed) != NEVER {
            self.blocked.store(NEVER, Relaxed);
            // The idle time starts once the client has received the response.
            if self.current() == IDLE {
                self.begin(IDLE, self.now());
            }
        }
    }

    /// Returns when to check again: after the shortest limit at the latest, because the
    /// next activity may start right after this check.
    ///
    /// # Errors
    ///
    /// If the connection has timed out and is to be closed.
    pub(super) fn check_timeouts(&self, limits: &Limits) -> Result<Instant, ConnectionTimeout> {
        let now = self.now();
        let shortest = limits.head.min(limits.idle).min(limits.stall);
        // A lower bound, whatever the limits are, so that checks do not use up the CPU.
        let shortest = shortest.max(Duration::from_millis(1));
        let blocked = self.blocked.load(Relaxed);
        let since = self.state.load(Relaxed) >> SHIFT;
        let (since, limit, timeout) = match self.current() {
            _ if blocked != NEVER => (blocked, limits.stall, ConnectionTimeout::Stall),
            IDLE => (since, limits.idle, ConnectionTimeout::Idle),
            READING_HEAD => (since, limits.head, ConnectionTimeout::Head),
            // `enforce_deadline` limits the time of a request.
            _ => return Ok(self.opened + Duration::from_micros(now) + shortest),
        };
        let spent = Duration::from_micros(now - since);
        match limit.checked_sub(spent) {
            None | Some(Duration::ZERO) => {
                self.timed_out.store(true, Relaxed);
                Err(timeout)
            }
            Some(left) => Ok(self.opened + Duration::from_micros(now) + left.min(shortest)),
        }
    }

    fn current(&self) -> u64 {
        self.state.load(Relaxed) & ((1 << SHIFT) - 1)
    }

    fn begin(&self, activity: u64, now: u64) {
        self.state.store(now << SHIFT | activity, Relaxed);
    }

    fn now(&self) -> u64 {
        // 64 bits of microseconds last for half a million years.
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
    async fn head_timeout_starts_at_the_first_byte() {
        let activity = ConnectionActivity::new();
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
    async fn connection_without_requests_is_idle() {
        let activity = ConnectionActivity::new();
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
    async fn next_check_covers_the_shortest_limit() {
        let activity = ConnectionActivity::new();
        assert_eq!(
            activity.check_timeouts(&limits()),
            Ok(Instant::now() + 10 * SECOND)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn slow_reader_does_not_time_out() {
        let activity = ConnectionActivity::new();
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
    async fn request_starts_when_its_head_is_read() {
        let activity = ConnectionActivity::new();
        advance(SECOND).await;
        activity.bytes_received();
        let read = Instant::now();
        advance(SECOND).await;
        assert_eq!(activity.request_started(false), read);
    }
}
