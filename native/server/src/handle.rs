//! The handle that a service has to its worker.

use crate::{
    error_layer,
    listen_addr::ListenAddr,
    metrics::{Meter, MetricSource, RegisterError, ScrapeWorkers, Snapshot},
    phase::{Phase, advance, phase_reached},
};
use highwater::{
    error::{AppError, Handler, http::HandlerLayer},
    scale::WorkerId,
};
use prometheus::core::Collector;
use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    process,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::task::TaskTracker;

/// The worker that a service runs in: a worker process of a [`Cluster`](crate::Cluster), or
/// the process of a [`Server`](crate::Server). Clones are handles to the same worker.
///
/// ```
/// use axum::{Router, extract::State, routing::get};
/// use highwater::error::AppError;
/// use highwater_server::Worker;
///
/// async fn ready(State(worker): State<Worker>) -> Result<String, AppError> {
///     worker.readiness()
/// }
///
/// async fn metrics(State(worker): State<Worker>) -> Result<String, AppError> {
///     worker.metrics().await
/// }
///
/// fn service(worker: Worker) -> Router {
///     Router::new()
///         .route("/readyz", get(ready))
///         .route("/metrics", get(metrics))
///         .with_state(worker)
/// }
/// # let _ = service(Worker::detached());
/// ```
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) id: WorkerId,
    pub(crate) local_addr: ListenAddr,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) meter: Arc<Meter>,
    /// Provides the metrics of all workers.
    pub(crate) scrape: ScrapeWorkers,
    /// The workers that fail to start.
    pub(crate) failing: FailingWorkers,
    pub(crate) error_layer: HandlerLayer,
    pub(crate) retire: Box<dyn Fn(&str) + Send + Sync>,
    /// The background tasks, which the worker waits for.
    pub(crate) tasks: TaskTracker,
}

impl Worker {
    pub(crate) fn new(shared: Shared) -> Self {
        Worker {
            shared: Arc::new(shared),
        }
    }

    /// Creates a worker that belongs to no server, for tests of a service. It drains when
    /// the service requests a replacement.
    pub fn detached() -> Self {
        let meter = Arc::<Meter>::default();
        let (sender, phase) = watch::channel(Phase::Serving);
        let id = WorkerId::new(0, 0);
        Worker::new(Shared {
            id,
            local_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
            phase,
            scrape: meter.scraper(),
            meter,
            failing: FailingWorkers::default(),
            error_layer: error_layer::layer(error_layer::handler(Handler::new(), id), || {}),
            retire: Box::new(move |_| {
                advance(&sender, Phase::Draining);
            }),
            tasks: TaskTracker::new(),
        })
    }

    /// Returns the position of the worker in its cluster, counted from 0. A replacement
    /// has the same index. In the log, workers are counted from 1.
    pub fn index(&self) -> usize {
        self.shared.id.slot
    }

    /// Returns the generation of the worker: no other worker of its cluster with the same
    /// index has the same generation, and replacements have higher ones.
    pub fn generation(&self) -> u64 {
        self.shared.id.generation
    }

    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> &ListenAddr {
        &self.shared.local_addr
    }

