//! The browser's gzip, as a sink and a stream.

use crate::failure::Failure;
use futures::{Sink, SinkExt, Stream, StreamExt, future};
use highwater::stream::Weigh;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_streams::{ReadableStream, WritableStream};

// Unstable in web-sys, but not in browsers.
#[wasm_bindgen]
extern "C" {
    type CompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &CompressionStream) -> web_sys::ReadableStream;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &CompressionStream) -> web_sys::WritableStream;
}

/// Bytes in the browser's memory. They are not copied into WebAssembly.
pub(crate) struct JsChunk(Uint8Array);

impl Weigh for JsChunk {
    fn weight(&self) -> usize {
        self.0.length() as usize
    }
}

/// Compresses a stream of bytes. It accepts input only as fast as its output is read.
pub(crate) struct Gzip(CompressionStream);

impl Gzip {
    /// Creates a compressor. Fails if the browser has no `CompressionStream`.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Gzip(CompressionStream::new("gzip")?))
    }

    /// Returns the input. Call this only once.
    pub(crate) fn input(&self) -> impl Sink<Vec<u8>, Error = Failure> + use<> {
        WritableStream::from_raw(self.0.writable())
            .into_sink()
            .sink_map_err(Failure::from)
            // Copies the chunk, because the browser keeps it longer than the pipeline
            // does.
            .with(|bytes: Vec<u8>| future::ok(Uint8Array::from(bytes.as_slice()).into()))
    }

    /// Returns the output. Call this only once.
    pub(crate) fn output_stream(&self) -> impl Stream<Item = Result<JsChunk, Failure>> + use<> {
        ReadableStream::from_raw(self.0.readable())
            .into_stream()
            .map(|chunk| Ok(JsChunk(chunk?.unchecked_into())))
    }
}

/// Returns a sink for the compressed chunks. It is closed only on success.
pub(crate) fn output(output: web_sys::WritableStream) -> impl Sink<JsChunk, Error = Failure> {
    WritableStream::from_raw(output)
        .into_sink()
        .sink_map_err(Failure::from)
        .with(|JsChunk(bytes)| future::ok(bytes.into()))
}
