//! Tests of retries and breakers around futures and around each other.

use futures::{
    FutureExt,
    executor::block_on,
    future::{pending, ready},
};
use highwater::{
    Clock,
    error::{
        AppError, Breaker, BreakerOpen, BreakerState, Classification, Classify, ErrorKind,
        FailedAttempt, GiveUp, Handler, IdGenerator, Incident, ResultExt, RetryBudget, RetryPolicy,
    },
    events::Emitter,
};
use std::{
    error::Error,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

const OPEN_DURATION: Duration = Duration::from_secs(2);

fn has_breaker_open(error: &AppError) -> bool {
    let mut causes = error.chain();
    causes.any(<dyn Error>::is::<BreakerOpen>)
}

/// A clock that advances only while sleeping, and a service whose first calls fail.
#[derive(Default)]
struct World {
    ms: AtomicU64,
    calls: AtomicU32,
    sleeps: Mutex<Vec<Duration>>,
}

impl Clock for World {
    fn now(&self) -> Duration {
        Duration::from_millis(self.ms.load(Relaxed))
    }
}

impl World {
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.ms.fetch_add(ms, Relaxed);
        self.sleeps.lock().unwrap().push(time);
        ready(())
    }

    /// Times out for the first `failures` calls, then succeeds.
    fn call(&self, failures: u32) -> impl Future<Output = Result<u32, AppError>> + Send + use<> {
        let call = self.calls.fetch_add(1, Relaxed) + 1;
        ready(if call <= failures {
            Err(AppError::timeout("reading the stock"))
        } else {
            Ok(call)
        })
    }

    fn call_count(&self) -> u32 {
        self.calls.load(Relaxed)
    }

    fn sleep_count(&self) -> usize {
        self.sleeps.lock().unwrap().len()
    }
}

