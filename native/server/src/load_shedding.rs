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
