//! Reads the file on demand.

use crate::{
    clock::{TabClock, yield_to_loop},
    failure::Failure,
};
use futures::{Stream, StreamExt, stream};
use highwater::Clock;
use js_sys::Uint8Array;
use std::{sync::Arc, time::Duration};
use wasm_bindgen::prelude::*;
use wasm_streams::{ReadableStream, readable::IntoStream};
use web_sys::Blob;

/// Maximum number of bytes copied into WebAssembly at once. Browsers return chunks of
/// 64 KiB and more.
const MAX_COPY_BYTES: u32 = 128 * 1024;

/// Maximum time before yielding to the event loop, which handles cancellation and
/// status messages.
const MAX_BUSY_TIME: Duration = Duration::from_millis(50);

struct FileReader {
    chunks: IntoStream<'static>,
    /// The unread rest of the last chunk.
    rest: Uint8Array,
    expected: u64,
    read: u64,
    clock: Arc<TabClock>,
    last_yield: Duration,
}

/// Returns a stream of a file's bytes. The stream fails if the file's size changed
/// after it was chosen. Dropping the stream closes the file.
pub(crate) fn read(
    file: &Blob,
    clock: Arc<TabClock>,
) -> impl Stream<Item = Result<Vec<u8>, Failure>> + use<> {
    let reading = FileReader {
        chunks: ReadableStream::from_raw(file.stream()).into_stream(),
        rest: Uint8Array::new_with_length(0),
        expected: size_of(file),
        read: 0,
        last_yield: clock.now(),
        clock,
    };
    stream::try_unfold(reading, async |mut reading| {
        let bytes = reading.next().await?;
        Ok(bytes.map(|bytes| (bytes, reading)))
    })
}

impl FileReader {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        if self.clock.now() >= self.last_yield + MAX_BUSY_TIME {
            yield_to_loop().await;
            self.last_yield = self.clock.now();
        }
        while self.rest.length() == 0 {
            match self.chunks.next().await.transpose()? {
                Some(chunk) => self.rest = chunk.unchecked_into(),
                None if self.read == self.expected => return Ok(None),
                None => return Err(self.changed()),
            }
        }
        let end = self.rest.length().min(MAX_COPY_BYTES);
        let bytes = self.rest.subarray(0, end).to_vec();
        self.rest = self.rest.subarray(end, self.rest.length());
        self.read += u64::from(end);
        if self.read > self.expected {
            return Err(self.changed());
        }
        Ok(Some(bytes))
    }

    fn changed(&self) -> Failure {
        Failure::Changed {
            expected: self.expected,
            read: self.read,
        }
    }
}

/// Converts a file's size from an `f64`. The browser returns a non-negative integer.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an f64 represents any file size exactly"
)]
fn size_of(file: &Blob) -> u64 {
    file.size() as u64
}
