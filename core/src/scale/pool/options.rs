//! The options of a pool.

use crate::{Clock, sync::Arc};
use std::{fmt, time::Duration};

/// The limits of a [`Pool`](super::Pool).
///
/// ```
/// use highwater::scale::{Pool, PoolOptions};
/// use std::{sync::Arc, time::{Duration, Instant}};
///
/// let start = Instant::now();
/// let options = PoolOptions::new(4)
///     .waiting(64)
///     .clock(Arc::new(move || start.elapsed()))
///     .retry_after(Duration::from_secs(2));
/// let pool = Pool::new(options, |work| work.run());
/// # drop(pool);
/// ```
#[derive(Clone)]
#[must_use = "does nothing unless used"]
pub struct PoolOptions {
    pub(super) running: usize,
    pub(super) waiting: usize,
    pub(super) retry_after: Duration,
    pub(super) clock: Option<Arc<dyn Clock>>,
}

impl PoolOptions {
    /// Creates options for `running` threads and a queue of the same size. 0 is
    /// treated as 1.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    ///
    /// let pool = Pool::new(PoolOptions::new(0), |work| drop(work));
    /// assert!(pool.try_run(|_| ()).is_ok());
    /// ```
    pub fn new(running: usize) -> Self {
        PoolOptions {
            running,
            waiting: running.max(1),
            retry_after: Duration::from_secs(1),
            clock: None,
        }
    }

    /// Sets the queue's limit. With 0, work that cannot start immediately is
    /// rejected.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    /// use std::sync::Mutex;
    ///
    /// let later = Mutex::new(Vec::new());
    /// let pool = Pool::new(PoolOptions::new(1).waiting(0), move |work| {
    ///     later.lock().unwrap().push(work);
    /// });
    /// let ticket = pool.try_run(|_| ());
    /// assert!(pool.try_run(|_| ()).is_err());
    /// # drop(ticket);
    /// ```
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// Sets the `retry_after` of rejections until the pool has measured the duration
    /// of work. The default is one second.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    /// use std::{sync::Mutex, time::Duration};
    ///
    /// let later = Mutex::new(Vec::new());
    /// let options = PoolOptions::new(1).waiting(0).retry_after(Duration::from_secs(5));
    /// let pool = Pool::new(options, move |work| later.lock().unwrap().push(work));
    /// let ticket = pool.try_run(|_| ());
    /// assert_eq!(pool.try_run(|_| ()).unwrap_err().retry_after, Duration::from_secs(5));
    /// # drop(ticket);
    /// ```
    pub fn retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Sets a clock. With it, the pool measures the duration of work and estimates
    /// for rejected callers how long it takes until a slot is free, at least one
    /// millisecond. Cancelled work is not measured.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    /// use std::{sync::{Arc, Mutex, atomic::{AtomicU64, Ordering::Relaxed}}, time::Duration};
    ///
    /// let hand: Arc<AtomicU64> = Arc::default();
    /// let clock = Arc::clone(&hand);
    /// let later = Arc::new(Mutex::new(Vec::new()));
    /// let list = Arc::clone(&later);
    /// let options = PoolOptions::new(1)
    ///     .waiting(0)
    ///     .clock(Arc::new(move || Duration::from_secs(clock.load(Relaxed))));
    /// let pool = Pool::new(options, move |work| list.lock().unwrap().push(work));
    /// let first = pool.try_run(move |_| hand.store(8, Relaxed));
    /// later.lock().unwrap().pop().unwrap().run();
    /// let second = pool.try_run(|_| ());
    /// assert_eq!(pool.try_run(|_| ()).unwrap_err().retry_after, Duration::from_secs(8));
    /// # drop((first, second));
    /// ```
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets a clock if there is none.
    #[cfg(feature = "tokio")]
    pub(crate) fn default_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock.get_or_insert_with(|| Arc::new(clock));
        self
    }
}

impl fmt::Debug for PoolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolOptions")
            .field("running", &self.running)
            .field("waiting", &self.waiting)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}
