//! Tests of the error layer around `tower` services.

#[cfg(feature = "axum")]
mod bodies;
mod bugs;
#[cfg(feature = "axum")]
#[path = "../cases/mod.rs"]
mod cases;
#[cfg(feature = "axum")]
mod disconnects;
#[cfg(feature = "axum")]
mod responses;
mod test_layer;
