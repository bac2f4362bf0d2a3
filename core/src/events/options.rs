//! The options of an emitter or a bus.

use super::Leak;
use crate::Clock;
use std::{fmt, sync::Arc};

/// The behaviour of an emit when a listener fails.
///
/// ```
/// use highwater::events::{Emitter, FailurePolicy, Options};
///
/// for (policy, ran) in [(FailurePolicy::Isolate, 2), (FailurePolicy::FailFast, 1)] {
///     let emitter: Emitter<u8> = Emitter::with_options(Options::new().policy(policy));
///     emitter.on("disk", |_| Err("full")).detach();
///     emitter.on("mail", |_| ()).detach();
///     assert_eq!(emitter.emit(&1).unwrap_err().delivered(), ran);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// All listeners run. Failures go to the observers of
    /// [`errors`](super::Emitter::errors); without any, `emit` returns all of them,
    /// in the order of the listeners.
    #[default]
    Isolate,
    /// The first failure stops the emit and is returned, like an exception of a
    /// listener of Node's `EventEmitter`.
    FailFast,
}

/// The time at which the removal of a listener takes effect.
///
/// ```
/// use highwater::events::{Emitter, Options, Removal};
///
/// for (removal, ran) in [(Removal::Snapshot, 2), (Removal::Live, 1)] {
///     let emitter: Emitter<u8> = Emitter::with_options(Options::new().removal(removal));
///     let weak = emitter.downgrade();
///     emitter.on("removes all", move |_| {
///         weak.upgrade().unwrap().remove_all();
///     }).detach();
///     emitter.on("next", |_| ()).detach();
///     assert_eq!(emitter.emit(&1).unwrap(), ran);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Removal {
    /// With the next emit. Running emits still call the listener, as in Node.
    #[default]
    Snapshot,
    /// At once: running emits skip the listener. Listeners added during an emit still
    /// wait for the next one.
    Live,
}

/// The options of an [`Emitter`](super::Emitter) or a [`Bus`](super::Bus).
///
/// ```
/// use highwater::events::{Emitter, FailurePolicy, Options};
///
/// let emitter = Emitter::with_options(Options::new().policy(FailurePolicy::FailFast));
/// emitter.on("a", |_: &u8| Err("full")).detach();
/// emitter.on("b", |_| ()).detach();
/// assert_eq!(emitter.emit(&1).unwrap_err().delivered(), 1, "b did not run");
/// ```
#[derive(Clone)]
#[must_use = "does nothing unless used"]
pub struct Options {
    pub(super) policy: FailurePolicy,
    pub(super) removal: Removal,
    pub(super) max_listeners: usize,
    pub(super) on_leak: Option<Arc<LeakFn>>,
    pub(super) on_unhandled: Option<Arc<UnhandledFn>>,
    pub(super) clock: Option<Arc<dyn Clock>>,
}

