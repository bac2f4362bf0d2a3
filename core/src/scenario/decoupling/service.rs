//! A service that reacts to a sign-up. The same code in both designs.

use super::{AUDIT, EMAIL, LOYALTY, METRICS};
use crate::{
    platform::{Random, Timer},
    scenario::{Context, Values},
    trace::{Kind, NameId, Recorder, Span},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What one service is like.
pub(super) struct Profile {
    name: &'static str,
    /// Which streams of random draws are its own.
    number: u64,
    latency: Duration,
    fault: Option<Fault>,
}

#[derive(Clone, Copy)]
struct Fault {
    percent: u32,
    is_bug: bool,
}

impl Profile {
    pub(super) fn email(params: &Values) -> Self {
        Profile {
            name: EMAIL,
            number: 1,
            latency: params.millis("email_latency"),
            fault: Fault::of(params, "email"),
        }
    }

    pub(super) fn audit(params: &Values) -> Self {
        Profile {
            name: AUDIT,
            number: 2,
            latency: Duration::from_millis(5),
            fault: Fault::of(params, "audit"),
        }
    }

    pub(super) fn metrics(params: &Values) -> Self {
        Profile {
            name: METRICS,
            number: 3,
            latency: Duration::from_millis(1),
            fault: Fault::of(params, "metrics"),
        }
    }

    pub(super) fn loyalty() -> Self {
        Profile {
            name: LOYALTY,
            number: 4,
            latency: Duration::from_millis(10),
            fault: None,
        }
    }
}

impl Fault {
    fn of(params: &Values, service: &str) -> Option<Self> {
        (params.choice("fail") == service).then(|| Fault {
            percent: u32::try_from(params.integer("fail_rate")).unwrap_or(100),
            is_bug: params.choice("fault") == "panic",
        })
    }
}

/// An operational failure: expected, and somebody else's.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{service} is unavailable")]
pub(super) struct Unavailable {
    service: &'static str,
}

/// Two streams: whether a service fails does not change how long it takes.
struct Draws {
    latency: Random,
    fault: Random,
}

/// A running service.
pub(super) struct Service {
    profile: Profile,
    id: NameId,
    draws: Mutex<Draws>,
    timer: Arc<dyn Timer>,
    trace: Recorder,
}

impl Service {
    pub(super) fn start(context: &Context, profile: Profile) -> Self {
        let id = context.trace.name(profile.name);
        context.trace.instant(Kind::Start, id, 0);
        Service {
            id,
            draws: Mutex::new(Draws {
                latency: context.seed.stream(2 * profile.number),
                fault: context.seed.stream(2 * profile.number + 1),
            }),
            timer: context.platform.timer(),
            trace: context.trace.clone(),
            profile,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.profile.name
    }

    pub(super) fn id(&self) -> NameId {
        self.id
    }

    /// Reacts to a sign-up and holds the loop until it is done.
    pub(super) fn handle(&self, user: u64) -> Result<(), Unavailable> {
        let span = self.trace.begin(Kind::Handle, self.id, user);
        let (latency, failed) = self.draw(user);
        self.timer.block(latency);
        self.finish(span, failed)
    }

    /// Reacts to a sign-up and lets others use the loop while it waits.
    pub(super) async fn handle_async(&self, user: u64) -> Result<(), Unavailable> {
        let span = self.trace.begin(Kind::Handle, self.id, user);
        let (latency, failed) = self.draw(user);
        self.timer.sleep(latency).await;
        self.finish(span, failed)
    }

    /// How long this one takes, and whether it fails.
    fn draw(&self, user: u64) -> (Duration, bool) {
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = draws.latency.jitter(self.profile.latency, 20);
        let Some(fault) = self.profile.fault else {
            return (latency, false);
        };
        let fails = draws.fault.chance(fault.percent);
        assert!(
            !(fails && fault.is_bug),
            "{} has a bug: it cannot handle user {user}",
            self.name()
        );
        (latency, fails)
    }

    fn finish(&self, span: Span, failed: bool) -> Result<(), Unavailable> {
        if !failed {
            span.succeed();
            return Ok(());
        }
        let error = Unavailable {
            service: self.name(),
        };
        span.fail(&error.to_string());
        Err(error)
    }
}
