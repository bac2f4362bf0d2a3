//! Names in the trace, by which diagrams and checks find the services.

pub(super) const USER_SERVICE: &str = "UserService";
pub(super) const EVENT_BUS: &str = "EventBus";
pub(super) const EMAIL: &str = "EmailService";
pub(super) const AUDIT: &str = "AuditLog";
pub(super) const METRICS: &str = "Metrics";
pub(super) const LOYALTY: &str = "LoyaltyService";
/// The name of leaked listeners.
pub(super) const SESSION: &str = "Session";
