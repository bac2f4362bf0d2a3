//! What is made of whole traces: figures to compare runs by, series to plot, a
//! table, a digest, and challenges.
//!
//! It reads [`Trace`](crate::trace::Trace)s and nothing else. A trace is all that
//! there is of a run, so this needs neither its world nor the code of its
//! scenario, and a run of a browser tab and a native one stand side by side.
//!
//! | | what it answers |
//! |---|---|
//! | [`Measures`] | how much, how quick, how much went wrong: a row of a table |
//! | [`Series`] | the same over time: throughput, latency, what is held, lag |
//! | [`plot`] | series of several runs as one SVG |
//! | [`write_csv`] | every record as a line |
//! | [`digest`] | whether two runs were the same, record by record |
//! | [`Challenge`] | a task for each scenario, and whether a run meets it |
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
mod series;
mod work;

pub use challenge::{Challenge, Goal};
pub use csv::write_csv;
pub use digest::digest;
pub use measure_unit::MeasureUnit;
pub use measures::{Measure, Measures};
pub use metric::Metric;
pub use plot::{Figure, PlotRun, plot};
pub use series::{Point, Series, SeriesLine};
