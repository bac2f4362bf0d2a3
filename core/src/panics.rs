//! Panics of user code.

use std::{
    any::Any,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs untrusted code and catches its panics. Any state it leaves inconsistent is
/// its own and is not used again.
pub(crate) fn catch_panic<R>(run: impl FnOnce() -> R) -> Result<R, CaughtPanic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| CaughtPanic(Some(payload)))
}

/// A panic payload. Its destructor may panic.
pub(crate) struct CaughtPanic(Option<Box<dyn Any + Send>>);

impl Deref for CaughtPanic {
    type Target = dyn Any + Send;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or(&())
    }
}

impl Drop for CaughtPanic {
    fn drop(&mut self) {
        let payload = self.0.take();
        if let Err(second_payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // The destructor of this payload may panic too. Forget it, because
            // dropping in a loop might never end.
            std::mem::forget(second_payload);
        }
    }
}

/// Returns the message of a panic, if it is a text.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
}
