//! Asynchronous listeners that end when a test opens their gate.

use crate::logged::Log;
use futures::channel::oneshot;
use highwater::events::{AsyncEmitter, Notice};
use std::sync::Mutex;

/// The result with which a listener ends.
pub(crate) type Gate = oneshot::Sender<Result<(), &'static str>>;

/// Creates listeners that log their start and end.
#[derive(Default)]
pub(crate) struct Gates {
    pub(crate) log: Log,
}

impl Gates {
    /// Adds a listener that waits for the result sent to its gate. A second call
    /// returns the same result at once.
    pub(crate) fn listen<E>(&self, emitter: &AsyncEmitter<E>, name: &'static str) -> Gate
    where
        E: ?Sized + Send + Sync + 'static,
    {
        let (gate, opened) = oneshot::channel();
        let log = self.log.clone();
        let result = futures::FutureExt::shared(opened);
        let listener = move |_| {
            log.add(format!("{name} starts"));
            let mut run = Run {
                log: log.clone(),
                name,
                has_ended: false,
            };
            let result = result.clone();
            async move {
                let result = result.await.expect("the test keeps its gates");
                run.end();
                result
            }
        };
        emitter.on_async(name, listener).detach();
        gate
    }
}

/// A call of a listener, which ends when this is dropped.
struct Run {
    log: Log,
    name: &'static str,
    has_ended: bool,
}

impl Run {
    fn end(&mut self) {
        self.has_ended = true;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let how = if self.has_ended { "ends" } else { "is stopped" };
        self.log.add(format!("{} {how}", self.name));
    }
}

/// Returns a monitor that logs its notices and checks that all belong to one emit.
pub(crate) fn notices<E: ?Sized>(log: &Log) -> impl Fn(&E, Notice<'_>) + use<E> {
    let (log, emits) = (log.clone(), Mutex::new(None));
    move |_, notice| {
        let (number, line) = match notice {
            Notice::Emitting { emit, listeners } => (emit, format!("emitting to {listeners}")),
            Notice::Delivering { emit, listener } => (emit, format!("to {}", listener.name)),
            Notice::Delivered { emit, listener } => (emit, format!("{} is done", listener.name)),
            Notice::Failed {
                emit,
                listener,
                error,
            } => (emit, format!("{} failed: {error}", listener.name)),
            Notice::Emitted {
                emit,
                delivered,
                failed,
            } => (emit, format!("emitted: {delivered} ran, {failed} failed")),
            _ => unreachable!("a notice these tests do not know"),
        };
        let known = *emits.lock().unwrap().get_or_insert(number);
        assert_eq!(number, known, "{line}");
        log.add(line);
    }
}
