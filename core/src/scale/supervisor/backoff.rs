//! The pauses before replacements.

use super::SupervisorOptions;
use std::time::Duration;

/// Pauses that double, each shortened by a random amount of up to half.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    /// The state of a `SplitMix64` generator. Only the length of pauses depends on
    /// it, which does not justify a dependency for every user of this crate.
    state: u64,
}

impl Backoff {
    pub(super) fn new(options: &SupervisorOptions) -> Self {
        Backoff {
            first: options.first_pause,
            longest: options.max_pause,
            state: options.seed,
        }
    }

    /// Returns the pause before a start that follows `replaced` replacements in a
    /// row, none of which became stable.
    pub(super) fn pause(&mut self, replaced: u32) -> Duration {
        let Some(doublings) = replaced.checked_sub(1) else {
            return Duration::ZERO;
        };
        // The factor is capped at about 2^32.
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.longest);
        let half = full / 2;
        // Integer arithmetic, because floats would enlarge the page's download.
        let permille = u32::try_from(self.draw() % 1001).unwrap_or(0);
        full.saturating_sub(half / 1000 * permille)
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
