//! Analysis of whole traces: measures to compare runs by, series to plot, CSV,
//! digests and challenges.
//!
//! It reads [`Trace`](crate::trace::Trace)s and nothing else. A trace is complete, so
//! this needs neither the world nor the code of its scenario, and a run in a browser
//! tab can be compared with a native one.
//!
//! | item | purpose |
//! |---|---|
//! | [`Measures`] | counts, rates, latencies and failures of a run: a row of a table |
//! | [`Series`] | the same over time: throughput, latency, queue levels, lag |
//! | [`plot`] | series of several runs as one SVG |
//! | [`Theory`] | predictions of queueing theory beside a run; [`QueueingModel`] has the formulas |
//! | [`write_csv`] | every record as a line |
//! | [`digest`] | a hash that is equal for equal runs |
//! | [`Challenge`] | a task for each scenario, and a judge of its runs |
//!
//! ```
//! use highwater::{analysis::{Measures, digest}, trace::{RecordKind, Recorder, Trace}};
//! use std::{sync::Arc, time::Duration};
//!
//! let recorder = Recorder::new(Arc::new(|| Duration::from_millis(5)), 1024);
//! let api = recorder.name("Api");
//! recorder.begin_at(Duration::from_millis(2), RecordKind::Request, api, 1).succeed();
//!
//! let mut trace = Trace::default();
//! trace.append(recorder.drain());
//! let measures = Measures::of(&trace);
//! assert_eq!(measures.get("p99"), Some(3_000_000), "nanoseconds");
//! assert_eq!(digest(&trace).len(), 64);
//! ```

mod challenge;
mod counts;
mod csv;
mod digest;
mod measure_unit;
mod measures;
mod metric;
mod plot;
mod queueing;
mod series;
mod theory;
mod work;

pub use challenge::{Challenge, Goal};
pub use csv::write_csv;
pub use digest::digest;
pub use measure_unit::MeasureUnit;
pub use measures::{Measure, Measures};
pub use metric::Metric;
pub use plot::{Figure, PlotRun, plot};
pub use queueing::{Prediction, QueueingModel, SteadyState};
pub use series::{Point, Series, SeriesLine};
pub use theory::{Theory, TheoryRow, gap_permille, gap_text};
