//! Serves any `tower` service and stays up.

pub mod logging;
