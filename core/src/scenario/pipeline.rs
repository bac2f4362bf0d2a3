//! `pipeline`: a file processed in stages, and the cleanup when one fails.
//!
//! In a pipeline, the first error stops every stage, and the partial output is
//! discarded. If the stages are connected by hand, the error is reported, but the files
//! stay open and the partial output is left behind.

mod checks;
mod file;
mod names;
mod narrate;
mod output;
mod steps;
mod summary;
mod with_pipe;
mod with_pipeline;

use super::{Context, Param, ParamUnit, Preset, Scenario, load};
use crate::trace::RecordKind;
use futures_util::FutureExt;
use names::{BUFFER, COMPRESS, PARSE, READ, TRANSFER, WRITE};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "pipeline",
    chapter: "streams",
    summary: "A file through stages: read, parse, compress, write; and the cleanup when one fails",
    params: &[
        Param::choice(
            "connect",
            "Stage connection",
            "As a pipeline that cleans up after a failure, or by hand (pipe), which leaves files open.",
            &["pipeline", "pipe"],
        ),
        Param::choice(
            "fail",
            "Failing stage",
            "The stage that fails halfway.",
            &["none", "read", "parse", "compress", "write"],
        ),
        Param::integer(
            "lines",
            "Lines",
            "Total number.",
            (ParamUnit::Count, 1, 50_000, 1_600),
        ),
        Param::integer(
            "chunk",
            "Chunk",
            "Size of one read. Lines may span chunks.",
            (ParamUnit::KiB, 1, 64, 1),
        ),
        Param::integer(
            "mark",
            "High-water mark",
            "Reading may run ahead of later stages by this much.",
            (ParamUnit::KiB, 1, 1_024, 8),
        ),
        Param::integer(
            "window",
            "Batches compressed at once",
            "Their order is preserved.",
            (ParamUnit::Count, 1, 16, 3),
        ),
        Param::integer(
            "read",
            "Time to read a chunk",
            "The mean.",
            (ParamUnit::Ms, 0, 1_000, 10),
        )
        .live(),
        Param::integer(
            "compress",
            "Time to compress a batch",
            "The mean. Batches run concurrently.",
            (ParamUnit::Ms, 0, 1_000, 60),
        )
        .live(),
        Param::integer(
            "write",
            "Time to write a batch",
            "The mean.",
            (ParamUnit::Ms, 0, 1_000, 15),
        )
        .live(),
        load::times("jittered"),
        load::CV,
        load::CAP,
    ],
    presets: &[
        Preset {
            title: "From a file to a file, stage by stage",
            set: &[],
        },
        Preset {
            title: "The destination fails: the pipeline cleans up",
            set: &[("fail", "write")],
        },
        Preset {
            title: "The same, connected by hand",
            set: &[("fail", "write"), ("connect", "pipe")],
        },
        Preset {
            title: "A slow destination: every stage waits for it",
            set: &[("write", "80"), ("lines", "800")],
        },
        Preset {
            title: "A malformed line",
            set: &[("fail", "parse")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: narrate::narrate,
};

async fn run(context: Context) {
    let trace = &context.trace;
    // Registered in processing order.
    for name in [READ, BUFFER, PARSE, COMPRESS, WRITE] {
        context.start_source(name);
    }
    let transfer = trace.begin(RecordKind::Request, trace.name(TRANSFER), 0);
    let left_open = if context.params.choice("connect") == "pipe" {
        let (result, left) = with_pipe::run(&context).await;
        conclude(transfer, result);
        Some(left)
    } else {
        conclude(transfer, with_pipeline::run(&context).await);
        None
    };
    // Files left open are closed only here, as if the program exited.
    drop(left_open);
}

fn conclude(transfer: crate::trace::Span, result: Result<(), String>) {
    match result {
        Ok(()) => transfer.succeed(),
        Err(cause) => transfer.fail(&cause),
    }
}