fn open_breaker(world: &World) -> Breaker {
    let breaker = Breaker::new("stock")
        .failure_threshold(1)
        .open_duration(OPEN_DURATION);
    let failing = breaker.call(world, || {
        ready(Err::<(), _>(AppError::unavailable("the stock")))
    });
    assert!(block_on(failing).is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn operation_is_retried_until_it_succeeds() {
    let world = World::default();
    let retry = RetryPolicy::new().attempts(4);
    let run = retry.run(&world, |time| world.sleep(time), || world.call(3));
    assert_eq!(block_on(run).unwrap(), 4);
    assert_eq!(world.sleep_count(), 3);
    let max_waits = [100, 200, 400].map(Duration::from_millis);
    let sleeps = world.sleeps.into_inner().unwrap();
    assert!(
        sleeps
            .iter()
            .zip(max_waits)
            .all(|(wait, max_wait)| *wait < max_wait),
        "{sleeps:?}"
    );
}

#[test]
fn exhausted_retry_reports_attempts_and_reason() {
    let world = World::default();
    let retry = RetryPolicy::new();
    let error = block_on(retry.run(&world, |time| world.sleep(time), || world.call(9)));
    let error = error.unwrap_err();
    assert_eq!((error.kind(), world.call_count()), (ErrorKind::Timeout, 3));
    let context: Vec<_> = error.context().collect();
    assert_eq!(context[1], ("attempts", "3"));
    assert_eq!(context[0], ("retries_ended", "no attempts left"));

    let world = World::default();
    let without_budget = retry.clone().budget(RetryBudget::new().burst(0));
    let run = without_budget.run(&world, |time| world.sleep(time), || world.call(9));
    assert!(block_on(run).is_err());
    assert_eq!(
        (world.call_count(), world.sleep_count()),
        (1, 0),
        "no budget"
    );
}

#[test]
fn permanent_error_is_returned_unchanged() {
    let world = World::default();
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::Bug,
        ErrorKind::Failure,
        ErrorKind::Cancelled,
    ] {
        let run = async || Err::<(), _>(AppError::new(kind));
        let retry = RetryPolicy::new();
        let run = retry.run(&world, |time| world.sleep(time), run);
        let error = block_on(run).unwrap_err();
        assert_eq!((error.kind(), error.context().len()), (kind, 0));
    }
    assert_eq!(world.sleep_count(), 0);
}

#[test]
fn retry_around_an_open_breaker_fails_immediately() {
    let world = World::default();
    let breaker = open_breaker(&world);
    let retry = RetryPolicy::new();
    let run = retry.run(
        &world,
        |time| world.sleep(time),
        || breaker.call(&world, || world.call(0)),
    );
    let error = block_on(run).unwrap_err();
    assert!(has_breaker_open(&error), "{error:?}");
    assert_eq!(
        error.retry_after(),
        Some(OPEN_DURATION),
        "the error carries the breaker's retry time"
    );
    assert_eq!((world.sleep_count(), world.call_count()), (0, 0));
    assert_eq!(retry.available(), 100, "no retry was withdrawn");
}

#[test]
fn opening_breaker_ends_the_retries_with_the_cause() {
    let world = World::default();
    let breaker = Breaker::new("stock").failure_threshold(2);
    let retry = RetryPolicy::new().attempts(9);
    let run = retry.run(
        &world,
        |time| world.sleep(time),
        || breaker.call(&world, || world.call(9)),
    );
    let error = block_on(run).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let context: Vec<_> = error.context().collect();
    assert_eq!(
        context,
        [("retries_ended", "the breaker is open"), ("attempts", "2")]
    );
    assert_eq!((world.call_count(), world.sleep_count()), (2, 1));
}

#[test]
fn breaker_opened_by_another_call_keeps_the_cause() {
    let world = World::default();
    let breaker = Breaker::new("stock").failure_threshold(2);
    let fail_another_call = |time| {
        let permit = breaker.admit(world.now()).unwrap();
        breaker.record_failure(permit, world.now());
        world.sleep(time)
    };
    let retry = RetryPolicy::new();
    let run = retry.run(&world, fail_another_call, || {
        breaker.call(&world, || world.call(9))
    });
    let error = block_on(run).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(!has_breaker_open(&error));
    assert_eq!((world.call_count(), world.sleep_count()), (1, 1));
    let context: Vec<_> = error.context().collect();
    assert!(context.contains(&("rejected", "the breaker for stock is open")));
    let failed = FailedAttempt {
        error: &error,
        is_idempotent: true,
        attempt: 1,
    };
    let outer = RetryPolicy::new().decide(failed, world.now(), || 0);
    assert_eq!(outer, Err(GiveUp::BreakerOpen));
    let rejection = breaker.admit(world.now()).unwrap_err();
    assert_eq!(error.retry_after(), Some(rejection.retry_after));
}

#[test]
fn retry_waits_for_a_breaker_if_enabled() {
    let world = World::default();
    let breaker = open_breaker(&world);
    let waiting_policy = RetryPolicy::new().wait_for_breaker();
    let run = waiting_policy.run(
        &world,
        |time| world.sleep(time),
        || breaker.call(&world, || world.call(0)),
    );
    assert_eq!(block_on(run).unwrap(), 1);
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(world.now() >= OPEN_DURATION && world.sleep_count() == 1);

    let world = World::default();
    let breaker = open_breaker(&world);
    let short_wait_policy = waiting_policy.max_wait(OPEN_DURATION / 2);
    let run = short_wait_policy.run(
        &world,
        |time| world.sleep(time),
        || breaker.call(&world, || world.call(0)),
    );
    let error = block_on(run).unwrap_err();
    assert_eq!(
        world.sleep_count(),
        0,
        "the breaker stays open longer than max_wait"
    );
    let why = error.context().next().unwrap();
    assert_eq!(why.1, GiveUp::WaitTooLong.to_string());
}

#[test]
fn breaker_around_a_retry_counts_one_failure() {
    let world = World::default();
    let breaker = Breaker::new("stock").failure_threshold(2);
    let retry = RetryPolicy::new();
    let call = || {
        breaker.call(&world, || {
            retry.run(&world, |time| world.sleep(time), || world.call(99))
        })
    };
    assert!(block_on(call()).is_err());
    assert_eq!(
        (breaker.state(), world.call_count()),
        (BreakerState::Closed, 3)
    );
    assert!(block_on(call()).is_err());
    assert_eq!(
        (breaker.state(), world.call_count()),
        (BreakerState::Open, 6)
    );
    assert!(has_breaker_open(&block_on(call()).unwrap_err()));
    assert_eq!(world.call_count(), 6);
}

#[derive(Debug, thiserror::Error)]
#[error("the shop is closed")]
struct ShopError(#[source] BreakerOpen);

impl Classify for ShopError {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::Unavailable).with_retry_after(OPEN_DURATION)
    }
}

