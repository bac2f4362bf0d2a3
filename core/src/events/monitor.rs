//! Monitors, which see every emit.

use super::{ListenerId, Registration};
use crate::{BoxError, panics::catch_panic, sync::Arc};
use std::sync::atomic::{AtomicU64, Ordering};

/// A step of an emit, as a monitor sees it.
///
/// Every [`Emitting`](Self::Emitting) is followed by one [`Emitted`](Self::Emitted)
/// with the same number, even if a listener panics or the future of an awaited emit
/// is dropped (but not if a monitor panics at `Emitting`). Every
/// [`Delivering`](Self::Delivering) is followed by [`Delivered`](Self::Delivered) or
/// [`Failed`](Self::Failed), unless the listener panics or its future is dropped.
/// Nested emits lie within one another. Concurrent ones, on other threads or awaited,
/// are distinguished by their number.
///
/// ```
/// use highwater::events::{Emitter, Notice};
/// use std::sync::{Arc, Mutex};
///
/// let emitter: Emitter<u8> = Emitter::new();
/// emitter.on("a", |_| ()).detach();
/// emitter.on("b", |_| Err("broken")).detach();
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let own = Arc::clone(&seen);
/// let _monitor = emitter.monitor(move |_, notice| {
///     own.lock().unwrap().push(match notice {
///         Notice::Emitting { listeners, .. } => format!("to {listeners}"),
///         Notice::Delivered { listener, .. } => format!("{} done", listener.name),
///         Notice::Failed { listener, error, .. } => format!("{}: {error}", listener.name),
///         Notice::Emitted { failed, .. } => format!("{failed} failed"),
///         _ => return,
///     });
/// });
/// assert!(emitter.emit(&1).is_err());
/// assert_eq!(*seen.lock().unwrap(), ["to 2", "a done", "b: broken", "1 failed"]);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// An event is about to be delivered to this many listeners.
    Emitting {
        /// The number of the emit, unique in the program.
        emit: u64,
        /// The number of listeners.
        listeners: usize,
    },
    /// The event is about to be delivered to a listener.
    Delivering {
        /// The number of the emit.
        emit: u64,
        /// The listener.
        listener: &'a Registration,
    },
    /// The listener succeeded.
    Delivered {
        /// The number of the emit.
        emit: u64,
        /// The listener.
        listener: &'a Registration,
    },
    /// The listener failed.
    Failed {
        /// The number of the emit.
        emit: u64,
        /// The listener.
        listener: &'a Registration,
        /// The error it returned.
        error: &'a BoxError,
    },
    /// The emit has ended.
    Emitted {
        /// The number of the emit.
        emit: u64,
        /// The number of listeners that ran, failed ones included.
        delivered: usize,
        /// The number of listeners that failed.
        failed: usize,
    },
}

pub(super) type MonitorFn<E> = dyn Fn(&E, Notice<'_>) + Send + Sync;

pub(super) struct Monitor<E: ?Sized> {
    pub(super) id: ListenerId,
    pub(super) callback: Arc<MonitorFn<E>>,
}

impl<E: ?Sized> Clone for Monitor<E> {
    fn clone(&self) -> Self {
        Monitor {
            id: self.id,
            callback: Arc::clone(&self.callback),
        }
    }
}

/// An observer of the deliveries of one emit.
pub(super) trait DeliveryObserver {
    fn delivering(&mut self, listener: &Registration);
    fn ended(&mut self, listener: &Registration, result: &Result<(), BoxError>);
}

/// The observer of an unmonitored emit, which must cost nothing.
pub(super) struct NoObserver;

impl DeliveryObserver for NoObserver {
    #[inline]
    fn delivering(&mut self, _: &Registration) {}
    #[inline]
    fn ended(&mut self, _: &Registration, _: &Result<(), BoxError>) {}
}

/// An emit that notifies the monitors present when it began.
pub(super) struct MonitoredEmit<'a, E: ?Sized> {
    event: &'a E,
    monitors: &'a [Monitor<E>],
    emit: u64,
    delivered: usize,
    failed: usize,
}

impl<'a, E: ?Sized> MonitoredEmit<'a, E> {
    pub(super) fn begin(event: &'a E, monitors: &'a [Monitor<E>], listeners: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let emit = NEXT.fetch_add(1, Ordering::Relaxed);
        // Notified before the value exists: if a monitor panics here, dropping the
        // value cannot panic a second time.
        notify_all(event, monitors, Notice::Emitting { emit, listeners });
        MonitoredEmit {
            event,
            monitors,
            emit,
            delivered: 0,
            failed: 0,
        }
    }

    /// Calls [`begin`](Self::begin) if there are monitors.
    pub(super) fn begin_if_any(
        event: &'a E,
        monitors: &'a [Monitor<E>],
        listeners: usize,
    ) -> Option<Self> {
        (!monitors.is_empty()).then(|| MonitoredEmit::begin(event, monitors, listeners))
    }

    fn notify(&self, notice: Notice<'_>) {
        notify_all(self.event, self.monitors, notice);
    }
}

fn notify_all<E: ?Sized>(event: &E, monitors: &[Monitor<E>], notice: Notice<'_>) {
    for monitor in monitors {
        (monitor.callback)(event, notice);
    }
}

impl<E: ?Sized> DeliveryObserver for MonitoredEmit<'_, E> {
    fn delivering(&mut self, listener: &Registration) {
        self.delivered += 1;
        let emit = self.emit;
        self.notify(Notice::Delivering { emit, listener });
    }

    fn ended(&mut self, listener: &Registration, result: &Result<(), BoxError>) {
        let emit = self.emit;
        match result {
            Ok(()) => self.notify(Notice::Delivered { emit, listener }),
            Err(error) => {
                self.failed += 1;
                self.notify(Notice::Failed {
                    emit,
                    listener,
                    error,
                });
            }
        }
    }
}

impl<T: DeliveryObserver> DeliveryObserver for Option<T> {
    #[inline]
    fn delivering(&mut self, listener: &Registration) {
        if let Some(observer) = self {
            observer.delivering(listener);
        }
    }

    #[inline]
    fn ended(&mut self, listener: &Registration, result: &Result<(), BoxError>) {
        if let Some(observer) = self {
            observer.ended(listener, result);
        }
    }
}

impl<E: ?Sized> Drop for MonitoredEmit<'_, E> {
    fn drop(&mut self) {
        let emitted = Notice::Emitted {
            emit: self.emit,
            delivered: self.delivered,
            failed: self.failed,
        };
        if std::thread::panicking() {
            // A second panic would abort the process.
            let _second_panic = catch_panic(|| self.notify(emitted));
        } else {
            self.notify(emitted);
        }
    }
}
