//! The errors of an emit.

use super::{ListenerId, Registration};
use crate::BoxError;
use std::{error::Error, fmt, panic::Location, sync::Arc};

/// The error of an emit whose failures had no observer.
///
/// Under [`FailurePolicy::Isolate`](super::FailurePolicy::Isolate) all listeners ran.
/// Under [`FailurePolicy::FailFast`](super::FailurePolicy::FailFast) no listener ran
/// after the first failure.
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

/// The fields of an [`EmitError`], boxed so that a successful emit, which is almost
/// every one, returns in registers.
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

    /// Returns the number of listeners that ran, failed ones included; for a
    /// [raised](super::Emitter::raise) failure, the number of observers.
    ///
    /// ```
    /// use highwater::events::{Emitter, Failure};
    ///
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("disk", |_| Err("full")).detach();
    /// emitter.on("mail", |_| ()).detach();
    /// assert_eq!(emitter.emit(&1).unwrap_err().delivered(), 2);
    /// let raised = emitter.raise(Failure::new("upload", "connection lost"));
    /// assert_eq!(raised.unwrap_err().delivered(), 0, "no observer ran");
    /// ```
    pub fn delivered(&self) -> usize {
        self.0.delivered
    }

    /// Returns the failures, in the order of the listeners. Never empty.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
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

    /// Converts into the failures.
    ///
    /// ```
    /// use highwater::events::Emitter;
    ///
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

    /// Returns how many listeners failed, in words.
    pub(crate) fn summary(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.delivered() {
            0 => f.write_str("unobserved"),
            _ if self.was_raised() => f.write_str("an observer failed"),
            ran => {
                let failures = self.failures().iter();
                let failed = failures.filter(|failure| !failure.is_from_observer).count();
                write!(f, "{failed} of {ran} listeners failed")
            }
        })
    }

    /// Returns whether the failure was raised, instead of returned by a listener.
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

/// The failure of one listener. A clone refers to the same error.
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
/// assert!(failure.error.is::<InboxFull>());
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The listener's name.
    pub listener: Arc<str>,
    /// The handle of the listener. `None` if the failure was
    /// [raised](super::Emitter::raise).
    pub id: Option<ListenerId>,
    /// The source location that added the listener. `None` if the failure was raised.
    pub location: Option<&'static Location<'static>>,
    /// The type of the event. `None` if the failure was raised. The event itself is
    /// only borrowed, so that events need not be `Clone`; a
    /// [monitor](super::Emitter::monitor) or a [tap](super::Bus::tap) sees it
    /// together with the failure.
    pub event: Option<&'static str>,
    /// The error that the listener returned.
    pub error: Arc<dyn Error + Send + Sync>,
    /// True if the listener is an observer that failed while handling a failure.
    pub is_from_observer: bool,
}

impl Failure {
    /// Creates a failure of work that a listener started and did not await, for
    /// [`Emitter::raise`](super::Emitter::raise).
    ///
    /// ```
    /// use highwater::events::Failure;
    ///
    /// let failure = Failure::new("upload", "connection lost");
    /// assert_eq!(failure.to_string(), "upload: connection lost");
    /// assert_eq!(failure.id, None);
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

    pub(super) fn mark_from_observer(mut self) -> Self {
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

    /// Returns the name of the listener, marked if it is an observer.
    pub(crate) fn name(&self) -> impl fmt::Display {
        let role = if self.is_from_observer {
            "observer "
        } else {
            ""
        };
        fmt::from_fn(move |f| write!(f, "{role}{}", self.listener))
    }
}
