//! How long a replacement waits.

use super::SupervisorOptions;
use std::time::Duration;

/// Pauses that double, each shortened by up to half at random.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    /// Of `SplitMix64`, which needs no more than this. Where to start is all
    /// that the draws decide, so a generator as a dependency of every user of
    /// this crate would be too much.
    state: u64,
}

impl Backoff {
    pub(super) fn new(options: &SupervisorOptions) -> Self {
        Backoff {
            first: options.first_pause,
            longest: options.longest_pause,
            state: options.seed,
        }
    }

    /// The pause before a worker starts that follows `replaced` others, none of
    /// which lasted.
    pub(super) fn pause(&mut self, replaced: u32) -> Duration {
        let Some(doublings) = replaced.checked_sub(1) else {
            return Duration::ZERO;
        };
        // Twice as long each time: 2^31 times the shortest is long enough.
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.longest);
        let half = full / 2;
        // Whole parts of a thousand: no float, which weighs much in a tab.
        let share = u32::try_from(self.draw() % 1001).unwrap_or(0);
        full.saturating_sub(half / 1000 * share)
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
