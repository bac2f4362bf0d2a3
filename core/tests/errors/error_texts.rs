//! Tests of the texts of all error types of the crate.

use futures::{StreamExt, executor::block_on};
use highwater::{
    BoxError, Overflow,
    error::{
        AppError, Breaker, CorrelationId, FailedAttempt, Handler, IdGenerator, Incident,
        RetryPolicy,
    },
    events::{Emitter, Failure, InboxFull, ZeroCapacity},
    scale::{Cancellation, Pool, PoolOptions, QueueFull, Rejected, WorkError},
    stream::{
        Bound, InvalidBound, LineTooLong, Pipeline, PipelineError, SendError, StreamError,
        TryRecvError, Unfinished, channel,
    },
    trace::MalformedBatch,
};
use std::{
    collections::BTreeSet,
    error::Error,
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The text of the cause in these tests.
const CAUSE: &str = "the disk is full";
/// The text of the root cause.
const ROOT: &str = "quota of 5 GiB";

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct DiskFull(#[source] Quota);

#[derive(Debug, thiserror::Error)]
#[error("quota of 5 GiB")]
struct Quota;

fn cause() -> BoxError {
    Box::new(DiskFull(Quota))
}

/// Returns errors that wrap a cause, with the names of their types.
fn wrapping_errors() -> Vec<(&'static str, BoxError)> {
    let mut all: Vec<(&str, BoxError)> = Vec::new();
    for (index, error) in causes().into_iter().enumerate() {
        let emit = emit_error(vec![error]);
        match index % 2 {
            0 => all.push(("Failure", Box::new(emit.into_failures().remove(0)))),
            _ => all.push(("EmitError", Box::new(emit))),
        }
    }
    for error in causes() {
        all.push(("EmitError", Box::new(emit_error(vec![error]))));
    }
    for error in causes() {
        let two_failures = emit_error(vec![error, "no route".into()]);
        assert_eq!(
            two_failures.to_string().matches("no route").count(),
            1,
            "{two_failures}"
        );
        all.push(("EmitError", Box::new(two_failures)));
    }
    for error in causes() {
        all.push(("Failure", Box::new(Failure::new("upload", error))));
    }
    let raised_error = Emitter::<u8>::new().raise(Failure::new("upload", cause()));
    all.push(("EmitError", Box::new(raised_error.unwrap_err())));
    for error in causes() {
        all.push(("StreamError", Box::new(StreamError::Failed(error))));
    }
    for error in causes() {
        let failed = pipeline_error(move || error);
        all.push(("PipelineError", Box::new(failed)));
    }
    for error in causes() {
        all.push((
            "AppError",
            Box::new(AppError::failure("writing").with_source(error)),
        ));
    }
    // Nested errors: an emit inside a listener, and a pipeline inside a stage.
    let nested = emit_error(vec![Box::new(emit_error(vec![cause()]))]);
    all.push(("EmitError", Box::new(nested)));
    let nested = emit_error(vec![Box::new(AppError::from(emit_error(vec![cause()])))]);
    all.push(("EmitError", Box::new(nested)));
    let emit = AppError::from(emit_error(vec![cause()]));
    let nested = pipeline_error(move || Box::new(emit));
    all.push(("PipelineError", Box::new(nested)));
    all
}

/// Returns the same cause in every form that a listener or stage can return.
fn causes() -> Vec<BoxError> {
    vec![
        cause(),
        Box::new(io::Error::other(DiskFull(Quota))),
        Box::new(AppError::failure("saving").with_source(DiskFull(Quota))),
        Box::new(AppError::from_boxed(cause())),
        Box::new(AppError::from(io::Error::other(DiskFull(Quota)))),
        Box::new(AppError::failure(CAUSE).with_source(Quota)),
    ]
}

fn emit_error(errors: Vec<BoxError>) -> highwater::events::EmitError {
    let emitter: Emitter<u8> = Emitter::new();
    for error in errors {
        let error = Mutex::new(Some(error));
        let fail = move |_: &u8| Err(error.lock().unwrap().take().unwrap());
        emitter.on("disk", fail).detach();
    }
    emitter.emit(&1).unwrap_err()
}

fn pipeline_error(error: impl FnOnce() -> BoxError + 'static) -> PipelineError {
    let items = futures::stream::once(async move { Err::<Vec<u8>, _>(error()) });
    let pipeline = Pipeline::from_try_stream("upload", Box::pin(items));
    block_on(pipeline.into_writer("sink", futures::io::sink())).unwrap_err()
}

/// Returns errors without a cause of another type, with the names of their types.
fn leaf_errors() -> Vec<(&'static str, BoxError)> {
    let breaker = Breaker::new("stock").failure_threshold(1);
    breaker.record_failure(breaker.admit(Duration::ZERO).unwrap(), Duration::ZERO);
    let open = breaker.admit(Duration::ZERO).unwrap_err();
    let timeout = AppError::timeout("reading the stock");
    let failed = FailedAttempt {
        error: &timeout,
        is_idempotent: false,
        attempt: 1,
    };
    let give_up = RetryPolicy::new().decide(failed, Duration::ZERO, || 0);
    let (sink, mut receiver) = channel::<u8>(Bound::items(1).unwrap(), Overflow::Wait);
    drop(sink.into_sink());
    let unfinished_error = block_on(receiver.next()).unwrap().unwrap_err();
    let (sink, receiver) = channel::<u8>(Bound::items(1).unwrap(), Overflow::Wait);
    drop(sink.into_sink());
    let bytes = receiver.map(|item| item.map(|byte| vec![byte]));
    let unfinished_pipeline = Pipeline::from_try_stream("upload", bytes);
    let unfinished_pipeline =
        block_on(unfinished_pipeline.into_writer("sink", futures::io::sink())).unwrap_err();
    let retry_after = Duration::from_secs(1);
    vec![
        ("BreakerOpen", Box::new(open)),
        ("GiveUp", Box::new(give_up.unwrap_err())),
        (
            "InvalidId",
            Box::new("no id".parse::<CorrelationId>().unwrap_err()),
        ),
        ("Rejected", Box::new(rejected())),
        ("QueueFull", Box::new(QueueFull { retry_after })),
        ("WorkError", Box::new(WorkError::Lost)),
        (
            "WorkError",
            Box::new(WorkError::Panicked {
                message: CAUSE.into(),
            }),
        ),
        ("InboxFull", Box::new(InboxFull { capacity: 1 })),
        ("ZeroCapacity", Box::new(ZeroCapacity)),
        ("SendError", Box::new(SendError::Full(()))),
        ("TryRecvError", Box::new(TryRecvError::Empty)),
        ("StreamError", Box::new(StreamError::Aborted)),
        ("StreamError", Box::new(unfinished_error)),
        ("Unfinished", Box::new(Unfinished)),
        ("PipelineError", Box::new(PipelineError::Cancelled)),
        ("PipelineError", Box::new(unfinished_pipeline)),
        ("InvalidBound", Box::new(InvalidBound::Zero)),
        ("LineTooLong", Box::new(LineTooLong { max_len: 9 })),
        ("MalformedBatch", Box::new(MalformedBatch)),
    ]
}

fn rejected() -> Rejected<fn(&Cancellation)> {
    let accepted_work = Mutex::new(Vec::new());
    let pool = Pool::new(PoolOptions::new(1).waiting(0), move |work| {
        accepted_work.lock().unwrap().push(work);
    });
    let work: fn(&Cancellation) = |_| ();
    let _running = pool.try_run(work).unwrap();
    pool.try_run(work).unwrap_err()
}

/// Returns all texts of an error: its `source` chain, `{:#}` of the `AppError`, the
/// log line, and its own `{:#}`.
fn texts(error: BoxError) -> Vec<String> {
    let mut source_walk = error.to_string();
    let mut next = error.source();
    while let Some(link) = next {
        source_walk = format!("{source_walk}: {link}");
        next = link.source();
    }
    let alternate = format!("{error:#}");
    let error = AppError::from_boxed(error);
    let line: Arc<Mutex<String>> = Arc::default();
    let handler = Handler::new().log_to({
        let line = Arc::clone(&line);
        move |_, text| text.clone_into(&mut line.lock().unwrap())
    });
    let incident = Incident::new(IdGenerator::new(7).generate(), "PUT /file");
    let _decision = handler.handle(&error, &incident);
    let line = line.lock().unwrap().clone();
    vec![source_walk, format!("{error:#}"), line, alternate]
}

#[test]
fn each_cause_is_printed_once() {
    for (name, error) in wrapping_errors() {
        let debug = format!("{error:?}");
        let [source_walk, app_error_text, line, alternate] = &texts(error)[..] else {
            panic!("expected four texts")
        };
        // In a `source` chain, an `AppError` shows its public message instead of its
        // own text.
        let source_texts = if debug.contains("AppError") {
            vec![]
        } else {
            vec![source_walk]
        };
        for text in source_texts.into_iter().chain([app_error_text, line]) {
            for cause in [CAUSE, ROOT] {
                assert_eq!(
                    text.matches(cause).count(),
                    1,
                    "{name}: occurrences of {cause:?} in {text}"
                );
            }
        }
        for text in [source_walk, alternate] {
            for cause in [CAUSE, ROOT] {
                assert!(
                    text.matches(cause).count() <= 1,
                    "{name}: occurrences of {cause:?} in {text}"
                );
            }
        }
    }
}

#[test]
fn no_error_repeats_a_source_in_its_own_text() {
    for (name, error) in leaf_errors().into_iter().chain(wrapping_errors()) {
        let mut link: &(dyn Error + 'static) = &*error;
        while let Some(source) = link.source() {
            let (own, cause) = (link.to_string(), source.to_string());
            // Several `AppError`s may have the same public message.
            let is_public = link.is::<AppError>();
            assert!(
                is_public || !own.contains(&cause),
                "{name}: {own:?} repeats its source {cause:?}"
            );
            link = source;
        }
    }
    for (name, error) in leaf_errors() {
        let own = error.to_string();
        for text in &texts(error)[..2] {
            assert_eq!(
                text.matches(&own).count(),
                1,
                "{name}: occurrences of {own:?} in {text}"
            );
        }
    }
}

/// Checks that these tests cover every error type of the library.
#[test]
fn every_error_type_is_covered() {
    let mut error_types = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // The errors of the playground are internal.
    let skipped_directories = [source.join("scenario"), source.join("platform")];
    let mut directories = vec![source];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !skipped_directories.contains(&path) {
                    directories.push(path);
                }
            } else {
                collect_error_types(&fs::read_to_string(path).unwrap(), &mut error_types);
            }
        }
    }
    let covered = leaf_errors().into_iter().chain(wrapping_errors());
    let covered: BTreeSet<_> = covered.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(error_types, covered);
}

/// Collects the names of types that implement `Error`, by a derive or an `impl`.
fn collect_error_types(source: &str, error_types: &mut BTreeSet<String>) {
    let mut is_derived = false;
    for line in source.lines() {
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        let type_name = |text: &str| {
            let end = text
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(text.len());
            text[..end].to_owned()
        };
        is_derived |= line.starts_with("#[derive(") && line.contains("thiserror::Error");
        let rest = ["pub struct ", "pub enum "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if let (true, Some(rest)) = (is_derived, rest) {
            error_types.insert(type_name(rest));
            is_derived = false;
        }
        if let (true, Some((_, rest))) = (line.starts_with("impl"), line.split_once("Error for ")) {
            error_types.insert(type_name(rest));
        }
    }
}
