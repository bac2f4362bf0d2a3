//! Names in the trace, by which diagrams and checks find the sources.

pub(super) const API: &str = "Api";
pub(super) const GET: &str = "GetPayment";
pub(super) const CREATE: &str = "CreatePayment";
pub(super) const BANK: &str = "Bank";
pub(super) const BREAKER: &str = "Breaker";
pub(super) const CATCH_ALL: &str = "CatchAll";

// The states of the breaker.
pub(super) const CLOSED: &str = "closed";
pub(super) const OPEN: &str = "open";
pub(super) const HALF_OPEN: &str = "half-open";
