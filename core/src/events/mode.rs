//! Whether an emit waits for its listeners.

/// Of an [`Emitter`](super::Emitter) or a [`Bus`](super::Bus) whose listeners are
/// plain functions. It has [`emit`](super::Emitter::emit), and no `on_async`.
#[derive(Clone, Copy, Debug)]
pub enum Plain {}

/// Of an [`AsyncEmitter`](super::AsyncEmitter) or an
/// [`AsyncBus`](super::AsyncBus), which has asynchronous listeners too. It has no
/// plain `emit`: that could not wait for them.
#[derive(Clone, Copy, Debug)]
pub enum Awaited {}
