//! Channels with one writer, one reader and a capacity of 1024.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use highwater::stream::{Bound, Overflow, channel_with_clock};

use super::super::queue::{CAPACITY, Setting, time};
use super::super::rounds::HIGHWATER;

/// Measures a channel. Returns million items per second.
type Time = fn(Setting) -> f64;

pub(super) const SETTINGS: [Setting; 2] = [Setting::OneThread, Setting::TwoThreads];

pub(super) const ALL: [(&str, Time); 5] = [
    (HIGHWATER, highwater),
    ("async-channel", async_channel),
    ("flume", flume),
    ("kanal", kanal),
    ("tokio mpsc", tokio),
];

/// Measures Highwater's channel, bounded by bytes and with a clock.
fn highwater(setting: Setting) -> f64 {
    let bound = Bound::bytes(CAPACITY * size_of::<u64>()).expect("the bound is positive");
    let start = Instant::now();
    let clock = Arc::new(move || start.elapsed());
    let (sender, mut receiver) = channel_with_clock(bound, Overflow::Wait, clock);
    let send = async move |item: u64| sender.send(item).await.expect("the receiver is open");
    let receive = async move || receiver.next().await?.ok();
    time(setting, send, receive)
}

fn async_channel(setting: Setting) -> f64 {
    let (sender, receiver) = async_channel::bounded(CAPACITY);
    let send = async move |item| sender.send(item).await.expect("the receiver is open");
    time(setting, send, async move || receiver.recv().await.ok())
}

fn flume(setting: Setting) -> f64 {
    let (sender, receiver) = flume::bounded(CAPACITY);
    let send = async move |item| sender.send_async(item).await.expect("the receiver is open");
    time(setting, send, async move || {
        receiver.recv_async().await.ok()
    })
}

fn kanal(setting: Setting) -> f64 {
    let (sender, receiver) = kanal::bounded_async(CAPACITY);
    let send = async move |item| sender.send(item).await.expect("the receiver is open");
    time(setting, send, async move || receiver.recv().await.ok())
}

fn tokio(setting: Setting) -> f64 {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(CAPACITY);
    let send = async move |item| sender.send(item).await.expect("the receiver is open");
    time(setting, send, async move || receiver.recv().await)
}
