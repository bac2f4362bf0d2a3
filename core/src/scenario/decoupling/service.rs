//! The services that react to a sign-up. Both designs share this code.

use super::names::{AUDIT, EMAIL, LOYALTY, METRICS};
use crate::{
    platform::{Random, Timer},
    scenario::{Context, Values, load},
    trace::{NameId, RecordKind, Recorder, Span},
    workload::Times,
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The characteristics of a service.
pub(super) struct ServiceProfile {
    name: &'static str,
    /// The value of `fail` that selects it, if it can fail.
    fail_option: Option<&'static str>,
    /// Selects its random streams.
    number: u64,
    latency: fn(&Values) -> Duration,
}

#[derive(Clone, Copy)]
struct InjectedFault {
    percent: u32,
    is_bug: bool,
}

impl ServiceProfile {
    pub(super) fn email() -> Self {
        ServiceProfile {
            name: EMAIL,
            fail_option: Some("email"),
            number: 1,
            latency: |params| params.millis("email_latency"),
        }
    }

    pub(super) fn audit() -> Self {
        ServiceProfile {
            name: AUDIT,
            fail_option: Some("audit"),
            number: 2,
            latency: |_| Duration::from_millis(5),
        }
    }

    pub(super) fn metrics() -> Self {
        ServiceProfile {
            name: METRICS,
            fail_option: Some("metrics"),
            number: 3,
            latency: |_| Duration::from_millis(1),
        }
    }

    pub(super) fn loyalty() -> Self {
        ServiceProfile {
            name: LOYALTY,
            fail_option: None,
            number: 4,
            latency: |_| Duration::from_millis(10),
        }
    }

    /// Returns the fault currently injected into it, if any.
    fn fault(&self, params: &Values) -> Option<InjectedFault> {
        (Some(params.choice("fail")) == self.fail_option).then(|| InjectedFault {
            percent: u32::try_from(params.integer("fail_rate")).unwrap_or(100),
            is_bug: params.choice("fault") == "panic",
        })
    }
}

/// An operational failure: expected, and not a bug in this service.
#[derive(Clone, Copy, thiserror::Error)]
#[error("{service} is unavailable")]
pub(super) struct Unavailable {
    service: &'static str,
}

/// Not derived: quoting the name would add Unicode tables to the page's download.
impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Separate streams, so that failures do not change latencies.
struct RandomStreams {
    latency: Times,
    fault: Random,
}

/// A running service.
pub(super) struct DownstreamService {
    profile: ServiceProfile,
    params: Values,
    id: NameId,
    random: Mutex<RandomStreams>,
    timer: Arc<dyn Timer>,
    trace: Recorder,
}

impl DownstreamService {
    pub(super) fn start(context: &Context, profile: ServiceProfile) -> Self {
        DownstreamService {
            id: context.start_source(profile.name),
            params: context.params.clone(),
            random: Mutex::new(RandomStreams {
                latency: load::work_times(context, 2 * profile.number),
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

    /// Handles a sign-up and blocks the event loop until it is done.
    pub(super) fn handle(&self, user: u64) -> Result<(), Unavailable> {
        let span = self.trace.begin(RecordKind::Handle, self.id, user);
        let (latency, failed) = self.draw(user);
        self.timer.block(latency);
        self.finish(span, failed)
    }

    /// Handles a sign-up without blocking the event loop.
    pub(super) async fn handle_async(&self, user: u64) -> Result<(), Unavailable> {
        let span = self.trace.begin(RecordKind::Handle, self.id, user);
        let (latency, failed) = self.draw(user);
        self.timer.sleep(latency).await;
        self.finish(span, failed)
    }

    /// Draws a sign-up's latency and whether it fails.
    ///
    /// Panics if the fault is a bug.
    fn draw(&self, user: u64) -> (Duration, bool) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = (self.profile.latency)(&self.params);
        let latency = random.latency.next_time(latency);
        let Some(fault) = self.profile.fault(&self.params) else {
            return (latency, false);
        };
        let should_fail = random.fault.chance(fault.percent);
        assert!(
            !(should_fail && fault.is_bug),
            "{} has a bug: it cannot handle user {user}",
            self.name()
        );
        (latency, should_fail)
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
