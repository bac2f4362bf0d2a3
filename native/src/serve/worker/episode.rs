//! Telling once of what happens again and again.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// So long without it, and the next time is news.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// A trouble that comes and goes, many times a second perhaps.
#[derive(Debug, Default)]
pub(super) struct Episode {
    last: Mutex<Option<Instant>>,
}

impl Episode {
    /// It happens; whether that is worth a line in the log.
    pub(super) fn begins(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.replace(now);
        before.is_none_or(|before| now - before >= OVER_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_however_long_it_lasts() {
        let episode = Episode::default();
        assert!(episode.begins());
        for _ in 0..100 {
            advance(OVER_AFTER / 2).await;
            assert!(!episode.begins());
        }
        advance(OVER_AFTER).await;
        assert!(episode.begins());
    }
}
