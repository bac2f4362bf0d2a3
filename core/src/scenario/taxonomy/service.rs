//! The payment service and its injected faults.

use super::{
    bank::Bank,
    names::{CREATE, GET},
    payment_error::PaymentError,
};
use crate::{
    platform::Random,
    scenario::{Context, Values, load},
    trace::{NameId, RecordKind, Recorder},
    workload::Times,
};

/// The fault drawn for a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Invalid,
    NotFound,
    Conflict,
    RateLimited,
    Timeout,
    Bug,
}

/// The faults in the order they are drawn, with the parameters for their shares.
const FAULTS: [(Fault, &str); 6] = [
    (Fault::Invalid, "invalid"),
    (Fault::NotFound, "not_found"),
    (Fault::Conflict, "conflict"),
    (Fault::RateLimited, "rate_limited"),
    (Fault::Timeout, "timeout"),
    (Fault::Bug, "bug"),
];

/// A request with its own random stream, so that it is the same in every world and
/// design.
pub(super) struct Payment {
    pub(super) number: u64,
    /// Lookups are idempotent; creating a payment is not.
    pub(super) is_lookup: bool,
    fault: Option<Fault>,
    random: Random,
    latencies: Times,
}

impl Payment {
    pub(super) fn draw(context: &Context, number: u64) -> Self {
        let mut random = context.seed.stream(1000 + number);
        let fault = draw_fault(&context.params, &mut random);
        let is_lookup = random.chance(50) && fault != Some(Fault::Conflict);
        Payment {
            number,
            is_lookup,
            fault,
            random,
            latencies: load::work_times(context, 10_000 + number),
        }
    }

    pub(super) fn operation(&self) -> &'static str {
        if self.is_lookup { GET } else { CREATE }
    }
}

/// Draws a fault. Shares refer to all requests, so later faults are drawn among the
/// requests without an earlier fault.
fn draw_fault(params: &Values, random: &mut Random) -> Option<Fault> {
    let mut rest = 100;
    for (fault, share) in FAULTS {
        let share = params.integer(share).min(rest);
        let percent = (share * 100).checked_div(rest).unwrap_or(0);
        if random.chance(u32::try_from(percent).unwrap_or(100)) {
            return Some(fault);
        }
        rest -= share;
    }
    None
}

/// The service that both designs share.
pub(super) struct PaymentService {
    trace: Recorder,
    bank: Bank,
    get: NameId,
    create: NameId,
}

impl PaymentService {
    pub(super) fn start(context: &Context) -> Self {
        let trace = context.trace.clone();
        let [get, create] = [GET, CREATE].map(|operation| context.start_source(operation));
        let bank = Bank::open(context);
        PaymentService {
            trace,
            bank,
            get,
            create,
        }
    }

    pub(super) fn bank(&self) -> &Bank {
        &self.bank
    }

    pub(super) fn operation(&self, payment: &Payment) -> NameId {
        if payment.is_lookup {
            self.get
        } else {
            self.create
        }
    }

    /// Makes one attempt at a request.
    pub(super) async fn attempt(
        &self,
        payment: &mut Payment,
        attempt: u32,
    ) -> Result<u8, PaymentError> {
        let operation = self.operation(payment);
        let span = self
            .trace
            .begin(RecordKind::Handle, operation, payment.number);
        let result = self.serve(operation, payment, attempt).await;
        match &result {
            Ok(_) => span.succeed(),
            Err(error) => span.fail(error.name()),
        }
        result
    }

    async fn serve(
        &self,
        operation: NameId,
        payment: &mut Payment,
        attempt: u32,
    ) -> Result<u8, PaymentError> {
        let number = payment.number;
        match payment.fault {
            Some(Fault::Invalid) => return Err(PaymentError::Invalid(number)),
            Some(Fault::NotFound) => return Err(PaymentError::NotFound(number)),
            Some(Fault::Conflict) => return Err(PaymentError::Conflict(number)),
            Some(Fault::RateLimited) => return Err(PaymentError::RateLimited(number)),
            Some(Fault::Timeout | Fault::Bug) | None => {}
        }
        // A timeout may not recur on the next attempt.
        let is_slow = payment.fault == Some(Fault::Timeout);
        let times_out = is_slow && (attempt == 1 || payment.random.chance(40));
        let receipt = self
            .bank
            .call(operation, number, times_out, &mut payment.latencies)
            .await?;
        // The bug: an off-by-one index. Indexing with brackets would panic, which
        // cannot be caught in a browser.
        let index = match payment.fault {
            Some(Fault::Bug) => receipt.len(),
            _ => receipt.len() - 1,
        };
        let digit = receipt.get(index).copied();
        digit.ok_or(PaymentError::OutOfRange {
            index,
            length: receipt.len(),
        })
    }
}
