//! Adding listeners, and removing them.

use super::{
    super::{
        Leak, ListenerId, Outcome, Registration, Removal, Subscription,
        listener::{Entry, Function, Listen},
        lists::{Lists, Place},
        subscription::Registry,
    },
    Emitter,
};
use std::{panic::Location, sync::Arc};

impl<E: ?Sized + 'static, M> Emitter<E, M> {
    /// Adds a listener behind those there are. It is called until the
    /// subscription is dropped.
    ///
    /// The name stands in errors and notices. It need not be unique: the
    /// subscription, not the name, tells listeners apart.
    ///
    /// A listener that holds its own emitter, to emit again, keeps it alive for
    /// as long as it is subscribed: for ever, if it is detached. Let it hold a
    /// [`WeakEmitter`](super::super::WeakEmitter).
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let digit = emitter.on("digit", |n| if *n > 9 { Err("too much") } else { Ok(()) });
    /// assert_eq!(emitter.emit(&9).unwrap(), 1);
    /// let error = emitter.emit(&10).unwrap_err();
    /// assert_eq!(error.to_string(), "1 of 1 listeners failed: digit: too much");
    /// drop(digit);
    /// assert_eq!(emitter.emit(&10).unwrap(), 0);
    /// ```
    #[track_caller]
    pub fn on<R: Outcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(Place::Last, false, name.into(), listener)
    }

    /// Adds a listener before those there are. Of two, the one added later
    /// comes first.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let _work = emitter.on("work", |_| ());
    /// let _check = emitter.prepend("check", |_| ());
    /// let names: Vec<_> = emitter.listeners().into_iter().map(|l| l.name).collect();
    /// assert_eq!(names, ["check".into(), "work".into()]);
    /// ```
    #[track_caller]
    pub fn prepend<R: Outcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(Place::First, false, name.into(), listener)
    }

    /// Adds a listener for one event. It is removed before it is called, so
    /// that an emit from within it does not call it again; of emits on several
    /// threads, one calls it.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let _ready = emitter.once("ready", |_| ());
    /// assert_eq!(emitter.emit(&1).unwrap(), 1);
    /// assert_eq!(emitter.emit(&2).unwrap(), 0);
    /// ```
    #[track_caller]
    pub fn once<R: Outcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(Place::Last, true, name.into(), listener)
    }

    /// Adds a listener for one event before those there are:
    /// [`prepend`](Self::prepend) and [`once`](Self::once) together.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// emitter.on("work", |_| ()).detach();
    /// emitter.prepend_once("first of all", |_| ()).detach();
    /// assert_eq!(&*emitter.listeners()[0].name, "first of all");
    /// assert_eq!((emitter.emit(&1).unwrap(), emitter.emit(&2).unwrap()), (2, 1));
    /// ```
    #[track_caller]
    pub fn prepend_once<R: Outcome>(
        &self,
        name: impl Into<Arc<str>>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add_function(Place::First, true, name.into(), listener)
    }

    /// Removes a listener, and says whether it was there. A handle used twice,
    /// or one of another emitter's, removes nothing.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let id = emitter.on("work", |_| ()).detach();
    /// assert!(emitter.off(id));
    /// assert!(!emitter.off(id), "a handle works once");
    /// ```
    #[allow(clippy::must_use_candidate, reason = "used for its effect")]
    pub fn off(&self, id: ListenerId) -> bool {
        self.shared.remove(id)
    }

    /// Removes every listener, and says how many. Monitors stay, and so do the
    /// observers of errors.
    ///
    /// ```
    /// # use highwater::events::Emitter;
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let id = emitter.on("a", |_| ()).detach();
    /// emitter.on("b", |_| ()).detach();
    /// assert_eq!(emitter.remove_all(), 2);
    /// assert_eq!(emitter.listener_count(), 0);
    /// # let _ = id;
    /// ```
    pub fn remove_all(&self) -> usize {
        let removed = self.shared.lists.update(Lists::take_listeners);
        for entry in &removed {
            entry.mark_removed();
        }
        removed.len()
    }

    #[track_caller]
    fn add_function<R: Outcome>(
        &self,
        place: Place,
        is_once: bool,
        name: Arc<str>,
        listener: impl Fn(&E) -> R + Send + Sync + 'static,
    ) -> Subscription {
        self.add(place, is_once, name, Arc::new(Function::new(listener)))
    }

    #[track_caller]
    pub(in super::super) fn add(
        &self,
        place: Place,
        is_once: bool,
        name: Arc<str>,
        listen: Arc<dyn Listen<E>>,
    ) -> Subscription {
        let options = &self.shared.options;
        let registration = Registration {
            id: ListenerId::next(),
            name,
            location: Location::caller(),
            since: options.clock.as_ref().map(|clock| clock.now()),
            is_once,
        };
        let id = registration.id;
        let is_live = options.removal == Removal::Live;
        let entry = Entry::new(listen, registration, is_live);
        let leaking = self.shared.lists.update(|lists| {
            lists.add(place, entry);
            let is_leaking = lists.begins_to_leak(options.max_listeners);
            is_leaking.then(|| lists.registrations())
        });
        if let Some(listeners) = leaking {
            self.report(&Leak {
                event: std::any::type_name::<E>(),
                max_listeners: options.max_listeners,
                listeners,
            });
        }
        self.subscription(id)
    }

    #[cold]
    fn report(&self, leak: &Leak) {
        match &self.shared.options.on_leak {
            Some(report) => report(leak),
            None => log::warn!("{leak}"),
        }
    }
}
