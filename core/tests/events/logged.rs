//! A log of what happened, for tests to compare.

use std::sync::{Arc, Mutex};

/// Lines in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Returns a listener that logs its name.
    pub(crate) fn listener<E: ?Sized>(&self, name: &'static str) -> impl Fn(&E) + use<E> {
        let log = self.clone();
        move |_| log.add(name)
    }

    /// Returns a listener that logs its name and fails.
    pub(crate) fn failing<E: ?Sized>(
        &self,
        name: &'static str,
    ) -> impl Fn(&E) -> Result<(), String> + use<E> {
        let log = self.clone();
        move |_| {
            log.add(name);
            Err(format!("{name} is out"))
        }
    }
}
