//! Rejects requests during an overload, before they reach the service.

use crate::{
    limits::{Limits, MAX_DURATION},
    metrics::Meter,
    overload::{Admitted, OverloadController, Queue},
};
use highwater::error::{AppError, Classification, ErrorKind};
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower_service::Service;

/// The interval between probes of the event loop.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// The number of probes. Each is a task of its own, so that several wait in the queue of a
/// busy event loop.
const PROBES: u32 = 32;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The overload control of a worker.
#[derive(Debug)]
pub(crate) struct LoadShedder {
    started: Instant,
    /// `None` if no requests are rejected.
    controller: Option<Mutex<OverloadController>>,
    meter: Arc<Meter>,
}

impl LoadShedder {
    pub(crate) fn new(limits: &Limits, meter: Arc<Meter>) -> Arc<Self> {
        let is_enabled = limits.queueing_delay < MAX_DURATION;
        let controller = OverloadController::new(limits.queueing_delay);
        Arc::new(LoadShedder {
            started: Instant::now(),
            controller: is_enabled.then(|| Mutex::new(controller)),
            meter,
        })
    }

    /// Spawns the probes, which measure the lag of the event loop until they are dropped.
    pub(crate) fn spawn_probes(self: &Arc<Self>) -> JoinSet<()> {
        (0..PROBES)
            .map(|index| Arc::clone(self).probe(self.now() + index * PROBE_INTERVAL))
            .collect()
    }

    async fn probe(self: Arc<Self>, first_due: Duration) {
        let period = PROBES * PROBE_INTERVAL;
        let mut due = first_due;
        loop {
            sleep_until(self.started + due).await;
            let now = self.now();
            self.meter.record_lag(now.saturating_sub(due), period);
            if let Some(mut controller) = self.controller() {
                controller.probe_completed(due, now);
            }
            while due <= now {
                due += period;
            }
        }
    }

    fn admit(self: &Arc<Self>) -> Result<RequestInService, AppError> {
        let Some(mut controller) = self.controller() else {
            return Ok(RequestInService(None));
        };
        match controller.admit(self.now()) {
            Ok(admitted) => Ok(RequestInService(Some((Arc::clone(self), admitted)))),
            Err(queue) => {
                drop(controller);
                self.meter.request_shed(queue);
                Err(overloaded(queue))
            }
        }
    }

