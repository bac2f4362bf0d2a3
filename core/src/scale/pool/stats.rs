//! Counts and latencies of a pool.

use crate::LatencyHistogram;

/// Work counts of a [`Pool`](super::Pool). Accepted work is running, waiting, or has one of
/// four outcomes: done, panicked, cancelled or lost.
///
/// ```
/// use highwater::scale::{Pool, PoolOptions, PoolStats};
///
/// let pool = Pool::new(PoolOptions::new(1), |work| work.run());
/// assert_eq!(pool.stats(), PoolStats::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// Work that is running now.
    pub running: usize,
    /// Accepted work that is queued now.
    pub waiting: usize,
    /// Work accepted since the pool was created.
    pub accepted: u64,
    /// Rejected work.
    pub rejected: u64,
    /// Work that returned before its ticket was dropped.
    pub done: u64,
    /// Work that panicked.
    pub panicked: u64,
    /// Work whose ticket was dropped before it finished.
    pub cancelled: u64,
    /// Work that was dropped before it ran.
    pub lost: u64,
}

/// The latencies of a [`Pool`](super::Pool). Histograms of several pools can be merged.
///
/// ```
/// use highwater::scale::{Pool, PoolLatencies, PoolOptions};
/// use std::{sync::Arc, time::Instant};
///
/// let start = Instant::now();
/// let options = PoolOptions::new(1).clock(Arc::new(move || start.elapsed()));
/// let pools = [1, 2].map(|_| Pool::new(options.clone(), |work| work.run()));
/// let mut total = PoolLatencies::default();
/// for pool in &pools {
///     drop(pool.try_run(|_| ()));
///     total.ran.merge(&pool.latencies().ran);
/// }
/// assert_eq!(total.ran.count(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolLatencies {
    /// The time from acceptance to start.
    pub waited: LatencyHistogram,
    /// The time from start to completion.
    pub ran: LatencyHistogram,
}
