//! What an emit reports when listeners fail.

use super::{BoxError, Registration};
use std::{fmt, sync::Arc};

/// Some listeners failed, and nobody else was told.
///
/// Under [`Policy::Isolate`](super::Policy::Isolate) all of them ran; under
/// [`Policy::FailFast`](super::Policy::FailFast) none behind the first failure.
///
/// ```
/// use highwater::events::Emitter;
///
/// let emitter: Emitter<u8> = Emitter::new();
/// emitter.on("disk", |_| Err("full")).detach();
/// emitter.on("mail", |_| ()).detach();
///
/// let error = emitter.emit(&1).unwrap_err();
/// assert_eq!(error.delivered(), 2);
/// assert_eq!(error.failures().len(), 1);
/// assert_eq!(error.to_string(), "1 of 2 listeners failed: disk: full");
/// ```
#[derive(thiserror::Error)]
pub struct EmitError(Box<Report>);

/// Boxed, so that an emit that succeeds, as almost all do, returns in registers.
struct Report {
    delivered: usize,
    failures: Vec<Failure>,
}

impl EmitError {
    pub(super) fn new(delivered: usize, failures: Vec<Failure>) -> Self {
        EmitError(Box::new(Report {
            delivered,
            failures,
        }))
    }

    /// How many listeners ran, failed ones included. 0 for a failure that was
    /// [raised](super::Emitter::raise) and nobody observes.
    pub fn delivered(&self) -> usize {
        self.0.delivered
    }

    /// What failed, in the order of the listeners. Never empty.
    pub fn failures(&self) -> &[Failure] {
        &self.0.failures
    }

    /// What failed, to keep.
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure> {
        self.0.failures
    }
}

impl fmt::Debug for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitError")
            .field("delivered", &self.delivered())
            .field("failures", &self.failures())
            .finish()
    }
}

/// One listener's failure.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The listener's name.
    pub listener: Arc<str>,
    /// What it answered.
    pub error: BoxError,
}

impl Failure {
    /// What went wrong in work that a listener started and did not wait for,
    /// for [`Emitter::raise`](super::Emitter::raise).
    pub fn new(listener: impl Into<Arc<str>>, error: impl Into<BoxError>) -> Self {
        Failure {
            listener: listener.into(),
            error: error.into(),
        }
    }

    pub(super) fn of(listener: &Registration, error: BoxError) -> Self {
        Failure {
            listener: Arc::clone(&listener.name),
            error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.listener, self.error)
    }
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.delivered() {
            0 => f.write_str("nobody observes: ")?,
            ran => write!(f, "{} of {ran} listeners failed: ", self.failures().len())?,
        }
        for (index, failure) in self.failures().iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{failure}")?;
        }
        Ok(())
    }
}
