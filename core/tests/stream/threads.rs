//! Channels and pipelines on multiple threads.

#![expect(clippy::disallowed_methods, reason = "the tests cover threads")]

use futures::{StreamExt, TryStreamExt, channel::oneshot, executor::block_on, stream};
use highwater::stream::{Bound, Overflow, Pipeline, channel};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

#[test]
fn items_of_each_thread_stay_in_order() {
    const ITEMS_PER_THREAD: u32 = 20_000;
    let bound = Bound::weight(64, |_: &(u32, u32)| 3).unwrap();
    let (sender, mut receiver) = channel(bound, Overflow::Wait);
    let threads: Vec<_> = (0..3)
        .map(|thread_index| {
            let sender = sender.clone();
            thread::spawn(move || {
                for item in 0..ITEMS_PER_THREAD {
                    block_on(sender.send((thread_index, item))).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let mut next = [0; 3];
    while let Some(item) = block_on(receiver.next()) {
        let (thread_index, item) = item.unwrap();
        assert_eq!(next[thread_index as usize], item);
        next[thread_index as usize] += 1;
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(next, [ITEMS_PER_THREAD; 3]);
    assert!(receiver.stats().peak <= 64 + 3);
}

#[test]
fn parallel_map_keeps_order_and_window() {
    let running = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = channel(Bound::items(100).unwrap(), Overflow::Wait);
    let run = {
        let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
        Pipeline::from_stream("numbers", stream::iter(0..100_u32))
            .parallel_map("work", 4, move |n| {
                let running = Arc::clone(&running);
                peak.fetch_max(
                    running.fetch_add(1, Ordering::Relaxed) + 1,
                    Ordering::Relaxed,
                );
                let (done, job) = oneshot::channel();
                // Later items finish sooner.
                thread::spawn(move || {
                    for _ in 0..(100 - n) * 10 {
                        thread::yield_now();
                    }
                    running.fetch_sub(1, Ordering::Relaxed);
                    done.send(n * 2)
                });
                job
            })
            .into_sink("channel", sender.into_sink())
    };
    block_on(run).unwrap();
    let doubled: Vec<u32> = block_on(receiver.try_collect()).unwrap();
    assert!(doubled.into_iter().eq((0..100).map(|n| n * 2)));
    assert!(peak.load(Ordering::Relaxed) <= 4);
}

#[test]
fn busy_run_can_be_cancelled_from_another_thread() {
    let (sender, mut receiver) = channel(Bound::items(1).unwrap(), Overflow::Wait);
    let run = Pipeline::from_stream("endless", stream::repeat(1_u32))
        .filter_map("nothing", |_| None::<u32>)
        .into_sink("channel", sender.into_sink());
    let cancel = run.cancel_handle();
    let monitor = run.monitor();
    let abort_count = Arc::new(AtomicUsize::new(0));
    let abort_counter = Arc::clone(&abort_count);
    let run = run.on_abort(move || {
        abort_counter.fetch_add(1, Ordering::Relaxed);
    });
    let running = thread::spawn(move || block_on(run));
    while monitor.report().stages[0].output.items < 1000 {
        thread::yield_now();
    }
    assert!(!cancel.is_cancelled());
    cancel.cancel();
    let error = running.join().unwrap().unwrap_err();
    assert!(error.is_cancelled() && cancel.is_cancelled());
    assert_eq!(
        (error.stage(), error.to_string().as_str()),
        (None, "the run was cancelled")
    );
    let end = block_on(receiver.next()).unwrap();
    assert!(
        end.unwrap_err().is_failed(),
        "the destination channel fails"
    );
    assert_eq!(abort_count.load(Ordering::Relaxed), 1);
}
