//! Names in the trace, by which diagrams and checks find the sources.

pub(super) const SOURCE: &str = "Source";
pub(super) const BUFFER: &str = "Buffer";
pub(super) const DESTINATION: &str = "Destination";
