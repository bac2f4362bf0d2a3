//! Cooperative yielding.

use std::task::Context;

/// A limit on the number of items processed in a row without yielding to the executor.
///
/// A pipeline that is always ready would otherwise block its event loop, and could not
/// even be cancelled.
pub(in crate::stream) struct YieldBudget {
    limit: u32,
    used: u32,
}

impl YieldBudget {
    /// Returns the budget of a source.
    pub(in crate::stream) fn of_source() -> Self {
        YieldBudget {
            limit: 128,
            used: 0,
        }
    }

    /// Returns the budget of a stage that may yield many outputs per input.
    pub(in crate::stream) fn of_stage() -> Self {
        YieldBudget {
            limit: 1024,
            used: 0,
        }
    }

    /// Returns whether the budget is used up. If so, it wakes the task and resets the
    /// budget, and the caller has to return `Pending`.
    pub(in crate::stream) fn is_exhausted(&mut self, context: &Context<'_>) -> bool {
        if self.used < self.limit {
            return false;
        }
        self.reset();
        context.waker().wake_by_ref();
        true
    }

    /// Restores the full budget, after the task had to wait anyway.
    pub(in crate::stream) fn reset(&mut self) {
        self.used = 0;
    }

    /// Counts one item.
    pub(in crate::stream) fn count(&mut self) {
        self.used += 1;
    }
}
