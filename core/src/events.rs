//! Services decoupled by events.
//!
//! An [`Emitter`] hands events of one type to its listeners; a [`Bus`] holds
//! an emitter for each event type. Both are `Send + Sync`, cheap to clone (a
//! clone is the same emitter) and know nothing of any async runtime.
//!
//! The rules, wherever they are used:
//!
//! - **Order.** Listeners run one after the other in the order they were
//!   added, on the emitting thread, before `emit` returns. Decoupled code is
//!   still sequential in time: a listener that takes 200 ms makes `emit` take
//!   200 ms. A listener that has long work to do puts it on a queue.
//! - **Isolation.** A listener that fails stops none of its siblings. What
//!   failed is collected and returned by `emit`: no error is lost.
//! - **Snapshot.** `emit` runs the listeners there were when it began. One
//!   added meanwhile waits for the next event; one removed meanwhile still
//!   runs (the rule of Node's `EventEmitter`).
//! - **Panics pass through.** They are bugs, not failures to isolate.
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

mod awaited;
mod bus;
mod deliver;
mod emitter;
mod failure;
mod leak;
mod listener;
mod lists;
mod metrics;
mod monitor;
mod options;
mod snapshot;
mod subscription;
mod sync;
mod weak;

pub use awaited::MustAwait;
pub use bus::{Bus, Tapped};
pub use emitter::Emitter;
pub use failure::{EmitError, Failure};
pub use leak::Leak;
pub use listener::{BoxError, ListenerId, Outcome, Registration};
pub use metrics::{EventMetrics, ListenerMetrics, Metrics, Percentiles};
pub use monitor::Notice;
pub use options::{Options, Policy, Removal};
pub use subscription::Subscription;
pub use weak::WeakEmitter;
