//! The metrics of a process.

use super::{
    snapshot::{LATENCY_BOUNDS, Snapshot},
    sources::{MetricSource, Reader},
    text,
};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, core::Collector,
};
use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The prefix of the metrics of this crate.
const PREFIX: &str = "highwater_";

/// The maximum length of the name of a source, in bytes.
const MAX_NAME_BYTES: usize = 100;

/// The error for metrics that cannot be registered.
///
/// ```
/// use highwater::error::Breaker;
/// use highwater_server::{RegisterError, Worker};
///
/// # let worker = Worker::detached();
/// let breaker = Breaker::new("stripe");
/// worker.register("stripe", &breaker)?;
/// let error = worker.register("stripe", &breaker).unwrap_err();
/// assert!(matches!(error, RegisterError::NameTaken { kind: "breaker", .. }));
/// # Ok::<(), RegisterError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A name that is empty, too long, or contains control characters.
    #[error("invalid name {0:?}: use 1 to 100 bytes without control characters")]
    InvalidName(String),
    /// Another source of the same kind has the name.
    #[error("a {kind} named {name:?} is already registered: choose another name")]
    NameTaken {
        /// The kind of the source, such as `pool`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A metric that was registered before, perhaps with other labels or another
    /// description.
    #[error("the metric {0} is already registered: register it once and share it, or rename it")]
    MetricTaken(String),
    /// A metric with the prefix of the server's own metrics.
    #[error("the metric {0} has the reserved prefix \"highwater_\": rename it")]
    Reserved(String),
    /// A metric whose values cannot be merged, such as a summary.
    #[error("the metric {0} cannot be merged: use a counter, a gauge or a histogram")]
    NotMergeable(String),
}

/// The metrics of this process.
#[derive(Default)]
pub(super) struct Registry {
    /// The metrics of this crate.
    own: prometheus::Registry,
    /// The metrics of the program.
    collectors: prometheus::Registry,
    sources: Mutex<Sources>,
}

#[derive(Default)]
struct Sources {
    readers: Vec<(SourceId, Arc<Reader>)>,
    /// The names of the gauges whose maximum is kept.
    max_gauges: BTreeSet<String>,
}

