//! What the service depends on, and the breaker in front of it.

use super::{BANK, BREAKER, payment_error::PaymentError};
use crate::{
    error::{Breaker, BreakerState, Permit},
    platform::{Platform, Random},
    scenario::Context,
    trace::{NameId, RecordKind, Recorder},
};
use std::{cell::Cell, time::Duration};

/// How many failures in a row open the breaker.
const FAILURES: u32 = 5;

/// How many calls it then probes with.
pub(super) const PROBES: u32 = 1;

/// How long it lets the bank rest.
const REST: Duration = Duration::from_millis(200);

/// The digits of a receipt.
type Receipt = [u8; 4];

/// A bank that is slow, times out or is down.
pub(super) struct Bank {
    id: NameId,
    trace: Recorder,
    platform: Platform,
    latency: Duration,
    guard: Option<RecordedBreaker>,
    down_until: Cell<Duration>,
}

/// The breaker, with its changes on record.
struct RecordedBreaker {
    id: NameId,
    breaker: Breaker,
    state: Cell<BreakerState>,
}

impl Bank {
    pub(super) fn open(context: &Context) -> Self {
        let trace = context.trace.clone();
        let id = trace.name(BANK);
        trace.instant(RecordKind::Start, id, 0);
        let latency = context.params.millis("latency");
        let guard = (context.params.choice("breaker") == "on").then(|| {
            let id = trace.name(BREAKER);
            trace.instant(RecordKind::Start, id, 0);
            // A probe that times out is to be told of before the rest is over.
            let rest = REST.max(latency * 6);
            let breaker = Breaker::new("the bank").failure_threshold(FAILURES);
            RecordedBreaker {
                id,
                breaker: breaker.open_duration(rest).half_open_max_calls(PROBES),
                state: Cell::new(BreakerState::Closed),
            }
        });
        Bank {
            id,
            trace,
            platform: context.platform.clone(),
            latency,
            guard,
            down_until: Cell::default(),
        }
    }

    /// For so long, from now on, no call gets through to it.
    pub(super) fn go_down(&self, duration: Duration) {
        self.down_until.set(self.platform.now() + duration);
    }

    /// Has the bank do what a request asks for. `times_out`: it will, but the
    /// answer comes too late.
    pub(super) async fn call(
        &self,
        caller: NameId,
        request: u64,
        times_out: bool,
        draws: &mut Random,
    ) -> Result<Receipt, PaymentError> {
        let permit = self.admit(request)?;
        self.trace.send(RecordKind::Call, caller, self.id, request);
        let latency = draws.jitter(self.latency, 20);
        let result = if self.platform.now() < self.down_until.get() {
            self.platform.sleep(latency / 4).await;
            Err(PaymentError::BankDown)
        } else if times_out {
            self.platform.sleep(self.latency * 3).await;
            Err(PaymentError::BankTimedOut)
        } else {
            self.platform.sleep(latency).await;
            Ok([4, 2, 4, 2])
        };
        self.report(permit, result.is_ok(), request);
        result
    }

    fn admit(&self, request: u64) -> Result<Option<Permit>, PaymentError> {
        let Some(guard) = &self.guard else {
            return Ok(None);
        };
        let admitted = guard.breaker.admit(self.platform.now());
        guard.note(&self.trace, request);
        match admitted {
            Ok(permit) => Ok(Some(permit)),
            Err(open) => {
                self.trace.instant(RecordKind::Refuse, guard.id, request);
                Err(PaymentError::LeftAlone(open))
            }
        }
    }

    fn report(&self, permit: Option<Permit>, is_well: bool, request: u64) {
        let (Some(guard), Some(permit)) = (&self.guard, permit) else {
            return;
        };
        let now = self.platform.now();
        let breaker = &guard.breaker;
        if is_well {
            breaker.succeeded(permit, now);
        } else {
            breaker.failed(permit, now);
        }
        guard.note(&self.trace, request);
    }
}

impl RecordedBreaker {
    /// Records a change of its state.
    fn note(&self, trace: &Recorder, request: u64) {
        let state = self.breaker.state();
        if self.state.replace(state) != state {
            let state = trace.name(name(state));
            trace.send(RecordKind::Switch, self.id, state, request);
        }
    }
}

fn name(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => super::CLOSED,
        BreakerState::Open => super::OPEN,
        BreakerState::HalfOpen => super::HALF_OPEN,
    }
}
