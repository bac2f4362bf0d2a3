//! Digests of traces.

use crate::trace::{PackedBatch, RecordBatch, Trace, VERSION};
use sha2::{Digest, Sha256};

/// Returns the SHA-256 of all records and names of a trace, in hexadecimal.
///
/// In simulated time it depends only on the experiment: every browser and machine
/// computes the same. It does not depend on how the records were batched, nor on
/// parameters without effect.
///
/// ```
/// use highwater::{analysis::digest, trace::{RecordKind, Recorder, Trace}};
/// use std::{sync::Arc, time::Duration};
///
/// let run = |subject| {
///     let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
///     recorder.instant(RecordKind::Start, recorder.name("Api"), subject);
///     let mut trace = Trace::default();
///     trace.append(recorder.drain());
///     digest(&trace)
/// };
/// assert_eq!(run(1), run(1));
/// assert_ne!(run(1), run(2));
/// ```
#[must_use]
pub fn digest(trace: &Trace) -> String {
    let mut hash = Sha256::new();
    for word in [VERSION.into(), trace.names.len() as u64, trace.dropped] {
        hash.update(word.to_le_bytes());
    }
    // The length separates names.
    for name in &trace.names {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
    }
    // In chunks, so that a long trace is not held in memory twice.
    for events in trace.events.chunks(1024) {
        let batch = RecordBatch {
            events: events.to_vec(),
            ..RecordBatch::default()
        };
        for word in PackedBatch::from(batch).records() {
            hash.update(word.to_le_bytes());
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('?');
        hex.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    hex
}