    /// Returns a handle that reports when this worker shuts down.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.shared.phase.clone())
    }

    /// Spawns a background task that the worker waits for before it exits, for example one
    /// that sends the mails of an inbox.
    ///
    /// When the last connection has closed, the worker drops the service, and with it the
    /// buses and senders that only the service owns. So a task that reads their inbox or
    /// receiver reads what is queued, and then ends. Other tasks end when the worker
    /// [drains](Shutdown::draining). A task that has not ended by the time that open requests
    /// are aborted is aborted too, which is logged.
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use futures::StreamExt;
    /// use highwater::{Overflow, events::Bus};
    /// use highwater_server::Worker;
    ///
    /// #[derive(Clone)]
    /// struct SignedUp;
    ///
    /// fn router(worker: &Worker) -> Router {
    ///     let bus = Bus::new();
    ///     let mut inbox = bus.inbox("mail", 16, Overflow::Fail).expect("has room");
    ///     worker.spawn(async move {
    ///         while let Some(SignedUp) = inbox.next().await { /* send a mail */ }
    ///     });
    ///     // Only the router owns the bus.
    ///     let sign_up = move || async move {
    ///         if bus.emit(&SignedUp).is_ok() { "welcome" } else { "try again" }
    ///     };
    ///     Router::new().route("/signup", post(sign_up))
    /// }
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// # runtime.block_on(async { drop(router(&Worker::detached())) });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.shared.tasks.spawn(task)
    }

    /// Requests a replacement, for example because a resource cannot be recovered. The
    /// worker serves until its replacement is ready, then drains and exits. The reason is
    /// logged. Further calls have no effect. A [`Server`](crate::Server) has no
    /// replacement: it drains and exits, so that a service manager can restart it.
    pub fn request_replacement(&self, reason: &str) {
        (self.shared.retire)(reason);
    }

    /// Returns text that says that the server is ready, for a readiness endpoint. It also
    /// names the workers that repeatedly fail to start. The server is ready as long as
    /// one worker is ready.
    ///
    /// # Errors
    ///
    /// 503 if this worker is draining.
    pub fn readiness(&self) -> Result<String, AppError> {
        if self.shutdown().is_draining() {
            return Err(
                AppError::unavailable("the draining process").with_public_message(
                    "This process is shutting down. Another one is taking over.",
                ),
            );
        }
        let degraded_line = match self.shared.failing.get() {
            workers if workers.is_empty() => String::new(),
            workers => format!("degraded: these workers fail to start: {workers}\n"),
        };
        Ok(format!("ready: process {}\n{degraded_line}", process::id()))
    }

    /// The content type of [`metrics`](Self::metrics).
    pub const METRICS_CONTENT_TYPE: &'static str = Snapshot::CONTENT_TYPE;

    /// Returns the metrics of all workers in the Prometheus text format.
    /// [`Endpoints`](crate::Endpoints) serve them.
    ///
    /// ```
    /// use highwater_server::Worker;
    ///
    /// # futures::executor::block_on(async {
    /// # let worker = Worker::detached();
    /// let metrics = worker.metrics().await?;
    /// assert!(metrics.contains("highwater_workers 1\n"));
    /// assert!(Worker::METRICS_CONTENT_TYPE.starts_with("text/plain"));
    /// # Ok::<(), highwater::error::AppError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// 503 if the supervisor does not reply.
    pub async fn metrics(&self) -> Result<String, AppError> {
        let metrics = (self.shared.scrape)().await.ok_or_else(|| {
            AppError::unavailable("the supervisor")
                .with_public_message("The metrics are temporarily unavailable. Try again later.")
        })?;
        Ok(metrics.to_text())
    }

    /// Adds the metrics of a part of the service: a bus, a pool, a breaker, the monitor of
    /// a channel, or another [`MetricSource`]. The name becomes the value of a label. In a
    /// cluster, all workers register the same, and their metrics are merged.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    /// use highwater_server::Worker;
    ///
    /// # futures::executor::block_on(async {
    /// # let worker = Worker::detached();
    /// let pool = Pool::new(PoolOptions::new(2), |work| work.run());
    /// worker.register("images", &pool)?;
    /// drop(pool.try_run(|_| ()));
    /// let metrics = worker.metrics().await?;
    /// assert!(metrics.contains("highwater_jobs_total{outcome=\"done\",pool=\"images\"} 1"));
    /// # Ok::<(), highwater::BoxError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// If the name is invalid, or taken by another source of the same kind.
    pub fn register(&self, name: &str, source: &impl MetricSource) -> Result<(), RegisterError> {
        self.shared.meter.register(name, source)
    }

    /// Adds a metric of the program: a counter, gauge or histogram of [`prometheus`], with
    /// or without labels. It is collected when the metrics are requested, and must not
    /// block.
    ///
    /// In a cluster, the values of all workers add up. Those of exited workers are
    /// retained, except for gauges. If a worker has more than a megabyte of metrics, about
    /// 10,000 values, the metrics with the most label values are left out and counted in
    /// `highwater_metrics_left_out`.
    ///
    /// ```
    /// use highwater_server::{Worker, prometheus::{IntCounterVec, Opts}};
    ///
    /// # futures::executor::block_on(async {
    /// # let worker = Worker::detached();
    /// let signups = Opts::new("shop_signups_total", "Sign-ups, by plan.");
    /// let signups = IntCounterVec::new(signups, &["plan"])?;
    /// worker.register_collector(signups.clone())?;
    /// signups.with_label_values(&["free"]).inc();
    /// let metrics = worker.metrics().await?;
    /// assert!(metrics.contains("shop_signups_total{plan=\"free\"} 1\n"));
    /// # Ok::<(), highwater::BoxError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// If the metric is already registered, its name begins with `highwater_`, or it is
    /// not a counter, gauge or histogram.
    pub fn register_collector(
        &self,
        collector: impl Collector + 'static,
    ) -> Result<(), RegisterError> {
        self.shared.meter.register_collector(collector, false)
    }

    /// Like [`register_collector`](Self::register_collector), but for gauges whose values
    /// do not add up, such as the age of a cache: the maximum of all workers is kept.
    ///
    /// ```
    /// use highwater_server::{Worker, prometheus::Gauge};
    ///
    /// # let worker = Worker::detached();
    /// let age = Gauge::new("shop_cache_age_seconds", "Age of the cache.")?;
    /// worker.register_max(age.clone())?;
    /// age.set(12.5);
    /// # Ok::<(), highwater::BoxError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`register_collector`](Self::register_collector).
    pub fn register_max(&self, gauge: impl Collector + 'static) -> Result<(), RegisterError> {
        self.shared.meter.register_collector(gauge, true)
    }

    /// Returns the layer that turns errors into responses. The server applies it outside
    /// the service. A service that has layers of its own outside it, for example to
    /// render errors as HTML, applies it inside them as well.
    pub fn error_layer(&self) -> HandlerLayer {
        self.shared.error_layer.clone()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index())
            .field("generation", &self.generation())
            .field("local_addr", self.local_addr())
            .finish_non_exhaustive()
    }
}