pub(super) type UnhandledFn = dyn Fn(&'static str) + Send + Sync;
pub(super) type LeakFn = dyn Fn(&Leak) + Send + Sync;

impl Options {
    /// Creates the defaults: isolated failures, removals that take effect with the next
    /// emit, a warning at the eleventh listener (as in Node), no clock.
    ///
    /// ```
    /// use highwater::events::{Emitter, Options};
    ///
    /// let emitter: Emitter<u8> = Emitter::with_options(Options::new());
    /// emitter.on("disk", |_| Err("full")).detach();
    /// emitter.on("mail", |_| ()).detach();
    /// assert_eq!(emitter.emit(&1).unwrap_err().delivered(), 2, "isolated");
    /// assert_eq!(emitter.listeners()[0].since, None, "no clock");
    /// ```
    pub fn new() -> Self {
        Options {
            policy: FailurePolicy::default(),
            removal: Removal::default(),
            max_listeners: 10,
            on_leak: None,
            on_unhandled: None,
            clock: None,
        }
    }

    /// Sets what an emit does when a listener fails.
    ///
    /// ```
    /// use highwater::events::{Emitter, FailurePolicy, Options};
    ///
    /// let options = Options::new().policy(FailurePolicy::FailFast);
    /// let emitter: Emitter<u8> = Emitter::with_options(options);
    /// emitter.on("disk", |_| Err("full")).detach();
    /// emitter.errors().on("log", |failure| eprintln!("{failure}")).detach();
    /// assert!(emitter.emit(&1).is_err(), "despite the observer");
    /// ```
    pub fn policy(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets when the removal of a listener takes effect.
    ///
    /// ```
    /// use highwater::events::{Emitter, Options, Removal};
    ///
    /// let emitter = Emitter::<u8>::with_options(Options::new().removal(Removal::Live));
    /// let victim = std::sync::Mutex::new(None);
    /// let victim = std::sync::Arc::new(victim);
    /// let taken = std::sync::Arc::clone(&victim);
    /// emitter.on("removes the next", move |_| drop(taken.lock().unwrap().take())).detach();
    /// *victim.lock().unwrap() = Some(emitter.on("next", |_| ()));
    /// assert_eq!(emitter.emit(&1).unwrap(), 1, "skipped at once");
    /// ```
    pub fn removal(mut self, removal: Removal) -> Self {
        self.removal = removal;
        self
    }

    /// Sets the number of listeners per event type above which a [`Leak`] is
    /// reported. It is reported once, and again only after all listeners were
    /// removed. 0 disables the check. The default is 10.
    ///
    /// ```
    /// use highwater::events::{Emitter, Options};
    ///
    /// let (report, reports) = std::sync::mpsc::channel();
    /// let options = Options::new().max_listeners(1);
    /// let options = options.on_leak(move |leak| report.send(leak.listeners.len()).unwrap());
    /// let emitter: Emitter<u8> = Emitter::with_options(options);
    /// emitter.on("one", |_| ()).detach();
    /// assert!(reports.try_recv().is_err(), "one is fine");
    /// emitter.on("one more", |_| ()).detach();
    /// assert_eq!(reports.try_recv(), Ok(2));
    /// ```
    pub fn max_listeners(mut self, max: usize) -> Self {
        self.max_listeners = max;
        self
    }

    /// Sets a function that is called with leaks. Without one, they are logged as
    /// warnings.
    ///
    /// ```
    /// use highwater::events::{Emitter, Options};
    ///
    /// let (report, reports) = std::sync::mpsc::channel();
    /// let options = Options::new().on_leak(move |leak| report.send(leak.clone()).unwrap());
    /// let emitter: Emitter<u8> = Emitter::with_options(options);
    /// for _request in 0..11 {
    ///     emitter.on("forgotten", |_| ()).detach();
    /// }
    /// let leak = reports.try_recv().unwrap();
    /// assert_eq!((leak.event, leak.listeners.len()), ("u8", 11));
    /// ```
    pub fn on_leak(mut self, report: impl Fn(&Leak) + Send + Sync + 'static) -> Self {
        self.on_leak = Some(Arc::new(report));
        self
    }

    /// Sets a function that is called with the name of the event's type at each emit
    /// without a listener. Such emits are also counted, by
    /// [`Bus::unhandled`](super::Bus::unhandled) and in
    /// [`EventMetrics`](super::EventMetrics), and the first of each type is logged at
    /// debug level.
    ///
    /// ```
    /// use highwater::events::{Bus, Options};
    ///
    /// let (report, reports) = std::sync::mpsc::channel();
    /// let options = Options::new().on_unhandled(move |event| report.send(event).unwrap());
    /// let bus = Bus::with_options(options);
    /// bus.emit(&7_u64).unwrap();
    /// assert_eq!(reports.try_recv(), Ok("u64"));
    /// ```
    pub fn on_unhandled(mut self, report: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        self.on_unhandled = Some(Arc::new(report));
        self
    }

    /// Sets a clock, which adds the time to registrations and leaks.
    ///
    /// ```
    /// use highwater::events::{Emitter, Options};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let now = Duration::from_millis(5);
    /// let emitter: Emitter<u8> = Emitter::with_options(Options::new().clock(Arc::new(move || now)));
    /// emitter.on("work", |_| ()).detach();
    /// assert_eq!(emitter.listeners()[0].since, Some(now));
    /// ```
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Options::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("policy", &self.policy)
            .field("removal", &self.removal)
            .field("max_listeners", &self.max_listeners)
            .finish_non_exhaustive()
    }
}
