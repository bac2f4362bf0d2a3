//! Leaving the loop to others now and then.

use std::task::Context;

/// Counts what is done in a row without anybody having to wait.
///
/// What is always ready would keep the loop from everything else, a
/// cancellation included.
pub(in crate::stream) struct Turn {
    most: u32,
    in_a_row: u32,
}

impl Turn {
    /// A turn of a source.
    pub(in crate::stream) fn of_source() -> Self {
        Turn {
            most: 128,
            in_a_row: 0,
        }
    }

    /// A turn of a stage that makes many items of one.
    pub(in crate::stream) fn of_stage() -> Self {
        Turn {
            most: 1024,
            in_a_row: 0,
        }
    }

    /// Whether it is over. The task is then woken for the next one, and has to
    /// be left.
    pub(in crate::stream) fn is_over(&mut self, context: &Context<'_>) -> bool {
        if self.in_a_row < self.most {
            return false;
        }
        self.end();
        context.waker().wake_by_ref();
        true
    }

    /// It begins anew: somebody has to wait, or there is something else to count.
    pub(in crate::stream) fn end(&mut self) {
        self.in_a_row = 0;
    }

    /// One more item went by.
    pub(in crate::stream) fn count(&mut self) {
        self.in_a_row += 1;
    }
}
