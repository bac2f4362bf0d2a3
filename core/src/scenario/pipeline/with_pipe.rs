//! The stages connected by hand, like `pipe` without error handling. A failure is
//! reported, but the other stages' files stay open.

use super::{
    file::InputFile,
    names::{BUFFER, COMPRESS, PARSE, READ, WRITE},
    output::{self, OutputFile},
    steps::{BATCH_SIZE, Compressor, Parser},
};
use crate::{
    scenario::Context,
    trace::{NameId, RecordKind},
};

/// The files that were not closed.
pub(super) struct OpenFiles {
    _file: InputFile,
    _output: OutputFile,
}

/// Runs the stages. Returns the result and the files still open.
pub(super) async fn run(context: &Context) -> (Result<(), String>, OpenFiles) {
    let (mut file, mut output) = (InputFile::open(context), OutputFile::open(context));
    let result = copy(context, &mut file, &mut output).await;
    if result.is_ok() {
        output.close();
        output::commit(&context.trace);
    }
    let open_files = OpenFiles {
        _file: file,
        _output: output,
    };
    (result, open_files)
}

async fn copy(
    context: &Context,
    file: &mut InputFile,
    output: &mut OutputFile,
) -> Result<(), String> {
    let mut stages = ManualStages {
        context,
        parser: Parser::new(context),
        compressor: Compressor::new(context),
        output,
        batches: 0,
    };
    let [read, buffer, parse] = [READ, BUFFER, PARSE].map(|name| context.trace.name(name));
    let (mut line, mut lines) = (Vec::new(), Vec::new());
    let mut chunks = 0;
    while let Some(chunk) = file
        .read()
        .await
        .map_err(|error| stage_error(READ, &error))?
    {
        chunks += 1;
        context.trace.send(RecordKind::Write, read, buffer, chunks);
        context.trace.send(RecordKind::Write, buffer, parse, chunks);
        for byte in chunk {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            let number = stages.parser.parse(&line);
            lines.push(number.map_err(|error| stage_error(PARSE, &error))?);
            line.clear();
            if lines.len() == BATCH_SIZE {
                stages.finish(std::mem::take(&mut lines), parse).await?;
            }
        }
    }
    if !lines.is_empty() {
        stages.finish(lines, parse).await?;
    }
    Ok(())
}

struct ManualStages<'a> {
    context: &'a Context,
    parser: Parser,
    compressor: Compressor,
    output: &'a mut OutputFile,
    batches: u64,
}

impl ManualStages<'_> {
    async fn finish(&mut self, lines: Vec<u64>, parse: NameId) -> Result<(), String> {
        self.batches += 1;
        let number = self.batches;
        let trace = &self.context.trace;
        let [compress, write] = [COMPRESS, WRITE].map(|name| trace.name(name));
        trace.send(RecordKind::Write, parse, compress, number);
        let compressing = self.compressor.clone().compress((number, lines));
        let batch = compressing
            .await
            .map_err(|error| stage_error(COMPRESS, &error))?;
        trace.send(RecordKind::Write, compress, write, number);
        let written = self.output.write(&batch).await;
        written.map_err(|error| stage_error(WRITE, &error))
    }
}

fn stage_error(stage: &str, error: &std::io::Error) -> String {
    format!("{stage} failed: {error}")
}
