//! `backpressure`: a source that is quicker than its destination.
//!
//! Between them is a queue with a high-water mark. A source that heeds the
//! queue's answer waits, and memory stays at the mark; one that ignores it is
//! done sooner with its own part, and the queue grows with the input.

mod checks;
mod destination;
mod narrate;
mod recorded_queue;
mod source;
mod summary;

use super::{Context, Param, ParamUnit, Preset, Scenario};
use futures::{FutureExt, future::join};
use recorded_queue::RecordedQueue;

/// The names in the trace. Pictures and checks find who they mean by them.
const SOURCE: &str = "Source";
const BUFFER: &str = "Buffer";
const DESTINATION: &str = "Destination";

pub(super) static SCENARIO: Scenario = Scenario {
    name: "backpressure",
    chapter: "streams",
    summary: "A source quicker than its destination: it waits, or memory grows with the input",
    params: &[
        Param::choice(
            "heed",
            "A full queue's answer",
            "The source waits for it to drain, or ignores it and goes on writing.",
            &["wait", "ignore"],
        ),
        Param::choice(
            "overflow",
            "A full queue",
            "Makes the source wait, drops the oldest or the newest chunk, keeps only the latest, or refuses it. No effect if ignored.",
            &["wait", "drop-oldest", "drop-newest", "latest", "fail"],
        ),
        Param::integer(
            "mark",
            "High-water mark",
            "From here on the queue is full. A source that waits goes on at half of it.",
            (ParamUnit::KiB, 1, 4_096, 256),
        ),
        Param::integer(
            "chunk",
            "Chunk",
            "How much is written at a time.",
            (ParamUnit::KiB, 1, 64, 64),
        ),
        Param::integer(
            "chunks",
            "Chunks",
            "How many there are.",
            (ParamUnit::Count, 1, 2_000, 60),
        ),
        Param::integer(
            "read",
            "Source's time for a chunk",
            "How long it takes to come up with one, give or take a fifth.",
            (ParamUnit::Ms, 0, 1_000, 15),
        )
        .live(),
        Param::integer(
            "write",
            "Destination's time for a chunk",
            "How long it takes to be done with one, give or take a fifth.",
            (ParamUnit::Ms, 0, 1_000, 45),
        )
        .live(),
        Param::choice(
            "inject",
            "Half way through",
            "The destination stalls for a second, the source has twenty chunks at once, or the destination fails.",
            &["nothing", "stall", "burst", "error"],
        ),
    ],
    presets: &[
        Preset {
            title: "The slow end sets the pace",
            set: &[],
        },
        Preset {
            title: "The answer ignored: memory grows with the input",
            set: &[("heed", "ignore")],
        },
        Preset {
            title: "A destination that stalls",
            set: &[("inject", "stall"), ("write", "30")],
        },
        Preset {
            title: "A burst",
            set: &[("inject", "burst"), ("read", "40"), ("write", "30")],
        },
        Preset {
            title: "Readings: the oldest make room",
            set: &[("overflow", "drop-oldest")],
        },
        Preset {
            title: "A full queue that refuses",
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
    // In the order in which chunks go through them.
    for name in [SOURCE, BUFFER, DESTINATION] {
        let id = context.trace.name(name);
        context
            .trace
            .instant(crate::trace::RecordKind::Start, id, 0);
    }
    let (sender, receiver) = RecordedQueue::open(&context);
    let reading = source::read_all(context.clone(), sender);
    let writing = destination::write_all(context, receiver);
    join(reading, writing).await;
}
