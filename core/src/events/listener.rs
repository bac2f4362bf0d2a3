//! The listeners of an emitter.

use crate::{
    BoxError,
    sync::{Arc, AtomicBool, Ordering},
};
use futures_util::future::{BoxFuture, ready};
use std::{
    fmt, marker::PhantomData, panic::Location, sync::atomic::AtomicU64 as Counter, time::Duration,
};

/// The return type of a listener: `()` or a `Result`.
///
/// ```
/// use highwater::{BoxError, events::Emitter};
///
/// let emitter = Emitter::new();
/// emitter.on("print", |line: &str| println!("{line}")).detach();
/// emitter.on("parse", |line: &str| line.parse::<u32>().map(|_| ())).detach();
/// emitter.on("both", |line: &str| -> Result<(), BoxError> {
///     let number: u32 = line.parse()?;
///     if number > 9 {
///         return Err("more than one digit".into());
///     }
///     Ok(())
/// }).detach();
///
/// assert_eq!(emitter.emit("7").unwrap(), 3);
/// assert_eq!(emitter.emit("12").unwrap_err().failures().len(), 1);
/// assert_eq!(emitter.emit("seven").unwrap_err().failures().len(), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "a listener may not return `{Self}`",
    label = "returns neither `()` nor `Result<(), E>`",
    note = "a listener returns `()`, or a `Result<(), E>` whose error converts into `BoxError`; one that returns a future is added by `on_async`"
)]
pub trait ListenerOutcome: 'static {
    /// `false` if a value is never a failure. A [cached](super::CachedEmitter) emit skips
    /// the result of listeners that cannot fail.
    ///
    /// ```
    /// use highwater::{BoxError, events::ListenerOutcome};
    ///
    /// assert!(!<()>::CAN_FAIL);
    /// assert!(Result::<(), BoxError>::CAN_FAIL);
    /// ```
    const CAN_FAIL: bool = true;

    /// Converts into a `Result`.
    ///
    /// ```
    /// use highwater::events::ListenerOutcome;
    ///
    /// assert!(().into_result().is_ok());
    /// let error = Err("full").into_result().unwrap_err();
    /// assert_eq!(error.to_string(), "full");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of the listener.
    fn into_result(self) -> Result<(), BoxError>;
}

impl ListenerOutcome for () {
    const CAN_FAIL: bool = false;

    #[inline]
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError> + 'static> ListenerOutcome for Result<(), E> {
    #[inline]
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// The handle of one listener, for [`off`](super::Emitter::off) and in notices. It is
/// unique in the program, so a handle that is used twice or on another emitter
/// removes nothing.
///
/// ```
/// use highwater::events::Emitter;
///
/// let (one, other) = (Emitter::<u8>::new(), Emitter::<u8>::new());
/// let id = one.on("work", |_| ()).detach();
/// assert!(!other.off(id), "it belongs to another emitter");
/// assert!(one.off(id));
/// assert!(!one.off(id), "a handle works once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(u64);

impl ListenerId {
    pub(super) fn next() -> Self {
        static NEXT: Counter = Counter::new(1);
        ListenerId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The registration of a listener: its name, source location and time.
///
/// ```
/// use highwater::events::Emitter;
///
/// let emitter: Emitter<u8> = Emitter::new();
/// let (id, line) = (emitter.once("ready", |_| ()).detach(), line!());
/// let ready = &emitter.listeners()[0];
/// assert_eq!((ready.id, &*ready.name, ready.is_once), (id, "ready", true));
/// assert_eq!(ready.location.line(), line);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The listener's handle.
    pub id: ListenerId,
    /// The name, which need not be unique.
    pub name: Arc<str>,
    /// The source location that added it.
    pub location: &'static Location<'static>,
    /// The time it was added, by the clock of the emitter's
    /// [`Options`](super::Options), if there is one.
    pub since: Option<Duration>,
    /// True if it is removed before its first call.
    pub is_once: bool,
}

/// A type-erased listener.
pub(super) trait Listen<E: ?Sized>: Send + Sync {
    /// Calls it with the event and waits for it on this thread.
    fn call(&self, event: &E) -> Result<(), BoxError>;

    /// Calls it with the event. The caller awaits any future.
    fn start(&self, event: &E) -> Started {
        Started::Done(self.call(event))
    }

