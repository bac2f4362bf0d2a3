//! The bank that the service depends on, behind a circuit breaker.

use super::{
    names::{BANK, BREAKER, CLOSED, HALF_OPEN, OPEN},
    payment_error::PaymentError,
};
use crate::{
    error::{Breaker, BreakerState, Permit},
    platform::Platform,
    scenario::Context,
    trace::{NameId, RecordKind, Recorder},
    workload::Times,
};
use std::{cell::Cell, time::Duration};

/// The number of consecutive failures that opens the breaker.
const FAILURE_THRESHOLD: u32 = 5;

/// The maximum concurrent probes of a half-open breaker.
pub(super) const MAX_PROBES: u32 = 1;

/// The minimum time the breaker stays open.
const OPEN_DURATION: Duration = Duration::from_millis(200);

/// A receipt's digits.
type Receipt = [u8; 4];

/// A bank that is slow, times out or is down.
pub(super) struct Bank {
    id: NameId,
    trace: Recorder,
    platform: Platform,
    latency: Duration,
    breaker: Option<RecordedBreaker>,
    down_until: Cell<Duration>,
}

/// A breaker whose state changes are recorded.
struct RecordedBreaker {
    id: NameId,
    inner: Breaker,
    state: Cell<BreakerState>,
}

impl Bank {
    pub(super) fn open(context: &Context) -> Self {
        let trace = context.trace.clone();
        let id = trace.name(BANK);
        trace.instant(RecordKind::Start, id, 0);
        let latency = context.params.millis("latency");
        let breaker = (context.params.choice("breaker") == "on").then(|| {
            let id = trace.name(BREAKER);
            trace.instant(RecordKind::Start, id, 0);
            // Longer than a probe that times out, so that the breaker gets its result.
            let open_duration = OPEN_DURATION.max(latency * 6);
            let inner = Breaker::new("the bank").failure_threshold(FAILURE_THRESHOLD);
            RecordedBreaker {
                id,
                inner: inner
                    .open_duration(open_duration)
                    .half_open_max_calls(MAX_PROBES),
                state: Cell::new(BreakerState::Closed),
            }
        });
        Bank {
            id,
            trace,
            platform: context.platform.clone(),
            latency,
            breaker,
            down_until: Cell::default(),
        }
    }

    /// Takes the bank down. Every call fails for this duration.
    pub(super) fn take_down(&self, duration: Duration) {
        self.down_until.set(self.platform.now() + duration);
    }

    /// Calls the bank. The call times out if the latency drawn for it is too long or
    /// `times_out` is `true`.
    pub(super) async fn call(
        &self,
        caller: NameId,
        request: u64,
        times_out: bool,
        latencies: &mut Times,
    ) -> Result<Receipt, PaymentError> {
        let permit = self.admit(request)?;
        self.trace.send(RecordKind::Call, caller, self.id, request);
        let latency = latencies.next_time(self.latency);
        let timeout = self.latency * 3;
        let result = if self.platform.now() < self.down_until.get() {
            self.platform.sleep(latency / 4).await;
            Err(PaymentError::BankDown)
        } else if times_out || latency > timeout {
            self.platform.sleep(timeout).await;
            Err(PaymentError::BankTimedOut)
        } else {
            self.platform.sleep(latency).await;
            Ok([4, 2, 4, 2])
        };
        self.report(permit, result.is_ok(), request);
        result
    }

    fn admit(&self, request: u64) -> Result<Option<Permit>, PaymentError> {
        let Some(breaker) = &self.breaker else {
            return Ok(None);
        };
        let admitted = breaker.inner.admit(self.platform.now());
        breaker.record_state(&self.trace, request);
        match admitted {
            Ok(permit) => Ok(Some(permit)),
            Err(open) => {
                self.trace.instant(RecordKind::Reject, breaker.id, request);
                Err(PaymentError::BreakerOpen(open))
            }
        }
    }

    fn report(&self, permit: Option<Permit>, is_success: bool, request: u64) {
        let (Some(breaker), Some(permit)) = (&self.breaker, permit) else {
            return;
        };
        let now = self.platform.now();
        if is_success {
            breaker.inner.record_success(permit, now);
        } else {
            breaker.inner.record_failure(permit, now);
        }
        breaker.record_state(&self.trace, request);
    }
}

impl RecordedBreaker {
    /// Records the breaker's state if it has changed.
    fn record_state(&self, trace: &Recorder, request: u64) {
        let state = self.inner.state();
        if self.state.replace(state) != state {
            let state = trace.name(name(state));
            trace.send(RecordKind::Switch, self.id, state, request);
        }
    }
}

fn name(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => CLOSED,
        BreakerState::Open => OPEN,
        BreakerState::HalfOpen => HALF_OPEN,
    }
}
