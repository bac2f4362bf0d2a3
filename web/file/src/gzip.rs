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
pub(crate) struct Piece(Uint8Array);

impl Weigh for Piece {
    fn weight(&self) -> usize {
        self.0.length() as usize
    }
}

/// Both ends: what is written to the first is to be read, compressed, from the
/// second. It takes nothing while nobody reads.
pub(crate) fn gzip() -> Result<
    (
        impl Sink<Vec<u8>, Error = Failure>,
        impl Stream<Item = Result<Piece, Failure>>,
    ),
    Failure,
> {
    let gzip = CompressionStream::new("gzip")?;
    let plain = WritableStream::from_raw(gzip.writable())
        .into_sink()
        .sink_map_err(Failure::from)
        // A copy: the browser still has it when the pipeline is done with it.
        .with(|bytes: Vec<u8>| future::ok(Uint8Array::from(bytes.as_slice()).into()));
    let compressed = ReadableStream::from_raw(gzip.readable())
        .into_stream()
        .map(|piece| Ok(Piece(piece?.unchecked_into())));
    Ok((plain, compressed))
}

/// Where the compressed pieces go. It is closed on success only.
pub(crate) fn output(output: web_sys::WritableStream) -> impl Sink<Piece, Error = Failure> {
    WritableStream::from_raw(output)
        .into_sink()
        .sink_map_err(Failure::from)
        .with(|Piece(bytes)| future::ok(bytes.into()))
}
