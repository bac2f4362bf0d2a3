//! Inboxes and channels with one writer, one reader and a capacity of 1024.

use std::thread;

use futures::StreamExt as _;
use highwater::events::{Emitter, Inbox, Overflow};

use super::super::queue::{CAPACITY, Setting, time};

pub(super) const SETTINGS: [Setting; 3] = [
    Setting::OneThread,
    Setting::TwoThreads,
    Setting::TwoThreadsRetrying,
];

/// Returns the throughput in million events per second.
pub(super) fn highwater(setting: Setting) -> f64 {
    let emitter: Emitter<u64> = Emitter::new();
    let inbox = emitter.inbox("reader", CAPACITY, Overflow::Wait);
    let mut inbox: Inbox<u64> = inbox.expect("the capacity is positive");
    let send = async move |event| {
        if setting == Setting::TwoThreadsRetrying {
            while emitter.emit(&event).is_err() {
                thread::yield_now();
            }
        } else {
            emitter.emit_serial(event).await.expect("the inbox is open");
        }
    };
    time(setting, send, async move || inbox.next().await)
}

/// Returns the throughput in million messages per second.
pub(super) fn async_channel(setting: Setting) -> f64 {
    let (sender, receiver) = async_channel::bounded(CAPACITY);
    let send = async move |event| {
        if setting == Setting::TwoThreadsRetrying {
            while sender.try_send(event).is_err() {
                thread::yield_now();
            }
        } else {
            sender.send(event).await.expect("the receiver is open");
        }
    };
    time(setting, send, async move || receiver.recv().await.ok())
}
