//! The stages connected as a pipeline.

use super::{
    file::InputFile,
    names::{BUFFER, COMPRESS, PARSE, READ, WRITE},
    output::{self, OutputSink},
    steps::{BATCH_SIZE, Compressor, LineBatch, Parser},
};
use crate::{
    scenario::Context,
    stream::{Bound, Pipeline, PipelineError, PipelineMonitor},
    trace::{NameId, RecordKind, Recorder},
};
use futures_util::StreamExt;
use std::{
    cell::{Cell, OnceCell},
    error::Error,
    rc::Rc,
};

/// Runs the stages. An error names the stage that failed.
pub(super) async fn run(context: &Context) -> Result<(), String> {
    let (params, trace) = (&context.params, &context.trace);
    let recorder = FlowRecorder::new(trace);
    let high_water_mark = params.kibibytes("mark");
    let mark = Bound::bytes(high_water_mark).expect("the parameter's minimum is 1");
    trace.instant(RecordKind::Mark, recorder.buffer, high_water_mark as u64);

    let [read, parse, compress] = [READ, PARSE, COMPRESS].map(|name| trace.name(name));
    let (parser, compressor) = (Parser::new(context), Compressor::new(context));
    let window = params.integer("window");
    let file = InputFile::open(context).into_stream().inspect({
        let (recorder, chunks) = (recorder.clone(), Sequence::default());
        move |chunk| {
            if let Ok(chunk) = chunk {
                recorder.record_write(read, recorder.buffer, chunks.next(), chunk.len());
            }
        }
    });
    let record_chunk = {
        let (recorder, chunks) = (recorder.clone(), Sequence::default());
        move |chunk: Vec<u8>| {
            recorder.record_write(recorder.buffer, parse, chunks.next(), 0);
            chunk
        }
    };
    let number_batch = {
        let (recorder, batches) = (recorder.clone(), Sequence::default());
        move |lines: Vec<u64>| {
            let number = batches.next();
            recorder.record_write(parse, compress, number, 0);
            (number, lines)
        }
    };
    let run = Pipeline::from_try_stream(READ, file)
        .buffer(BUFFER, mark)
        .map(BUFFER, record_chunk)
        .lines("Lines", LONGEST_LINE)
        .try_map(PARSE, move |line| parser.parse(&line))
        .batch("Batch", BATCH_SIZE)
        .map("Batch", number_batch)
        .parallel_map(
            COMPRESS,
            usize::try_from(window).unwrap_or(1),
            move |batch: LineBatch| compressor.clone().compress(batch),
        )
        .into_sink(WRITE, OutputSink::open(context));
    let _first_and_only = recorder.monitor.set(run.monitor());
    let discarded = trace.clone();
    let run = run.on_abort(move || output::discard(&discarded));
    match run.await {
        Ok(_report) => {
            output::commit(trace);
            Ok(())
        }
        Err(error) => Err(format_error(&error)),
    }
}

const LONGEST_LINE: usize = 256;

/// Formats the failed stage and its cause.
fn format_error(error: &PipelineError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Records the flow between stages and the buffer level.
#[derive(Clone)]
struct FlowRecorder {
    trace: Recorder,
    buffer: NameId,
    /// The run's monitor, set once it has started.
    monitor: Rc<OnceCell<PipelineMonitor>>,
    level: Rc<Cell<u64>>,
}

impl FlowRecorder {
    fn new(trace: &Recorder) -> Self {
        FlowRecorder {
            trace: trace.clone(),
            buffer: trace.name(BUFFER),
            monitor: Rc::default(),
            level: Rc::default(),
        }
    }

    /// Records a write. `arriving` is the number of bytes about to enter the buffer.
    fn record_write(&self, from: NameId, to: NameId, number: u64, arriving: usize) {
        self.trace.send(RecordKind::Write, from, to, number);
        let report = self.monitor.get().map(PipelineMonitor::report);
        let Some(buffer) = report.as_ref().and_then(|report| report.stage(BUFFER)) else {
            return;
        };
        let level = buffer.input.weight - buffer.output.weight + arriving as u64;
        if self.level.replace(level) != level {
            self.trace.instant(RecordKind::Level, self.buffer, level);
        }
    }
}

/// Counts from 1.
#[derive(Default)]
struct Sequence(Cell<u64>);

impl Sequence {
    fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}
