//! The browser's own gzip, between two pipelines.

use crate::failure::Failure;
use futures::{Sink, SinkExt, Stream, StreamExt, future};
use highwater::stream::Weigh;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_streams::{ReadableStream, WritableStream};

// Unstable in web-sys, though not in browsers.
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

/// Bytes in the browser's memory, which stay there.
pub(crate) struct JsChunk(Uint8Array);

impl Weigh for JsChunk {
    fn weight(&self) -> usize {
        self.0.length() as usize
    }
}

/// What is written to its one end is to be read, compressed, from the other. It
/// takes nothing while nobody reads.
pub(crate) struct Gzip(CompressionStream);

impl Gzip {
    /// Fails in a browser that has none.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Gzip(CompressionStream::new("gzip")?))
    }

    /// Where bytes go in. To be asked for once.
    pub(crate) fn plain(&self) -> impl Sink<Vec<u8>, Error = Failure> + use<> {
        WritableStream::from_raw(self.0.writable())
            .into_sink()
            .sink_map_err(Failure::from)
            // A copy: the browser still has it when the pipeline is done with it.
            .with(|bytes: Vec<u8>| future::ok(Uint8Array::from(bytes.as_slice()).into()))
    }

    /// Where they come out. To be asked for once.
    pub(crate) fn compressed(&self) -> impl Stream<Item = Result<JsChunk, Failure>> + use<> {
        ReadableStream::from_raw(self.0.readable())
            .into_stream()
            .map(|piece| Ok(JsChunk(piece?.unchecked_into())))
    }
}

/// Where the compressed pieces go. It is closed on success only.
pub(crate) fn output(output: web_sys::WritableStream) -> impl Sink<JsChunk, Error = Failure> {
    WritableStream::from_raw(output)
        .into_sink()
        .sink_map_err(Failure::from)
        .with(|JsChunk(bytes)| future::ok(bytes.into()))
}
