//! One writer, one reader, 1024 places.

use std::thread;
use std::time::Instant;

use futures::executor::block_on;
use futures::{StreamExt as _, join};
use highwater::events::{Emitter, Inbox, Overflow};

const CAPACITY: usize = 1024;
const EVENTS: u64 = 500_000;

/// Who writes and reads, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// Two tasks on one thread; a writer without room waits.
    OneThread,
    /// A thread each; a writer without room waits.
    TwoThreads,
    /// A thread each; a writer without room tries again.
    TwoThreadsTrying,
}

impl Setting {
    pub(super) const ALL: [Self; 3] = [Self::OneThread, Self::TwoThreads, Self::TwoThreadsTrying];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OneThread => "one thread, awaited",
            Self::TwoThreads => "two threads, awaited",
            Self::TwoThreadsTrying => "two threads, tried",
        }
    }
}

/// Million events a second.
pub(super) fn highwater(setting: Setting) -> f64 {
    let emitter: Emitter<u64> = Emitter::new();
    let inbox = emitter.inbox("reader", CAPACITY, Overflow::Wait);
    let mut inbox: Inbox<u64> = inbox.expect("a capacity");
    let read = async move {
        let mut sum = 0;
        while let Some(event) = inbox.next().await {
            sum += event;
        }
        sum
    };
    let write = async move {
        for event in 0..EVENTS {
            if setting == Setting::TwoThreadsTrying {
                while emitter.emit(&event).is_err() {
                    thread::yield_now();
                }
            } else {
                emitter.emit_serial(event).await.expect("there is room");
            }
        }
    };
    time(setting, write, read)
}

/// Million messages a second.
pub(super) fn async_channel(setting: Setting) -> f64 {
    let (sender, receiver) = async_channel::bounded(CAPACITY);
    let read = async move {
        let mut sum = 0;
        while let Ok(event) = receiver.recv().await {
            sum += event;
        }
        sum
    };
    let write = async move {
        for event in 0..EVENTS {
            if setting == Setting::TwoThreadsTrying {
                while sender.try_send(event).is_err() {
                    thread::yield_now();
                }
            } else {
                sender.send(event).await.expect("a reader");
            }
        }
    };
    time(setting, write, read)
}

fn time(
    setting: Setting,
    write: impl Future<Output = ()> + Send + 'static,
    read: impl Future<Output = u64>,
) -> f64 {
    let start = Instant::now();
    let sum = if setting == Setting::OneThread {
        block_on(async { join!(write, read).1 })
    } else {
        let writer = thread::spawn(move || block_on(write));
        let sum = block_on(read);
        writer.join().expect("the writer does not panic");
        sum
    };
    let elapsed = start.elapsed();
    assert_eq!(sum, EVENTS * (EVENTS - 1) / 2, "everything arrived");
    EVENTS as f64 / elapsed.as_secs_f64() / 1e6
}
