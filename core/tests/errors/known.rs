//! Tests of conversions from system errors and from errors of other modules.

use futures::{StreamExt, executor::block_on};
use highwater::{
    Overflow,
    error::{AppError, BreakerOpen, Classify, ErrorKind},
    events::{Emitter, Failure, InboxFull, ZeroCapacity},
    stream::{
        Bound, InvalidBound, LineTooLong, Pipeline, SendError, StreamError, Unfinished, channel,
    },
};
use std::{error::Error, io, time::Duration};

#[test]
fn io_errors_are_server_errors() {
    for (error, kind) in [
        (io::ErrorKind::TimedOut, ErrorKind::Timeout),
        (io::ErrorKind::WouldBlock, ErrorKind::Timeout),
        (io::ErrorKind::ConnectionRefused, ErrorKind::Unavailable),
        (io::ErrorKind::BrokenPipe, ErrorKind::Unavailable),
        (io::ErrorKind::Interrupted, ErrorKind::Unavailable),
        (io::ErrorKind::NotFound, ErrorKind::Failure),
        (io::ErrorKind::PermissionDenied, ErrorKind::Failure),
        (io::ErrorKind::InvalidInput, ErrorKind::Failure),
        (io::ErrorKind::StorageFull, ErrorKind::Failure),
        (io::ErrorKind::Other, ErrorKind::Failure),
    ] {
        assert_eq!(
            AppError::from(io::Error::from(error)).kind(),
            kind,
            "{error:?}"
        );
    }
}

#[test]
fn nested_app_error_is_found() {
    let wrapped =
        |error: AppError| io::Error::new(io::ErrorKind::TimedOut, io::Error::other(error));
    let error = AppError::from(wrapped(AppError::forbidden("Not your order.")));
    assert_eq!(
        (error.kind(), error.public_message()),
        (ErrorKind::Forbidden, "Not your order.")
    );
    let unknown = AppError::from(io::Error::new(io::ErrorKind::TimedOut, "no idea"));
    assert_eq!(
        unknown.kind(),
        ErrorKind::Timeout,
        "the io::Error's kind applies"
    );

    let retry_after = Duration::from_secs(7);
    let open = BreakerOpen {
        dependency: "stock",
        retry_after,
    };
    let error = AppError::from_boxed(Box::new(io::Error::other(open)));
    assert_eq!(
        (error.kind(), error.retry_after()),
        (ErrorKind::Unavailable, Some(retry_after))
    );

    let boxed = AppError::from_boxed(Box::new(AppError::bug("out of balance")));
    assert_eq!(
        boxed.detail(),
        Some("out of balance"),
        "a boxed AppError is unboxed"
    );
    let boxed = AppError::from_boxed(Box::new(wrapped(AppError::bug("out of balance"))));
    assert!(boxed.is_bug());
}

#[test]
fn panic_becomes_a_bug() {
    let bug_from = |run: fn()| AppError::from_panic(&*std::panic::catch_unwind(run).unwrap_err());
    let error = bug_from(|| panic!("row {}", 7));
    assert_eq!(
        (error.detail(), error.is_bug()),
        (Some("panicked: row 7"), true)
    );
    assert_eq!(bug_from(|| panic!("row")).detail(), Some("panicked: row"));
    assert!(bug_from(|| std::panic::panic_any(7)).detail().is_some());
    let boxed = std::panic::catch_unwind(|| panic!("row")).unwrap_err();
    let from_box = AppError::from_panic(&boxed);
    assert_eq!(from_box.detail(), Some("panicked: row"));
}

#[test]
fn listener_failures_are_server_errors() {
    let emit_failures = |errors: Vec<AppError>| {
        let emitter: Emitter<()> = Emitter::new();
        for error in errors {
            let error = std::sync::Mutex::new(Some(error));
            let fail = move |(): &()| Err(error.lock().unwrap().take().unwrap());
            emitter.on("listener", fail).detach();
        }
        AppError::from(emitter.emit(&()).unwrap_err())
    };
    let mail_unavailable =
        || AppError::unavailable("mail").with_retry_after(Duration::from_secs(2));
    assert_eq!(
        emit_failures(vec![AppError::not_found("it")]).kind(),
        ErrorKind::Failure
    );
    let error = emit_failures(vec![AppError::timeout("it"), mail_unavailable()]);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    assert_eq!(
        emit_failures(vec![mail_unavailable(), AppError::failure("it")]).kind(),
        ErrorKind::Failure
    );
    assert_eq!(
        emit_failures(vec![
            mail_unavailable(),
            AppError::bug("no cart"),
            mail_unavailable()
        ])
        .kind(),
        ErrorKind::Bug
    );
    assert_eq!(
        emit_failures(vec![AppError::failure("it"), AppError::bug("no cart")]).kind(),
        ErrorKind::Bug
    );
}

#[test]
fn event_errors_are_classified() {
    let emitter = Emitter::new();
    let _inbox = emitter.inbox("reader", 1, Overflow::Fail).unwrap();
    emitter.emit(&1).unwrap();
    let full = AppError::from(emitter.emit(&2).unwrap_err());
    assert_eq!(full.kind(), ErrorKind::Unavailable);

    let listener = Failure::new("late", InboxFull { capacity: 1 });
    assert_eq!(listener.classify().kind(), ErrorKind::Unavailable);
    assert_eq!(AppError::from(ZeroCapacity).kind(), ErrorKind::Bug);
}

#[test]
fn stream_error_has_the_class_of_its_cause() {
    let read = |fail: Box<dyn Error + Send + Sync>| {
        let (sender, mut receiver) = channel(Bound::<u8>::items(1).unwrap(), Overflow::Wait);
        sender.fail(fail);
        AppError::from(block_on(receiver.next()).unwrap().unwrap_err())
    };
    assert_eq!(
        read(Box::new(AppError::conflict("it"))).kind(),
        ErrorKind::Conflict
    );
    assert_eq!(read(Box::new(LineTooLong { max_len: 9 })).status(), 413);
    assert_eq!(read(Box::new(Unfinished)).kind(), ErrorKind::Cancelled);
    assert_eq!(read("unknown".into()).kind(), ErrorKind::Failure);
    let nested = StreamError::Failed(Box::new(AppError::bug("no cart")));
    assert!(read(Box::new(nested)).is_bug());
    assert_eq!(
        AppError::from(StreamError::Aborted).kind(),
        ErrorKind::Cancelled
    );

    assert_eq!(
        AppError::from(SendError::Full(7)).kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(
        AppError::from(SendError::Closed(7)).kind(),
        ErrorKind::Cancelled
    );
    assert!(AppError::from(InvalidBound::Zero).is_bug());
}

#[test]
fn pipeline_error_has_the_class_of_its_cause() {
    let pipeline_failure = |error: fn() -> Box<dyn Error + Send + Sync>| {
        let items = futures::stream::once(async move { Err::<Vec<u8>, _>(error()) });
        let pipeline = Pipeline::from_try_stream("source", Box::pin(items));
        let result = block_on(pipeline.into_writer("sink", futures::io::sink()));
        AppError::from(result.unwrap_err())
    };
    let error = pipeline_failure(|| Box::new(AppError::invalid_input("Line 3 is not a number.")));
    assert_eq!(
        (error.status(), error.public_message()),
        (400, "Line 3 is not a number.")
    );
    assert_eq!(
        pipeline_failure(|| Box::new(io::Error::from(io::ErrorKind::TimedOut))).kind(),
        ErrorKind::Timeout
    );
    assert_eq!(
        pipeline_failure(|| "unknown".into()).kind(),
        ErrorKind::Failure
    );
}
