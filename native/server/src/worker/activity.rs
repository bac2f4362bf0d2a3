//! Connection activity and timeouts.

use crate::{limits::Limits, metrics::ConnectionTimeout};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
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
/// A single task does all reads and writes. The streams of HTTP/2 are tasks of their own.
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
    has_received_request: AtomicBool,
    has_timed_out: AtomicBool,
    /// The streams of HTTP/2 that are not finished.
    open_streams: AtomicUsize,
    /// The response bodies of HTTP/2 that have produced a frame which the client does not
    /// receive yet.
    blocked_bodies: AtomicUsize,
    /// The time at which such a body or a write last made progress, in microseconds since
    /// `opened`.
    last_progress: AtomicU64,
}

const IDLE: u64 = 0;
const READING_HEAD: u64 = 1;
const SERVING_REQUEST: u64 = 2;
/// HTTP/2. The time is that of the last activity other than control frames.
const MULTIPLEXED: u64 = 3;
/// The connection changes, or has changed, to another protocol.
const UPGRADED: u64 = 4;
const ACTIVITY_BITS: u32 = 3;
const NEVER: u64 = u64::MAX;

/// Shorter writes of HTTP/2 are control frames or almost empty data frames. They do not
/// count as progress of a response. A ping and its frame header have 17 bytes.
const MIN_PROGRESS_BYTES: usize = 64;

impl ConnectionActivity {
    pub(super) fn new() -> Self {
        ConnectionActivity {
            opened: Instant::now(),
            state: AtomicU64::new(IDLE),
            last_read: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NEVER),
            is_input_possible: AtomicBool::new(false),
            is_response_due: AtomicBool::new(false),
            has_received_request: AtomicBool::new(false),
            has_timed_out: AtomicBool::new(false),
            open_streams: AtomicUsize::new(0),
            blocked_bodies: AtomicUsize::new(0),
            last_progress: AtomicU64::new(0),
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
        let read = self.last_read.load(Relaxed);
        self.has_received_request.store(true, Relaxed);
        if self.current_activity() != MULTIPLEXED {
            self.is_input_possible.store(has_body, Relaxed);
            self.set_activity(SERVING_REQUEST, read);
        }
        self.opened + Duration::from_micros(read)
    }

    /// Returns true if a request was received.
    pub(super) fn has_received_request(&self) -> bool {
        self.has_received_request.load(Relaxed)
    }

    /// Records that a response body of HTTP/2 has produced a frame, which is not followed
    /// by another one until the client can receive it.
    pub(super) fn body_blocked(&self) {
        self.last_progress.store(self.now(), Relaxed);
        self.blocked_bodies.fetch_add(1, Relaxed);
    }

    /// Records that the client can receive the next frame of such a body, or that the body
    /// was dropped.
    pub(super) fn body_unblocked(&self) {
        self.last_progress.store(self.now(), Relaxed);
        self.blocked_bodies.fetch_sub(1, Relaxed);
    }

    /// Records that the response being sent changes the protocol. From now on, the
    /// connection has no time limits.
    pub(super) fn upgraded(&self) {
        self.set_activity(UPGRADED, self.now());
    }

    /// Returns true if the connection changes, or has changed, to another protocol.
    pub(super) fn is_upgraded(&self) -> bool {
        self.current_activity() == UPGRADED
    }

    /// Returns true if hyper's own responses to malformed requests are possible.
    pub(super) fn is_http1(&self) -> bool {
        self.current_activity() < MULTIPLEXED
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
        if self.is_http1() {
            self.set_activity(IDLE, self.now());
        }
    }

    /// Records that a write is blocked because the client does not read.
    pub(super) fn write_blocked(&self) {
        if self.blocked_since.load(Relaxed) == NEVER {
            self.blocked_since.store(self.now(), Relaxed);
        }
    }

    /// Records that bytes were written.
    pub(super) fn write_progressed(&self, bytes: usize) {
        self.is_response_due.store(false, Relaxed);
        if self.current_activity() == MULTIPLEXED && bytes >= MIN_PROGRESS_BYTES {
            let now = self.now();
            self.last_progress.store(now, Relaxed);
            self.set_activity(MULTIPLEXED, now);
        }
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
            MULTIPLEXED if self.open_streams.load(Relaxed) == 0 => {
                (since, limits.idle, ConnectionTimeout::Idle)
            }
            MULTIPLEXED if self.blocked_bodies.load(Relaxed) > 0 => {
                let since = self.last_progress.load(Relaxed);
                (since, limits.stall, ConnectionTimeout::Stall)
            }
            // `DeadlineService` limits the duration of a request.
            _ => return Ok(self.opened + Duration::from_micros(now) + shortest_limit),
        };
        // Another thread may have recorded an activity since `now`.
        let elapsed = Duration::from_micros(now.saturating_sub(since));
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

#[cfg(feature = "http2")]
impl ConnectionActivity {
    /// Records that the client speaks HTTP/2.
    pub(super) fn multiplexed(&self) {
        self.set_activity(MULTIPLEXED, self.now());
    }

    /// Records the start of an HTTP/2 stream.
    pub(super) fn stream_opened(&self) {
        self.open_streams.fetch_add(1, Relaxed);
    }

    /// Records the end of an HTTP/2 stream.
    pub(super) fn stream_closed(&self) {
        self.set_activity(MULTIPLEXED, self.now());
        self.open_streams.fetch_sub(1, Relaxed);
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
            activity.write_progressed(1);
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
