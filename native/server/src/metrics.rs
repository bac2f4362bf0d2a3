//! Metrics of a single worker and of all workers.
//!
//! A worker counts events in a [`Meter`]. Its service registers sources and collectors
//! there. A [`Snapshot`] is sent to the supervisor as one line, merged with those of other
//! workers, and served in the Prometheus text format.

mod meter;
mod process;
mod registry;
mod snapshot;
mod sources;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use meter::{ConnectionTimeout, Meter};
#[cfg(any(unix, test))]
pub(crate) use process::{SupervisorMetrics, add_log_counts};
pub use registry::RegisterError;
#[cfg(test)]
pub(crate) use snapshot::Kind;
#[cfg(any(unix, test))]
pub(crate) use snapshot::MAX_SNAPSHOT_BYTES;
pub(crate) use snapshot::{ScrapeWorkers, Snapshot};
pub use sources::MetricSource;
