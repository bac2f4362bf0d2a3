//! Connection activity and timeouts.

use crate::{limits::Limits, metrics::ConnectionTimeout};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// A connection's current activity, and the time at which it started.
///
/// The socket, the service and the response body record changes, each at the cost of
/// reading the clock. None of them sets a timer: the connection has a single timer, which
/// calls [`check_timeouts`](ConnectionActivity::check_timeouts) when it fires. hyper's
/// own header timer would be recreated for each request, and does not distinguish an idle
/// client from one that sends its request head too slowly.
///
/// A single task does all reads and writes.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    opened: Instant,
    /// The current activity in the low bits. The other bits are its start, in
    /// microseconds since `opened`.
    state: AtomicU64,
    /// The time of the last read, in microseconds since `opened`.
    last_read: AtomicU64,
    /// The time at which the pending write blocked, in microseconds since `opened`, or
    /// [`NEVER`].
    blocked_since: AtomicU64,
    /// True if the client may still be sending: either the last request has a body, or
    /// the client does not expect its response to close the connection.
    is_input_possible: AtomicBool,
    /// True if the service has returned a response that has not been written yet.
    is_response_due: AtomicBool,
    has_timed_out: AtomicBool,
}

const IDLE: u64 = 0;
const READING_HEAD: u64 = 1;
const SERVING_REQUEST: u64 = 2;
const ACTIVITY_BITS: u32 = 2;
const NEVER: u64 = u64::MAX;

impl ConnectionActivity {
    pub(super) fn new() -> Self {
        ConnectionActivity {
            opened: Instant::now(),
            state: AtomicU64::new(IDLE),
            last_read: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NEVER),
            is_input_possible: AtomicBool::new(false),
            is_response_due: AtomicBool::new(false),
            has_timed_out: AtomicBool::new(false),
        }
    }

    /// Records that bytes were received from the client.
    pub(super) fn bytes_received(&self) {
        let now = self.now();
        self.last_read.store(now, Relaxed);
        if self.current_activity() == IDLE {
            self.set_activity(READING_HEAD, now);
        }
    }

    /// Records a complete request head. Returns the time at which its last byte was
    /// received.
    pub(super) fn request_started(&self, has_body: bool) -> Instant {
        self.is_input_possible.store(has_body, Relaxed);
        let read = self.last_read.load(Relaxed);
        self.set_activity(SERVING_REQUEST, read);
        self.opened + Duration::from_micros(read)
    }

    /// Records that the service closes the connection after its response.
    pub(super) fn response_is_last(&self) {
        self.is_input_possible.store(true, Relaxed);
    }

    /// Returns true if the client may still be sending.
    pub(super) fn is_input_possible(&self) -> bool {
        self.is_input_possible.load(Relaxed)
    }

    /// Records that the service has returned a response, which is written next.
    pub(super) fn response_ready(&self) {
        self.is_response_due.store(true, Relaxed);
    }

    /// Returns true if the next write starts a response from the service.
    pub(super) fn is_response_due(&self) -> bool {
        self.is_response_due.load(Relaxed)
    }

    /// Returns true if the server closes the connection after a timeout.
    pub(super) fn has_timed_out(&self) -> bool {
        self.has_timed_out.load(Relaxed)
    }

    /// Records that the whole response was produced.
    pub(super) fn request_finished(&self) {
        self.set_activity(IDLE, self.now());
    }

    /// Records that a write is blocked because the client does not read.
    pub(super) fn write_blocked(&self) {
        if self.blocked_since.load(Relaxed) == NEVER {
            self.blocked_since.store(self.now(), Relaxed);
        }
    }

    /// Records that bytes were written.
    pub(super) fn write_progressed(&self) {
        self.is_response_due.store(false, Relaxed);
        if self.blocked_since.load(Relaxed) != NEVER {
            self.blocked_since.store(NEVER, Relaxed);
            // The idle time starts once the client has received the response.
            if self.current_activity() == IDLE {
                self.set_activity(IDLE, self.now());
            }
        }
    }

    /// Returns the time of the next check. It is at most the shortest limit from now,
    /// because the next activity may start right after this check.
    ///
    /// # Errors
    ///
    /// If the connection has timed out and must be closed.
    pub(super) fn check_timeouts(&self, limits: &Limits) -> Result<Instant, ConnectionTimeout> {
        let now = self.now();
        let shortest_limit = limits.head.min(limits.idle).min(limits.stall);
        // A lower bound keeps the checks cheap if a limit is very short.
        let shortest_limit = shortest_limit.max(Duration::from_millis(1));
        let blocked_since = self.blocked_since.load(Relaxed);
        let since = self.state.load(Relaxed) >> ACTIVITY_BITS;
        let (since, limit, timeout) = match self.current_activity() {
            _ if blocked_since != NEVER => (blocked_since, limits.stall, ConnectionTimeout::Stall),
            IDLE => (since, limits.idle, ConnectionTimeout::Idle),
            READING_HEAD => (since, limits.head, ConnectionTimeout::Head),
            // `DeadlineService` limits the duration of a request.
            _ => return Ok(self.opened + Duration::from_micros(now) + shortest_limit),
        };
        let elapsed = Duration::from_micros(now - since);
        match limit.checked_sub(elapsed) {
            None | Some(Duration::ZERO) => {
                self.has_timed_out.store(true, Relaxed);
                Err(timeout)
            }
            Some(remaining) => {
                Ok(self.opened + Duration::from_micros(now) + remaining.min(shortest_limit))
            }
        }
    }

    fn current_activity(&self) -> u64 {
        self.state.load(Relaxed) & ((1 << ACTIVITY_BITS) - 1)
    }

    fn set_activity(&self, activity: u64, now: u64) {
        self.state.store(now << ACTIVITY_BITS | activity, Relaxed);
    }

    fn now(&self) -> u64 {
        // A `u64` of microseconds covers half a million years.
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
    async fn connection_without_requests_times_out_as_idle() {
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
    async fn next_check_is_within_the_shortest_limit() {
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