    fn controller(&self) -> Option<MutexGuard<'_, OverloadController>> {
        let controller = self.controller.as_ref()?;
        Some(controller.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

fn overloaded(queue: Queue) -> AppError {
    let detail = match queue {
        Queue::Loop => "the event loop is overloaded",
        Queue::Service => "requests wait in the service for too long",
    };
    AppError::new(Classification::new(ErrorKind::Unavailable).with_code("overloaded"))
        .with_detail(detail)
        .with_public_message("The server is overloaded. Try again later.")
        .with_retry_after(RETRY_AFTER)
}

/// An admitted request until its response starts, or until the client disconnects. `None`
/// without overload control.
#[derive(Debug)]
struct RequestInService(Option<(Arc<LoadShedder>, Admitted)>);

impl RequestInService {
    fn responded(&mut self) {
        self.leave(OverloadController::responded);
    }

    fn leave(&mut self, leave: fn(&mut OverloadController, Admitted, Duration)) {
        if let Some((shedder, admitted)) = self.0.take()
            && let Some(mut controller) = shedder.controller()
        {
            leave(&mut controller, admitted, shedder.now());
        }
    }
}

impl Drop for RequestInService {
    fn drop(&mut self) {
        self.leave(OverloadController::abandoned);
    }
}

/// A service that fails with 503 during an overload, without calling the inner service.
#[derive(Clone, Debug)]
pub(crate) struct SheddingService<S> {
    service: S,
    shedder: Arc<LoadShedder>,
}

impl<S> SheddingService<S> {
    pub(crate) fn new(service: S, shedder: Arc<LoadShedder>) -> Self {
        SheddingService { service, shedder }
    }
}

impl<S, Q, B> Service<Request<Q>> for SheddingService<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = AppError>,
{
    type Response = Response<B>;
    type Error = AppError;
    type Future = SheddingFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        SheddingFuture {
            state: match self.shedder.admit() {
                Ok(admitted) => SheddingState::Admitted {
                    future: self.service.call(request),
                    request: admitted,
                },
                Err(error) => SheddingState::Rejected { error: Some(error) },
            },
        }
    }
}

pin_project! {
    /// The future of a response or a rejection.
    pub(crate) struct SheddingFuture<F> {
        #[pin]
        state: SheddingState<F>,
    }
}

pin_project! {
    #[project = SheddingStateProjection]
    enum SheddingState<F> {
        Admitted {
            #[pin]
            future: F,
            request: RequestInService,
        },
        Rejected {
            error: Option<AppError>,
        },
    }
}

impl<F, B> Future for SheddingFuture<F>
where
    F: Future<Output = Result<Response<B>, AppError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            SheddingStateProjection::Admitted { future, request } => {
                let response = ready!(future.poll(context));
                request.responded();
                Poll::Ready(response)
            }
            SheddingStateProjection::Rejected { error } => {
                Poll::Ready(Err(error.take().expect("polled after completion")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deadline::DeadlineService, service::RequestBody};
    use axum::{Router, body::Body, routing::get};
    use futures_util::{Stream, future::join_all, stream};
    use highwater::BoxError;
    use std::{
        future::pending,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };
    use tokio::{
        sync::Semaphore,
        time::{advance, sleep},
    };
    use tower::ServiceExt;

    const MS: Duration = Duration::from_millis(1);

    struct Shed {
        service: SheddingService<DeadlineService<Router>>,
        shedder: Arc<LoadShedder>,
        meter: Arc<Meter>,
        calls: Arc<AtomicUsize>,
    }

    impl Shed {
        /// Creates a service: `/` waits for one of ten permits, and holds it for 10 ms.
        fn new(limits: &Limits) -> Self {
            let pool = Arc::new(Semaphore::new(10));
            let calls = Arc::<AtomicUsize>::default();
            let router = {
                let calls = Arc::clone(&calls);
                let wait = async move || {
                    calls.fetch_add(1, Relaxed);
                    let _permit = pool.acquire().await;
                    sleep(10 * MS).await;
                };
                Router::new()
                    .route("/", get(wait))
                    .route("/poll", get(async || sleep(25_000 * MS).await))
                    .route("/stream", get(async || Body::from_stream(endless())))
            };
            let meter = Arc::<Meter>::default();
            let shedder = LoadShedder::new(limits, Arc::clone(&meter));
            let service = DeadlineService::new(router, limits);
            Shed {
                service: SheddingService::new(service, Arc::clone(&shedder)),
                shedder,
                meter,
                calls,
            }
        }

        /// Sends requests at a constant rate. Returns the statuses.
        async fn send(&self, path: &str, count: usize, per_second: u32) -> Vec<u16> {
            let mut requests = Vec::new();
            for _ in 0..count {
                let body = RequestBody::new(Body::empty());
                let request = Request::get(path).body(body).unwrap();
                let response = self.service.clone().oneshot(request);
                requests.push(tokio::spawn(async {
                    match response.await {
                        Ok(response) => response.status().as_u16(),
                        Err(error) => {
                            assert_eq!(error.code(), "overloaded");
                            assert_eq!(error.retry_after(), Some(RETRY_AFTER));
                            error.status()
                        }
                    }
                }));
                sleep(Duration::from_secs(1) / per_second).await;
            }
            let statuses = join_all(requests).await.into_iter();
            statuses.map(Result::unwrap).collect()
        }

        fn shed_count(&self, queue: Queue) -> u64 {
            self.meter.shed_requests[queue as usize].get()
        }
    }

    fn endless() -> impl Stream<Item = Result<&'static str, BoxError>> {
        stream::once(pending())
    }

    fn rejected(statuses: &[u16]) -> usize {
        statuses.iter().filter(|status| **status == 503).count()
    }

    #[tokio::test(start_paused = true)]
    async fn overloaded_pool_rejects_before_the_service() {
        let shed = Shed::new(&Limits::new());
        assert_eq!(rejected(&shed.send("/", 500, 500).await), 0);
        let calls = shed.calls.load(Relaxed);
        // The clock has a resolution of a millisecond.
        let clients = (0..3).map(|_| shed.send("/", 5_000, 1_000));
        let statuses = join_all(clients).await.concat();
        let rejected_count = rejected(&statuses);
        assert!(
            (5_000..12_000).contains(&rejected_count),
            "{rejected_count}"
        );
        assert_eq!(
            shed.calls.load(Relaxed) - calls,
            statuses.len() - rejected_count
        );
        assert_eq!(shed.shed_count(Queue::Service), rejected_count as u64);
        sleep(1_000 * MS).await;
        assert_eq!(rejected(&shed.send("/", 500, 500).await), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn disabled_control_rejects_nothing() {
        let shed = Shed::new(&Limits::new().queueing_delay(Duration::MAX));
        let clients = (0..3).map(|_| shed.send("/", 3_000, 1_000));
        assert_eq!(rejected(&join_all(clients).await.concat()), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn long_polls_and_streams_are_no_overload() {
        let shed = Shed::new(&Limits::new());
        let (polls, streams, others) = tokio::join!(
            shed.send("/poll", 5_000, 1_000),
            shed.send("/stream", 5_000, 1_000),
            shed.send("/", 5_000, 500)
        );
        assert_eq!(rejected(&[polls, streams, others].concat()), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn backlog_of_a_pause_is_served() {
        let shed = Shed::new(&Limits::new());
        let _probes = shed.shedder.spawn_probes();
        for pause in [200, 10_000] {
            assert_eq!(rejected(&shed.send("/", 500, 500).await), 0);
            // Nothing runs, as after SIGSTOP.
            advance(pause * MS).await;
            let backlog = (0..500).map(|_| shed.send("/", 1, 1_000));
            let statuses = join_all(backlog).await.concat();
            assert_eq!(rejected(&statuses), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn blocked_event_loop_records_lag() {
        let shed = Shed::new(&Limits::new());
        let _probes = shed.shedder.spawn_probes();
        sleep(PROBE_INTERVAL / 2).await;
        advance(Duration::from_secs(2)).await;
        sleep(PROBE_INTERVAL).await;
        // The missed samples of the delay add up to 100 times its mean, one second.
        let lag = shed.meter.loop_lag.get_sample_sum();
        assert!(lag > 90.0, "{lag}");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_an_overloaded_loop_are_rejected() {
        let shed = Shed::new(&Limits::new());
        for _ in 0..1_000 {
            advance(MS).await;
            let now = shed.shedder.now();
            let mut controller = shed.shedder.controller().unwrap();
            // The loop serves at half the rate at which requests arrive.
            controller.probe_completed(now / 2, now);
            let _ = controller.admit(now);
        }
        assert_eq!(shed.send("/", 1, 1_000).await, [503]);
        assert_eq!(shed.calls.load(Relaxed), 0);
        assert_eq!(shed.shed_count(Queue::Loop), 1);
    }
}
