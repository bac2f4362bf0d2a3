//! Cooperative yielding.

use std::task::Context;

/// A limit on the number of items processed without yielding to the executor.
///
/// Without it, a pipeline that is always ready would block its event loop and could not
/// be cancelled.
pub(in crate::stream) struct YieldBudget {
    limit: u32,
    used: u32,
}

impl YieldBudget {
    /// Creates the budget of a source.
    pub(in crate::stream) fn for_source() -> Self {
        YieldBudget {
            limit: 128,
            used: 0,
        }
    }

    /// Creates the budget of a stage that may yield many outputs per input.
    pub(in crate::stream) fn for_stage() -> Self {
        YieldBudget {
            limit: 1024,
            used: 0,
        }
    }

    /// Returns whether the budget is used up. If so, wakes the task and resets the
    /// budget, and the caller must return `Pending`.
    pub(in crate::stream) fn is_exhausted(&mut self, context: &Context<'_>) -> bool {
        if self.used < self.limit {
            return false;
        }
        self.reset();
        context.waker().wake_by_ref();
        true
    }

    /// Restores the full budget after the task has yielded anyway.
    pub(in crate::stream) fn reset(&mut self) {
        self.used = 0;
    }

    /// Counts one item.
    pub(in crate::stream) fn count(&mut self) {
        self.used += 1;
    }
}