/// The kind and the name of a source.
type SourceId = (&'static str, String);

impl Registry {
    /// Registers a source. Its name becomes a label of its metrics.
    pub(super) fn register<S: MetricSource>(
        &self,
        name: &str,
        source: &S,
    ) -> Result<(), RegisterError> {
        let is_valid =
            (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
        if !is_valid {
            return Err(RegisterError::InvalidName(name.to_owned()));
        }
        let (kind, name) = (S::KIND, name.to_owned());
        let mut sources = self.sources();
        let is_taken = |(id, _): &(SourceId, _)| id.0 == kind && id.1 == name;
        if sources.readers.iter().any(is_taken) {
            return Err(RegisterError::NameTaken { kind, name });
        }
        sources.readers.push(((kind, name), source.reader().into()));
        Ok(())
    }

    /// Registers the collector of the program's own metrics. If `is_max` is true, the
    /// maximum of gauges is kept instead of their sum.
    pub(super) fn register_collector(
        &self,
        collector: impl Collector + 'static,
        is_max: bool,
    ) -> Result<(), RegisterError> {
        let names: Vec<_> = collector
            .desc()
            .iter()
            .map(|it| it.fq_name.clone())
            .collect();
        let is_reserved = |name: &&String| name.starts_with(PREFIX);
        if let Some(name) = names.iter().find(is_reserved) {
            return Err(RegisterError::Reserved(name.clone()));
        }
        for family in collector.collect() {
            if text::kind(family.get_field_type()).is_none() {
                return Err(RegisterError::NotMergeable(family.name().to_owned()));
            }
        }
        self.collectors
            .register(Box::new(collector))
            .map_err(|_| RegisterError::MetricTaken(names.join(", ")))?;
        if is_max {
            self.sources().max_gauges.extend(names);
        }
        Ok(())
    }

    /// Returns the values of all metrics. If a collector of the program panics, the
    /// program's own metrics are missing.
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add_collected(&self.own.gather(), |_| false);
        let (readers, max_gauges) = {
            let sources = self.sources();
            (sources.readers.clone(), sources.max_gauges.clone())
        };
        for ((_, name), read) in readers {
            read(&name, &mut snapshot);
        }
        // The panic hook reports the panic. The thread that collects must go on.
        if let Ok(collected) = catch_unwind(AssertUnwindSafe(|| self.collectors.gather())) {
            snapshot.add_collected(&collected, |name| max_gauges.contains(name));
        }
        snapshot
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The metrics of this crate. Their names are valid and unique, or every test fails.
impl Registry {
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register_own(IntCounter::with_opts(opts(name, help)))
    }

    /// Registers a counter with one label, and returns the counters of its values.
    pub(super) fn counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: [&str; N],
    ) -> [IntCounter; N] {
        let counters = self.register_own(IntCounterVec::new(opts(name, help), &[label]));
        values.map(|value| counters.with_label_values(&[value]))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register_own(IntGauge::with_opts(opts(name, help)))
    }

    pub(super) fn histogram(&self, name: &str, help: &str) -> Histogram {
        let options = HistogramOpts::from(opts(name, help)).buckets(LATENCY_BOUNDS.to_vec());
        self.register_own(Histogram::with_opts(options))
    }

    fn register_own<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("the name is valid");
        let registered = self.own.register(Box::new(metric.clone()));
        registered.expect("the name is unique");
        metric
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources();
        let ids = sources.readers.iter().map(|(id, _)| id);
        f.debug_set().entries(ids).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::error::Breaker;
    use prometheus::{Gauge, GaugeVec, IntGaugeVec, PullingGauge};

    #[test]
    fn invalid_and_taken_names_are_rejected() {
        let registry = Registry::default();
        let breaker = Breaker::new("stripe");
        for name in ["", "a\nb", &"x".repeat(101)] {
            let error = registry.register(name, &breaker).unwrap_err();
            assert!(matches!(error, RegisterError::InvalidName(_)), "{error}");
        }
        registry.register("stripe", &breaker).unwrap();
        let error = registry.register("stripe", &breaker).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a breaker named \"stripe\" is already registered: choose another name"
        );
        registry.register("paypal", &breaker).unwrap();
    }

    #[test]
    fn taken_and_reserved_metrics_are_rejected() {
        let registry = Registry::default();
        let gauge = |name| Gauge::new(name, "A test.").unwrap();
        let register = |gauge| registry.register_collector(gauge, false);
        register(gauge("users")).unwrap();
        let error = register(gauge("users")).unwrap_err();
        assert!(matches!(error, RegisterError::MetricTaken(_)), "{error}");
        let labelled = GaugeVec::new(Opts::new("users", "A test."), &["plan"]).unwrap();
        let error = registry.register_collector(labelled, false).unwrap_err();
        assert!(matches!(error, RegisterError::MetricTaken(_)), "{error}");
        let error = register(gauge("highwater_users")).unwrap_err();
        assert!(matches!(error, RegisterError::Reserved(_)), "{error}");
    }

    #[test]
    fn maximum_is_kept_where_requested() {
        let registry = Registry::default();
        let ages = IntGaugeVec::new(Opts::new("age", "A test."), &["of"]).unwrap();
        ages.with_label_values(&["cache"]).set(3);
        registry.register_collector(ages.clone(), true).unwrap();
        let mut sum = registry.snapshot();
        ages.with_label_values(&["cache"]).set(7);
        sum.merge(&registry.snapshot());
        let text = sum.to_text();
        assert!(text.contains("age{of=\"cache\"} 7\n"), "{text}");
    }

    #[test]
    fn panicking_collector_leaves_the_other_metrics() {
        let registry = Registry::default();
        registry.counter("requests_total", "A test.").inc();
        let bug = PullingGauge::new("bug", "A test.", Box::new(|| panic!("a test"))).unwrap();
        // Registering collects once, to see the type.
        let registered = catch_unwind(AssertUnwindSafe(|| {
            registry.register_collector(bug.clone(), false)
        }));
        assert!(registered.is_err());
        registry.collectors.register(Box::new(bug)).unwrap();
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.number("requests_total"), 1);
    }
}
