//! How much a pool lets in.

use crate::{Clock, sync::Arc};
use std::{fmt, time::Duration};

/// How much a [`Pool`](super::Pool) runs at once, and how much it lets wait.
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
pub struct PoolOptions {
    pub(super) running: usize,
    pub(super) waiting: usize,
    pub(super) retry_after: Duration,
    pub(super) clock: Option<Arc<dyn Clock>>,
}

impl PoolOptions {
    /// So much runs at once: as much as there are threads. Nothing counts as one.
    /// As much again may wait.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// let pool = Pool::new(PoolOptions::new(0), |work| drop(work));
    /// assert!(pool.try_run(|_| ()).is_ok());
    /// ```
    #[must_use]
    pub fn new(running: usize) -> Self {
        PoolOptions {
            running,
            waiting: running.max(1),
            retry_after: Duration::from_secs(1),
            clock: None,
        }
    }

    /// So much may wait. With nothing, what cannot run at once is rejected.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// # use std::sync::Mutex;
    /// let later = Mutex::new(Vec::new());
    /// let pool = Pool::new(PoolOptions::new(1).waiting(0), move |work| {
    ///     later.lock().unwrap().push(work);
    /// });
    /// let ticket = pool.try_run(|_| ());
    /// assert!(pool.try_run(|_| ()).is_err());
    /// # drop(ticket);
    /// ```
    #[must_use]
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// What to tell who is rejected while it is not known how long work takes:
    /// a second, unless set.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// # use std::{sync::Mutex, time::Duration};
    /// let later = Mutex::new(Vec::new());
    /// let options = PoolOptions::new(1).waiting(0).retry_after(Duration::from_secs(5));
    /// let pool = Pool::new(options, move |work| later.lock().unwrap().push(work));
    /// let ticket = pool.try_run(|_| ());
    /// assert_eq!(pool.try_run(|_| ()).unwrap_err().retry_after, Duration::from_secs(5));
    /// # drop(ticket);
    /// ```
    #[must_use]
    pub fn retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// By this clock it sees how long work takes, and tells who is rejected when
    /// the next place becomes free, as things go: a millisecond at least. Work that
    /// was cancelled is left out of that.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// # use std::{sync::{Arc, Mutex, atomic::{AtomicU64, Ordering::Relaxed}}, time::Duration};
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
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
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
