//! Texts and sources of the errors of an emit.

use super::{EmitError, Failure};
use crate::error::causes;
use std::{error::Error, fmt};

/// Writes how many listeners failed, and each failure. With several failures the
/// causes are included, since they cannot all be the [source](Error::source).
impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.summary())?;
        if let ([only], false) = (self.failures(), f.alternate()) {
            return only.fmt(f);
        }
        for (index, failure) in self.failures().iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{failure:#}")?;
        }
        Ok(())
    }
}

impl Error for EmitError {
    /// Returns the cause of the listener's error if only one listener failed: that
    /// error is part of this one's text. With several failures, the text contains all
    /// causes.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.failures() {
            [only] => only.source(),
            _ => None,
        }
    }
}

/// Writes the listener and its error; with `{:#}`, also the causes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        if f.alternate() {
            return causes::write_with_causes(&*self.error, f);
        }
        causes::write_own_text(causes::first_cause_with_text(&*self.error), f)
    }
}

impl Error for Failure {
    /// Returns the cause of the listener's [`error`](Self::error), which is part of
    /// this one's text.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        causes::first_cause_with_text(&*self.error).source()
    }
}
