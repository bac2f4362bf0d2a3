//! Slots whose workers repeatedly fail to start. Each slot is logged once, then at most
//! once a minute.

use std::{collections::BTreeMap, time::Duration};

const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The slots whose workers fail to start, with the time of each slot's last log line.
#[derive(Debug, Default)]
pub(super) struct FailingSlots(BTreeMap<usize, FailureLog>);

#[derive(Debug)]
struct FailureLog {
    logged_at: Duration,
    /// The number of failures since the last log line.
    suppressed: u64,
}

impl FailingSlots {
    /// Records a failed start. If it should be logged, returns the number of failures
    /// suppressed since the last log line.
    pub(super) fn record_failure(&mut self, slot: usize, now: Duration) -> Option<u64> {
        let Some(log) = self.0.get_mut(&slot) else {
            let log = FailureLog {
                logged_at: now,
                suppressed: 0,
            };
            self.0.insert(slot, log);
            return Some(0);
        };
        if now.saturating_sub(log.logged_at) < LOG_INTERVAL {
            log.suppressed += 1;
            return None;
        }
        log.logged_at = now;
        Some(std::mem::take(&mut log.suppressed))
    }

    /// Retains the slots that are still failing. Returns true if any were removed.
    pub(super) fn retain(&mut self, is_failing: impl Fn(usize) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|slot, _| is_failing(*slot));
        self.0.len() < before
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the worker numbers, counted from 1.
    pub(super) fn worker_numbers(&self) -> Vec<usize> {
        self.0.keys().map(|slot| slot + 1).collect()
    }

    /// Returns the worker numbers as text, such as `2, 3`.
    pub(super) fn worker_list(&self) -> String {
        let numbers = self.worker_numbers();
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_logged_once_a_minute() {
        let mut failing = FailingSlots::default();
        let secs = Duration::from_secs;
        assert_eq!(failing.record_failure(3, secs(0)), Some(0));
        for second in 1..60 {
            assert_eq!(failing.record_failure(3, secs(second)), None);
        }
        assert_eq!(failing.record_failure(3, secs(60)), Some(59));
        assert_eq!(failing.record_failure(3, secs(61)), None);
        let other_slot = failing.record_failure(0, secs(61));
        assert_eq!(other_slot, Some(0), "slots are logged independently");
        assert_eq!(failing.worker_list(), "1, 4");
    }

    #[test]
    fn recovered_slot_is_logged_again() {
        let mut failing = FailingSlots::default();
        assert_eq!(failing.record_failure(3, Duration::ZERO), Some(0));
        assert!(!failing.retain(|slot| slot == 3));
        assert!(failing.retain(|_| false));
        assert_eq!((failing.count(), failing.worker_list()), (0, String::new()));
        assert_eq!(failing.record_failure(3, Duration::ZERO), Some(0));
    }
}