    /// Calls it with a shared event, after [`start`](Self::start) returned
    /// [`Started::NeedsShared`].
    fn start_shared(&self, event: &Arc<E>) -> Running {
        Box::pin(ready(self.call(event)))
    }

    /// Notifies it of its removal. Running emits may still call it.
    fn removed(&self) {}

    /// Converts into a direct call, if it cannot fail.
    fn into_infallible_call(self: Arc<Self>) -> Option<InfallibleCall<E>> {
        None
    }
}

/// A direct call of a listener that cannot fail.
pub(super) type InfallibleCall<E> = Box<dyn Fn(&E) + Send + Sync>;

/// The future of a running listener.
pub(super) type Running = BoxFuture<'static, Result<(), BoxError>>;

pub(super) enum Started {
    Done(Result<(), BoxError>),
    Running(Running),
    /// It needs a shared event, since it may outlive the call.
    NeedsShared,
}

/// A plain function as a listener.
pub(super) struct FnListener<F, R> {
    function: F,
    returns: PhantomData<fn() -> R>,
}

impl<F, R> FnListener<F, R> {
    pub(super) fn new(function: F) -> Self {
        FnListener {
            function,
            returns: PhantomData,
        }
    }
}

impl<E, F, R> Listen<E> for FnListener<F, R>
where
    E: ?Sized,
    F: Fn(&E) -> R + Send + Sync + 'static,
    R: ListenerOutcome,
{
    #[inline]
    fn call(&self, event: &E) -> Result<(), BoxError> {
        (self.function)(event).into_result()
    }

    fn into_infallible_call(self: Arc<Self>) -> Option<InfallibleCall<E>> {
        if R::CAN_FAIL {
            return None;
        }
        Some(Box::new(move |event| {
            (self.function)(event);
        }))
    }
}

/// A listener in the table of an emitter. The fields that every emit reads are stored
/// inline, the others behind a pointer. A clone is the same listener.
pub(super) struct ListenerEntry<E: ?Sized> {
    pub(super) listen: Arc<dyn Listen<E>>,
    /// Set if [`decide`](Self::decide) may skip it.
    is_conditional: bool,
    state: Arc<EntryState>,
}

struct EntryState {
    is_live: bool,
    has_fired: AtomicBool,
    is_removed: AtomicBool,
    registration: Registration,
}

/// The decision whether an emit calls a listener it has reached.
pub(super) enum CallDecision {
    Call,
    /// It is a `once` that has not fired: remove it, then call it.
    RemoveAndCall,
    Skip,
}

impl<E: ?Sized> ListenerEntry<E> {
    pub(super) fn new(listen: Arc<dyn Listen<E>>, registration: Registration, live: bool) -> Self {
        let is_conditional = live || registration.is_once;
        let state = EntryState {
            is_live: live,
            has_fired: AtomicBool::new(false),
            is_removed: AtomicBool::new(false),
            registration,
        };
        ListenerEntry {
            listen,
            is_conditional,
            state: Arc::new(state),
        }
    }

    pub(super) fn registration(&self) -> &Registration {
        &self.state.registration
    }

    pub(super) fn id(&self) -> ListenerId {
        self.state.registration.id
    }

    /// Creates emits with live removal skip it from now on.
    pub(super) fn mark_removed(&self) {
        self.state.is_removed.store(true, Ordering::Release);
        self.listen.removed();
    }

    /// Returns whether [`decide`](Self::decide) may skip it.
    pub(super) fn is_conditional(&self) -> bool {
        self.is_conditional
    }

    pub(super) fn decide(&self) -> CallDecision {
        if !self.is_conditional {
            return CallDecision::Call;
        }
        let state = &*self.state;
        if state.is_live && state.is_removed.load(Ordering::Acquire) {
            return CallDecision::Skip;
        }
        if !state.registration.is_once {
            return CallDecision::Call;
        }
        // Only one of the emits that reach it, nested or on other threads, calls it.
        if state.has_fired.swap(true, Ordering::AcqRel) {
            CallDecision::Skip
        } else {
            CallDecision::RemoveAndCall
        }
    }
}

impl<E: ?Sized> Clone for ListenerEntry<E> {
    fn clone(&self) -> Self {
        ListenerEntry {
            listen: Arc::clone(&self.listen),
            is_conditional: self.is_conditional,
            state: Arc::clone(&self.state),
        }
    }
}