/// Covers a `BreakerOpen` inside every error type that can reach a retry.
#[test]
fn open_breaker_is_found_in_every_wrapper() {
    let open = BreakerOpen {
        dependency: "stock",
        retry_after: OPEN_DURATION,
    };
    let emit_error = |errors: Vec<AppError>| {
        let emitter: Emitter<u8> = Emitter::new();
        for error in errors {
            let error = Mutex::new(Some(error));
            emitter
                .on("mail", move |_| Err(error.lock().unwrap().take().unwrap()))
                .detach();
        }
        AppError::from(emitter.emit(&1).unwrap_err())
    };
    let with_context: Result<(), AppError> = Err(open).context("stock", 7);
    let wrapped = [
        AppError::from(open),
        with_context.unwrap_err(),
        AppError::from(ShopError(open)),
        AppError::new(ErrorKind::Unavailable).with_source(AppError::from(open)),
        AppError::new(ErrorKind::Timeout).with_source(ShopError(open)),
        AppError::from_boxed(Box::new(open)),
        AppError::from(io::Error::other(open)),
        emit_error(vec![open.into()]),
        emit_error(vec![AppError::timeout("the mail server"), open.into()]),
        AppError::from(open).with_retry_after(OPEN_DURATION * 2),
    ];
    for error in &wrapped {
        assert!(error.is_transient(), "{error:?}");
        let failed = FailedAttempt {
            error,
            is_idempotent: true,
            attempt: 1,
        };
        let decision = RetryPolicy::new().decide(failed, Duration::ZERO, || 0);
        assert_eq!(decision, Err(GiveUp::BreakerOpen), "{error:?}");
        let handler = Handler::new().retry(RetryPolicy::new());
        let incident = Incident::new(IdGenerator::new(7).generate(), "GET /stock").idempotent();
        assert_eq!(handler.handle(error, &incident).as_str(), "respond");
    }
    let other_error = AppError::unavailable("stripe").with_retry_after(OPEN_DURATION);
    let failed = FailedAttempt {
        error: &other_error,
        is_idempotent: true,
        attempt: 1,
    };
    let decision = RetryPolicy::new().decide(failed, Duration::ZERO, || 0);
    assert_eq!(
        decision,
        Ok(OPEN_DURATION),
        "errors without an open breaker are retried"
    );
}

fn half_open(world: &World) -> Breaker {
    let breaker = open_breaker(world);
    drop(world.sleep(OPEN_DURATION));
    breaker
}

#[test]
fn cancelled_trial_call_releases_its_permit() {
    let world = World::default();
    let breaker = half_open(&world);
    {
        let hanging = breaker.call(&world, pending::<Result<(), AppError>>);
        let mut hanging = pin!(hanging);
        assert!(hanging.as_mut().now_or_never().is_none());
        let second = block_on(breaker.call(&world, || world.call(0)));
        assert!(
            has_breaker_open(&second.unwrap_err()),
            "one trial call at a time"
        );
    }
    assert_eq!(
        block_on(breaker.call(&world, || world.call(0))).unwrap(),
        1,
        "the permit is released immediately"
    );
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn panicking_trial_call_releases_its_permit() {
    let world = World::default();
    let breaker = half_open(&world);
    for polled in [false, true] {
        let call = breaker.call(&world, || async move {
            if polled {
                ready(()).await;
            }
            panic!("panic in the call")
        });
        let call: Result<Result<(), AppError>, _> =
            catch_unwind(AssertUnwindSafe(|| block_on(call)));
        assert!(call.is_err());
    }
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(block_on(breaker.call(&world, || world.call(0))).is_ok());
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn cancelled_wait_makes_no_further_attempt() {
    let world = World::default();
    let retry = RetryPolicy::new();
    let run = retry.run(&world, |_| pending::<()>(), || world.call(9));
    assert!(run.now_or_never().is_none());
    assert_eq!(world.call_count(), 1);
}

#[test]
fn clones_share_budget_and_state() {
    let world = World::default();
    let retry = RetryPolicy::new().budget(RetryBudget::new().per_second(0).burst(1));
    for calls in [2, 3] {
        let request = retry.clone();
        let run = request.run(&world, |time| world.sleep(time), || world.call(9));
        assert!(block_on(run).is_err());
        assert_eq!(world.call_count(), calls, "both runs share one retry");
    }
    let breaker = open_breaker(&world);
    assert!(breaker.clone().admit(world.now()).is_err());
}

/// Compiles only if both futures are `Send`.
#[test]
fn retry_and_breaker_work_in_axum_handlers() {
    use axum::{Router, body::Body, extract::State, http::Request, routing::get};
    use tower::ServiceExt;

    #[derive(Clone)]
    struct App {
        world: Arc<World>,
        retry: RetryPolicy,
        breaker: Breaker,
    }

    async fn stock(State(app): State<App>) -> Result<String, String> {
        let clock = &*app.world;
        let request = || app.breaker.call(clock, || app.world.call(2));
        let run = app.retry.run(clock, |time| app.world.sleep(time), request);
        let level = run.await.map_err(|error| error.to_string())?;
        Ok(format!("{level} left"))
    }

    let app = App {
        world: Arc::default(),
        retry: RetryPolicy::new(),
        breaker: Breaker::new("stock"),
    };
    let router = Router::new().route("/stock", get(stock)).with_state(app);
    let request = Request::get("/stock").body(Body::empty()).unwrap();
    let response = block_on(router.oneshot(request)).unwrap();
    assert_eq!(response.status(), 200);
}
