//! Names in the trace, by which diagrams and checks find the listeners.

pub(super) const SENSOR: &str = "Sensor";
pub(super) const EMITTER: &str = "Emitter";
/// Changes the list or fails, depending on the parameters.
pub(super) const DISPLAY: &str = "Display";
pub(super) const LOGGER: &str = "Logger";
/// A once listener.
pub(super) const CALIBRATION: &str = "Calibration";
/// Added last, with `prepend`.
pub(super) const ALARM: &str = "Alarm";
/// Added during an emit.
pub(super) const LATE_LISTENER: &str = "Newcomer";
/// Observes failures of other listeners.
pub(super) const ERROR_LOG: &str = "ErrorLog";
/// A leaked listener.
pub(super) const LEAKED_LISTENER: &str = "Forgotten";
