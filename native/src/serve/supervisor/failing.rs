//! Workers that fail to start again and again: logged once, then once a minute.

use std::{collections::BTreeMap, time::Duration};

const LOG_EVERY: Duration = Duration::from_mins(1);

/// The slots whose workers fail to start, and what was logged of each.
#[derive(Debug, Default)]
pub(super) struct FailingSlots(BTreeMap<usize, FailureLog>);

#[derive(Debug)]
struct FailureLog {
    logged_at: Duration,
    left_out: u64,
}

impl FailingSlots {
    /// Notes one more failed start in a slot that fails. Returns how many were not
    /// logged since the last line if this one is to be logged.
    pub(super) fn failed(&mut self, slot: usize, now: Duration) -> Option<u64> {
        let Some(log) = self.0.get_mut(&slot) else {
            let (logged_at, left_out) = (now, 0);
            self.0.insert(
                slot,
                FailureLog {
                    logged_at,
                    left_out,
                },
            );
            return Some(0);
        };
        if now.saturating_sub(log.logged_at) < LOG_EVERY {
            log.left_out += 1;
            return None;
        }
        log.logged_at = now;
        Some(std::mem::take(&mut log.left_out))
    }

    /// Keeps those that still fail; whether others were among them.
    pub(super) fn retain(&mut self, fails: impl Fn(usize) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|slot, _| fails(*slot));
        self.0.len() < before
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The numbers of the workers, as people know them.
    pub(super) fn numbers(&self) -> Vec<usize> {
        self.0.keys().map(|slot| slot + 1).collect()
    }

    /// The same in one line.
    pub(super) fn line(&self) -> String {
        let numbers = self.numbers();
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_starts_are_logged_once_and_then_once_a_minute() {
        let mut failing = FailingSlots::default();
        let secs = Duration::from_secs;
        assert_eq!(failing.failed(3, secs(0)), Some(0));
        for second in 1..60 {
            assert_eq!(failing.failed(3, secs(second)), None);
        }
        assert_eq!(failing.failed(3, secs(60)), Some(59));
        assert_eq!(failing.failed(3, secs(61)), None);
        assert_eq!(failing.failed(0, secs(61)), Some(0), "each by itself");
        assert_eq!(failing.line(), "1, 4");
    }

    #[test]
    fn recovered_slots_are_logged_anew() {
        let mut failing = FailingSlots::default();
        assert_eq!(failing.failed(3, Duration::ZERO), Some(0));
        assert!(!failing.retain(|slot| slot == 3));
        assert!(failing.retain(|_| false));
        assert_eq!((failing.count(), failing.line()), (0, String::new()));
        assert_eq!(failing.failed(3, Duration::ZERO), Some(0));
    }
}
