//! What an emit reports when listeners fail.

use super::{ListenerId, Registration};
use crate::{BoxError, error::text};
use std::{error::Error, fmt, panic::Location, sync::Arc};

/// Some listeners failed, and nobody else was told.
///
/// Under [`FailurePolicy::Isolate`](super::FailurePolicy::Isolate) all of them ran; under
/// [`FailurePolicy::FailFast`](super::FailurePolicy::FailFast) none behind the first failure.
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
pub struct EmitError(Box<EmitErrorInner>);

/// Boxed, so that an emit that succeeds, as almost all do, returns in registers.
struct EmitErrorInner {
    delivered: usize,
    failures: Vec<Failure>,
}

impl EmitError {
    pub(super) fn new(delivered: usize, failures: Vec<Failure>) -> Self {
        EmitError(Box::new(EmitErrorInner {
            delivered,
            failures,
        }))
    }

    /// How many listeners ran, failed ones included. Of a failure that was
    /// [raised](super::Emitter::raise), how many observers.
    ///
    /// ```
    /// # use highwater::events::{Emitter, Failure};
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("disk", |_| Err("full")).detach();
    /// emitter.on("mail", |_| ()).detach();
    /// assert_eq!(emitter.emit(&1).unwrap_err().delivered(), 2);
    /// let raised = emitter.raise(Failure::new("upload", "connection lost"));
    /// assert_eq!(raised.unwrap_err().delivered(), 0, "nobody observes");
    /// ```
    pub fn delivered(&self) -> usize {
        self.0.delivered
    }

    /// What failed, in the order of the listeners. Never empty.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("disk", |_| Err("full")).detach();
    /// emitter.on("mail", |_| Err("no route")).detach();
    /// let error = emitter.emit(&1).unwrap_err();
    /// let names: Vec<_> = error.failures().iter().map(|failure| &*failure.listener).collect();
    /// assert_eq!(names, ["disk", "mail"]);
    /// ```
    pub fn failures(&self) -> &[Failure] {
        &self.0.failures
    }

    /// What failed, to keep.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("disk", |_| Err("full")).detach();
    /// let mut kept = Vec::new();
    /// for n in [1, 2] {
    ///     kept.extend(emitter.emit(&n).unwrap_err().into_failures());
    /// }
    /// assert_eq!(kept.len(), 2);
    /// ```
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure> {
        self.0.failures
    }
}

impl EmitError {
    /// What is raised was no listener's, in an emit.
    fn was_raised(&self) -> bool {
        self.failures()
            .first()
            .is_some_and(|first| first.id.is_none())
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

impl Error for EmitError {
    /// What caused the listener's error, if only one failed: that error is part
    /// of this one's text. With several, the text has all of their causes.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.failures() {
            [only] => only.source(),
            _ => None,
        }
    }
}

/// One listener's failure. A clone is the same failure.
///
/// ```
/// use highwater::events::{Emitter, InboxFull, Overflow};
///
/// let emitter: Emitter<u8> = Emitter::new();
/// let inbox = emitter.inbox("reader", 1, Overflow::Fail)?;
/// emitter.emit(&1).unwrap();
/// let error = emitter.emit(&2).unwrap_err();
/// let [failure] = error.failures() else { panic!("one listener") };
/// assert_eq!(failure.id, Some(inbox.id()));
/// assert!(failure.error.is::<InboxFull>(), "what it failed with can be told");
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Its handle, and the line of code that added it; `None` if the failure was
    /// [raised](super::Emitter::raise).
    pub id: Option<ListenerId>,
    /// As for `id`.
    pub location: Option<&'static Location<'static>>,
    /// The type of the event it failed at; `None` if the failure was raised. The
    /// event itself is seen, with the failure, by a
    /// [monitor](super::Emitter::monitor) or a [tap](super::Bus::tap): it is only
    /// borrowed, so that events need not be `Clone`.
    pub event: Option<&'static str>,
    /// What it answered.
    pub error: Arc<dyn Error + Send + Sync>,
    /// Whether it is an observer of failures, which failed at one.
    pub is_from_observer: bool,
}

impl Failure {
    /// What went wrong in work that a listener started and did not wait for,
    /// for [`Emitter::raise`](super::Emitter::raise).
    ///
    /// ```
    /// # use highwater::events::Failure;
    /// let failure = Failure::new("upload", "connection lost");
    /// assert_eq!(failure.to_string(), "upload: connection lost");
    /// assert_eq!(failure.id, None, "no emit called it");
    /// ```
    pub fn new(listener: impl Into<Arc<str>>, error: impl Into<BoxError>) -> Self {
        Failure {
            listener: listener.into(),
            id: None,
            location: None,
            event: None,
            error: error.into().into(),
            is_from_observer: false,
        }
    }

    pub(super) fn from_observer(mut self) -> Self {
        self.is_from_observer = true;
        self
    }

    pub(super) fn from_listener(
        listener: &Registration,
        event: &'static str,
        error: BoxError,
    ) -> Self {
        Failure {
            listener: Arc::clone(&listener.name),
            id: Some(listener.id),
            location: Some(listener.location),
            event: Some(event),
            error: error.into(),
            is_from_observer: false,
        }
    }
}

impl Error for Failure {
    /// What caused the listener's [`error`](Self::error), which is part of this
    /// one's text.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        text::first_with_text(&*self.error).source()
    }
}

/// The listener and its error; with `{:#}`, also what caused that.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        if f.alternate() {
            return text::write_with_causes(&*self.error, f);
        }
        text::write_own(text::first_with_text(&*self.error), f)
    }
}

impl Failure {
    /// The name of whose failure it is.
    pub(crate) fn name(&self) -> impl fmt::Display {
        let role = if self.is_from_observer {
            "observer "
        } else {
            ""
        };
        fmt::from_fn(move |f| write!(f, "{role}{}", self.listener))
    }
}

/// How many listeners failed, and each failure. Of several failures the causes
/// are told too, as they cannot all be the [source](Error::source).
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

impl EmitError {
    /// How many listeners failed.
    pub(crate) fn summary(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.delivered() {
            0 => f.write_str("nobody observes"),
            _ if self.was_raised() => f.write_str("an observer failed"),
            ran => {
                let failures = self.failures().iter();
                let failed = failures.filter(|failure| !failure.is_from_observer).count();
                write!(f, "{failed} of {ran} listeners failed")
            }
        })
    }
}