/// Reports when a worker shuts down, so that long responses and background tasks can end.
/// Clones report the same.
///
/// The process exits soon after its last connection has closed and its
/// [background tasks](Worker::spawn) have ended. It does not wait for other tasks or for
/// blocking work. Work that must not be lost belongs in a store outside the process.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

impl Shutdown {
    /// Returns true if the worker accepts no more connections.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() > Phase::Serving
    }

    /// Completes when the worker accepts no more connections and finishes its open
    /// requests.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        phase_reached(self.0.clone(), Phase::Draining)
    }

    /// Completes when the time for open requests has passed. They are aborted after
    /// [`Limits::grace`](crate::Limits::grace).
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        phase_reached(self.0.clone(), Phase::Stopping)
    }
}

/// The numbers of the workers that repeatedly fail to start, as last reported by the
/// supervisor.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailingWorkers(Arc<Mutex<String>>);

impl FailingWorkers {
    #[cfg(any(unix, test))]
    pub(crate) fn set(&self, workers: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = workers;
    }

    fn get(&self) -> String {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draining_worker_is_not_ready() {
        let (sender, phase) = watch::channel(Phase::Serving);
        let worker = Worker::new(Shared {
            phase,
            ..detached_parts()
        });
        assert!(worker.readiness().is_ok());
        advance(&sender, Phase::Draining);
        assert_eq!(worker.readiness().unwrap_err().status(), 503);
        assert!(worker.shutdown().is_draining());
    }

    #[test]
    fn readiness_names_failing_workers() {
        let parts = detached_parts();
        let failing = parts.failing.clone();
        let worker = Worker::new(parts);
        failing.set("2, 3".to_owned());
        let line = "degraded: these workers fail to start: 2, 3\n";
        let text = worker.readiness().unwrap();
        assert!(text.ends_with(line), "{text}");
        failing.set(String::new());
        let text = worker.readiness().unwrap();
        assert!(!text.contains("degraded"), "{text}");
    }

    fn detached_parts() -> Shared {
        Arc::into_inner(Worker::detached().shared).expect("there are no other handles")
    }
}
