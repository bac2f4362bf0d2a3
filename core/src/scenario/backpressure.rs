//! `backpressure`: a source faster than its destination.
//!
//! Between them is a queue with a high-water mark. A source that waits when the
//! queue is full keeps memory at the mark. A source that ignores it finishes
//! sooner, and the queue grows with the input.

mod checks;
mod destination;
mod names;
mod narrate;
mod recorded_queue;
mod source;
mod summary;

use super::{Context, Param, ParamUnit, Preset, Scenario, load};
use futures_util::{FutureExt, future::join};
use names::{BUFFER, DESTINATION, SOURCE};
use recorded_queue::RecordedQueue;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "backpressure",
    chapter: "streams",
    summary: "A source faster than its destination: it waits, or memory grows with the input",
    params: &[
        Param::choice(
            "heed",
            "Full-queue signal",
            "The source waits for the queue to drain, or ignores the signal.",
            &["wait", "ignore"],
        ),
        Param::choice(
            "overflow",
            "Overflow policy",
            "Makes the source wait, drops the oldest or newest chunk, keeps only the latest, or rejects it. No effect with ignore.",
            &["wait", "drop-oldest", "drop-newest", "latest", "fail"],
        ).only_with("heed", "wait"),
        Param::integer(
            "mark",
            "High-water mark",
            "The queue is full at this level. A waiting source resumes at half.",
            (ParamUnit::KiB, 1, 4_096, 256),
        ),
        Param::integer(
            "chunk",
            "Chunk",
            "The size of one write.",
            (ParamUnit::KiB, 1, 64, 64),
        ),
        Param::integer(
            "chunks",
            "Chunks",
            "Total number.",
            (ParamUnit::Count, 1, 2_000, 60),
        ),
        Param::integer(
            "read",
            "Source time per chunk",
            "Mean time to produce one.",
            (ParamUnit::Ms, 0, 1_000, 15),
        )
        .live(),
        Param::integer(
            "write",
            "Destination time per chunk",
            "Mean time to write one.",
            (ParamUnit::Ms, 0, 1_000, 45),
        )
        .live(),
        load::times("jittered"),
        load::CV,
        load::CAP,
        Param::choice(
            "inject",
            "Halfway",
            "The destination stalls for a second, the source produces twenty chunks at once, or the destination fails.",
            &["nothing", "stall", "burst", "error"],
        ),
    ],
    presets: &[
        Preset {
            title: "The destination sets the pace",
            set: &[],
        },
        Preset {
            title: "Signal ignored: memory grows with the input",
            set: &[("heed", "ignore")],
        },
        Preset {
            title: "The destination stalls",
            set: &[("inject", "stall"), ("write", "30")],
        },
        Preset {
            title: "A burst",
            set: &[("inject", "burst"), ("read", "40"), ("write", "30")],
        },
        Preset {
            title: "The oldest chunks are dropped",
            set: &[("overflow", "drop-oldest")],
        },
        Preset {
            title: "The queue rejects chunks",
            set: &[("overflow", "fail")],
        },
        Preset {
            title: "An error mid-stream",
            set: &[("inject", "error")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: narrate::narrate,
};

async fn run(context: Context) {
    // Registered in processing order.
    for name in [SOURCE, BUFFER, DESTINATION] {
        context.start_source(name);
    }
    let (sender, receiver) = RecordedQueue::open(&context);
    let reading = source::read_all(context.clone(), sender);
    let writing = destination::write_all(context, receiver);
    join(reading, writing).await;
}
