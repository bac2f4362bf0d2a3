//! Services decoupled by events.
//!
//! An [`Emitter`] delivers events of one type to its listeners. A [`Bus`] holds one
//! emitter per event type. An [`Inbox`] is a bounded subscription that is read as an
//! asynchronous stream. A [`CachedEmitter`] is a faster handle for one thread that
//! emits in a loop. All are `Send + Sync` and independent of any async runtime. A
//! clone of an emitter or a bus is a handle to the same one.
//!
//! The rules:
//!
//! - **Order.** Listeners run one after the other, in the order they were added, on
//!   the emitting thread, before `emit` returns. A listener that takes 200 ms makes
//!   `emit` take 200 ms. For long work, use an [`Inbox`] or an asynchronous listener:
//!   [`AsyncBus`] and [`AsyncEmitter`] have `on_async`, and their emits are awaited.
//!   They have no plain `emit`, so forgetting to await does not compile. A full
//!   [`Inbox`] counts the events it drops.
//! - **Isolation.** A failing listener does not stop its siblings. Failures go to the
//!   observers of the emitter's [`errors`](Emitter::errors) or, without any, of its
//!   [bus](Bus::errors). Without observers, `emit` returns them. No failure is lost,
//!   unless the future of an awaited emit is dropped early.
//!   [`FailurePolicy::FailFast`] stops at the first failure instead.
//! - **Snapshot.** `emit` runs the listeners that exist when it begins. A listener
//!   added during an emit waits for the next event. A listener removed during an emit
//!   still runs, unless [`Removal::Live`] is set.
//! - **Depth first.** An emit from within a listener completes before the outer emit
//!   continues.
//! - **Panics propagate.** They are bugs, not failures to isolate.
//! - **Removal during an emit is safe.** A listener may remove itself or all others,
//!   or drop the last handle of its emitter or bus. The emit completes, and removed
//!   listeners are freed afterwards.
//! - **Unhandled events are counted.** An event without a listener is not an error.
//!   [`Bus::unhandled`] counts such emits, the first of each type is logged at debug
//!   level, and [`Options::on_unhandled`] is called for each.
//! - **Leaks are reported.** The eleventh listener triggers a [`Leak`] report with
//!   the source locations that added the listeners, and the times if the [`Options`]
//!   have a clock. It is logged as a warning or passed to [`Options::on_leak`].
//!
//! ```
//! use highwater::events::Bus;
//!
//! struct UserRegistered {
//!     email: String,
//! }
//!
//! let bus = Bus::new();
//! let welcome = bus.on("EmailService", |user: &UserRegistered| {
//!     if user.email.is_empty() {
//!         return Err("no address");
//!     }
//!     Ok(())
//! });
//! let audit = bus.on("AuditLog", |_: &UserRegistered| ());
//!
//! let error = bus.emit(&UserRegistered { email: String::new() }).unwrap_err();
//! assert_eq!(error.delivered(), 2, "the audit log ran as well");
//! assert_eq!(error.to_string(), "1 of 2 listeners failed: EmailService: no address");
//!
//! drop(welcome); // unsubscribes
//! assert_eq!(bus.emit(&UserRegistered { email: String::new() }).unwrap(), 1);
//! # drop(audit);
//! ```
//!
//! # Coming from Node's `EventEmitter`
//!
//! With [`FailurePolicy::FailFast`], call order, `once`, `prepend`, removal, nested
//! emits and the result of `emit` match Node: the tests replay random scripts
//! recorded in Node against this module. The intended differences:
//!
//! | Node | here | why |
//! |---|---|---|
//! | events have names and any arguments | events are types | the compiler checks both ends |
//! | `off(name, function)` removes the newest match | [`off`](Emitter::off) takes the handle of one registration; a [`Subscription`] removes its listener when dropped | closures cannot be compared, and a forgotten listener leaks |
//! | the first exception stops the emit | [`FailurePolicy::Isolate`] by default | one listener's failure must not affect its siblings |
//! | `emit('error')` throws without a listener | failures go to [`errors`](Emitter::errors), and unobserved ones are returned by `emit` or [`raise`](Emitter::raise) | the same rule, without a magic name |
//! | `errorMonitor`, `newListener`, `removeListener` events | [`monitor`](Emitter::monitor) and [`listeners`](Emitter::listeners) | a monitor sees every emit and cannot change it |
//! | `captureRejections` | [`on_async`](AsyncEmitter::on_async) listeners are awaited, by [`emit_serial`](Emitter::emit_serial) or [`emit_concurrent`](Emitter::emit_concurrent) | a failure belongs to the emit that caused it |
//! | `events.on` buffers without bound | [`Inbox`] has a capacity and an [`Overflow`] policy | a slow reader must not exhaust memory |
//! | `emit` returns whether there were listeners | `emit` returns the number that ran | 0 corresponds to `false` |
//! | all exceptions are caught alike | a `Result` is a failure, a panic is a bug and propagates | bugs must not be handled |
//! | a leak is printed to standard error | a leak is logged, or passed to [`on_leak`](Options::on_leak) | a library does not print |
//! | `removeAllListeners()` removes those of `error` too | [`remove_all`](Emitter::remove_all) keeps observers and monitors | they are not listeners |
//! | one thread | any thread; an emit sees every listener whose `on` happened before it | servers have more than one |

mod async_emit;
mod bus;
mod cached;
mod classify;
mod delivery;
mod emitter;
mod failure;
mod failure_text;
mod inbox;
mod leak;
mod listener;
mod listener_table;
#[cfg(all(test, loom))]
mod loom_tests;
mod metrics;
mod monitor;
mod options;
mod snapshot;
mod subscription;

pub use crate::overflow::Overflow;
pub use bus::{AsyncBus, Bus, Tapped, WeakBus};
pub use cached::CachedEmitter;
pub use emitter::{AsyncEmitter, Awaited, Emitter, Plain, WeakEmitter};
pub use failure::{EmitError, Failure};
pub use inbox::{Inbox, InboxFull, InboxMonitor, InboxStats, ZeroCapacity};
pub use leak::Leak;
pub use listener::{ListenerId, ListenerOutcome, Registration};
pub use metrics::{EventMetrics, ListenerMetrics, Metrics, Percentiles};
pub use monitor::Notice;
pub use options::{FailurePolicy, Options, Removal};
pub use subscription::Subscription;
