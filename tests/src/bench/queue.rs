//! Throughput of queues with one writer and one reader.

use std::fmt;
use std::thread;
use std::time::Instant;

use futures::executor::block_on;
use futures::join;
use serde_json::{Value, json};

use super::rounds::BestResults;

/// The capacity of the queues.
pub(super) const CAPACITY: usize = 1024;
const ITEM_COUNT: u64 = 500_000;

/// The threading of a measurement and the waiting strategy of its writer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// Two tasks on one thread. The writer waits for room.
    OneThread,
    /// One thread each. The writer waits for room.
    TwoThreads,
    /// One thread each. The writer retries until there is room.
    TwoThreadsRetrying,
}

impl Setting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OneThread => "one thread, awaited",
            Self::TwoThreads => "two threads, awaited",
            Self::TwoThreadsRetrying => "two threads, retried",
        }
    }
}

/// Million items per second, by queue and setting.
pub(super) struct Rates(BestResults<(&'static str, Setting)>);

impl Rates {
    pub(super) fn new() -> Self {
        Rates(BestResults::highest())
    }

    pub(super) fn add(&mut self, contestant: &'static str, setting: Setting, millions: f64) {
        self.0.add((contestant, setting), millions);
    }

    pub(super) fn ratio(
        &self,
        numerator: &'static str,
        denominator: &'static str,
        setting: Setting,
    ) -> Option<f64> {
        self.0.ratio(&(numerator, setting), &(denominator, setting))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().next().is_none()
    }

    /// Returns the results as JSON, with the rate under the key `rate`.
    pub(super) fn json(&self, rate: &str) -> Value {
        let all = self.0.iter().map(|(key, millions)| {
            json!({
                "contestant": key.0,
                "setting": key.1.name(),
                rate: millions,
                "spread_percent": self.0.spread(key),
            })
        });
        all.collect()
    }
}

/// Prints table rows; the first two columns are 20 and 13 characters wide.
impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, millions) in self.0.iter() {
            let (contestant, setting) = (key.0, key.1.name());
            let spread = self.0.spread(key).unwrap_or_default();
            writeln!(
                f,
                "{setting:<20}  {contestant:<13}  {millions:>10.1}  {spread:>6.0} %"
            )?;
        }
        Ok(())
    }
}

/// Returns the throughput in million items per second. The writer drops `send` after
/// the last item, and `receive` must then return `None`.
pub(super) fn time(
    setting: Setting,
    send: impl AsyncFn(u64) + Send + 'static,
    mut receive: impl AsyncFnMut() -> Option<u64>,
) -> f64 {
    let read = async move {
        let mut sum = 0;
        while let Some(item) = receive().await {
            sum += item;
        }
        sum
    };
    let start = Instant::now();
    let sum = if setting == Setting::OneThread {
        block_on(async { join!(write(send), read).1 })
    } else {
        let writer = thread::spawn(move || block_on(write(send)));
        let sum = block_on(read);
        writer.join().expect("the writer panicked");
        sum
    };
    let elapsed = start.elapsed();
    assert_eq!(
        sum,
        ITEM_COUNT * (ITEM_COUNT - 1) / 2,
        "items were lost or duplicated"
    );
    ITEM_COUNT as f64 / elapsed.as_secs_f64() / 1e6
}

async fn write(send: impl AsyncFn(u64)) {
    for item in 0..ITEM_COUNT {
        send(item).await;
    }
}
