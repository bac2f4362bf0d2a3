//! Whether two runs were the same.

use crate::trace::{PackedBatch, RecordBatch, Trace, VERSION};
use sha2::{Digest, Sha256};

/// SHA-256 over all records of a trace and the names in them, in hexadecimal.
///
/// In simulated time it depends on nothing but the experiment: any browser and
/// any machine come to the same. How the records were handed over, all at once or
/// batch by batch, is not in it, nor are parameters that changed nothing.
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
    // A name cannot pass for the end of the one before it.
    for name in &trace.names {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
    }
    // Some at a time: packed as a whole, a long trace would be there twice.
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
