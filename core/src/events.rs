//! Services decoupled by events.
//!
//! An [`Emitter`] hands events of one type to its listeners; a [`Bus`] holds
//! an emitter for each event type; an [`Inbox`] is a subscription read as an
//! asynchronous stream; a [`CachedEmitter`] is one thread's own handle, for a loop
//! that emits all the time. All are `Send + Sync`, cheap to clone where they can
//! be (a clone is the same emitter) and know nothing of any async runtime.
//!
//! The rules, wherever they are used:
//!
//! - **Order.** Listeners run one after the other in the order they were
//!   added, on the emitting thread, before `emit` returns. Decoupled code is
//!   still sequential in time: a listener that takes 200 ms makes `emit` take
//!   200 ms. A listener with long work to do is an [`Inbox`], or
//!   asynchronous: an [`AsyncBus`] or [`AsyncEmitter`] has `on_async`, and its emits
//!   are awaited. A plain `emit` cannot meet a listener that it would have to await:
//!   that does not compile.
//! - **Isolation.** A listener that fails stops none of its siblings. What
//!   failed goes to the observers of [`errors`](Emitter::errors), of the emitter
//!   or of its [bus](Bus::errors); without any, it is returned by `emit`: no error
//!   is lost, unless an awaited emit is dropped half way.
//!   [`FailurePolicy::FailFast`] stops at the first instead.
//! - **Snapshot.** `emit` runs the listeners there were when it began. One
//!   added meanwhile waits for the next event; one removed meanwhile still
//!   runs, unless [`Removal::Live`] was chosen.
//! - **Depth first.** An emit from within a listener is over before the outer
//!   one goes on to the next listener.
//! - **Panics pass through.** They are bugs, not failures to isolate.
//! - **Nothing is pulled from under an emit.** A listener may remove itself, all
//!   others, or drop the last handle of its emitter or bus: the emit completes,
//!   and what is not held any more is freed after it.
//! - **Nothing is missed in silence.** An event that nobody listens to is no error:
//!   it is [counted](Bus::unhandled), and the first of each type is a debug line of
//!   the `log` crate. [`Options::on_unhandled`] is called for each.
//! - **Nothing piles up in silence.** The eleventh listener is reported as a
//!   [`Leak`], with the lines of code that added them, and since when if the
//!   [`Options`] have a clock; as a warning of the `log` crate, or to a function
//!   of yours. A full [`Inbox`] counts what it drops.
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
//! assert_eq!(error.delivered(), 2, "the audit log ran all the same");
//! assert_eq!(error.to_string(), "1 of 2 listeners failed: EmailService: no address");
//!
//! drop(welcome); // unsubscribes
//! assert_eq!(bus.emit(&UserRegistered { email: String::new() }).unwrap(), 1);
//! # drop(audit);
//! ```
//!
//! # Coming from Node's `EventEmitter`
//!
//! With [`FailurePolicy::FailFast`] the order of calls, `once`, `prepend`, removal,
//! nested emits and what leaves `emit` are the same: random scripts of
//! operations, recorded in Node, are replayed against this module by its tests.
//! These differences are intended:
//!
//! | Node | here | why |
//! |---|---|---|
//! | events go by name, with any arguments | by type | the compiler checks both ends |
//! | `off(name, function)` removes the newest match | [`off`](Emitter::off) takes the handle of one registration; a [`Subscription`] removes its listener when dropped | closures cannot be compared, and what nobody removes leaks |
//! | the first exception stops the emit | [`FailurePolicy::Isolate`], unless told otherwise | one listener's failure is not its siblings' |
//! | `emit('error')` throws if nobody listens | failures go to [`errors`](Emitter::errors), and come back from `emit` or [`raise`](Emitter::raise) if nobody observes them | the same rule, without a magic name |
//! | `errorMonitor`, `newListener`, `removeListener` events | [`monitor`](Emitter::monitor) and [`listeners`](Emitter::listeners) | a monitor sees every emit, and cannot change it |
//! | `captureRejections` | [`on_async`](AsyncEmitter::on_async) listeners are awaited, by [`emit_serial`](Emitter::emit_serial) or [`emit_concurrent`](Emitter::emit_concurrent) | a failure belongs to the emit that caused it |
//! | `events.on` buffers without bound | [`Inbox`] has a capacity and an [`Overflow`] policy | a slow reader must not cost the memory |
//! | `emit` says whether there were listeners | how many ran | 0 is its `false` |
//! | exceptions of any kind are caught alike | a `Result` is a failure, a panic is a bug and passes through | bugs are not to be handled |
//! | a leak is printed to standard error | to the `log` crate, unless [`on_leak`](Options::on_leak) is set | a library does not print |
//! | `removeAllListeners()` removes those of `error` too | [`remove_all`](Emitter::remove_all) leaves observers and monitors | they are not listeners |
//! | one thread | any; an emit is seen by listeners whose `on` happened before it | servers have more |

mod async_emit;
mod bus;
mod cached;
mod classify;
mod delivery;
mod emitter;
mod failure;
mod inbox;
mod leak;
mod listener;
mod listener_list;
#[cfg(all(test, loom))]
mod loom_tests;
mod metrics;
mod monitor;
mod options;
mod snapshot;
mod subscription;
mod weak;

pub use crate::overflow::Overflow;
pub use bus::{AsyncBus, Bus, Tapped};
pub use cached::CachedEmitter;
pub use emitter::{AsyncEmitter, Awaited, Emitter, Plain};
pub use failure::{EmitError, Failure};
pub use inbox::{Inbox, InboxFull, InboxMonitor, InboxStats, ZeroCapacity};
pub use leak::Leak;
pub use listener::{ListenerId, ListenerOutcome, Registration};
pub use metrics::{EventMetrics, ListenerMetrics, Metrics, Percentiles};
pub use monitor::Notice;
pub use options::{FailurePolicy, Options, Removal};
pub use subscription::Subscription;
pub use weak::{WeakBus, WeakEmitter};
