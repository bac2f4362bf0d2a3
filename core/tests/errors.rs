//! Errors: what they are, what they become, and who is told what.

use futures::{StreamExt, executor::block_on};
use highwater::{
    Overflow,
    error::{
        AppError, Class, Classification, Classify, CorrelationId, Ids, Kind, Problem, ResultExt,
    },
    events::{Emitter, Failure, InboxFull, MustAwait, ZeroCapacity},
    stream::{
        Bound, InvalidBound, LineTooLong, Pipeline, SendError, StreamError, Unfinished, channel,
    },
};
use std::{
    error::Error,
    io::{self, ErrorKind},
    time::Duration,
};

const KINDS: [Kind; 14] = [
    Kind::InvalidInput,
    Kind::Unauthorized,
    Kind::Forbidden,
    Kind::NotFound,
    Kind::MethodNotAllowed,
    Kind::Conflict,
    Kind::TooLarge,
    Kind::UnsupportedMediaType,
    Kind::RateLimited,
    Kind::Failure,
    Kind::Cancelled,
    Kind::Unavailable,
    Kind::Timeout,
    Kind::Bug,
];

fn id() -> CorrelationId {
    Ids::new(7).make()
}

#[test]
fn an_error_is_one_pointer_wide_and_goes_anywhere() {
    fn goes_anywhere<T: Error + Send + Sync + 'static>() {}
    goes_anywhere::<AppError>();
    assert_eq!(size_of::<AppError>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), AppError>>(), size_of::<usize>());
}

#[test]
fn only_a_bug_is_the_programs_and_only_what_passes_is_worth_a_retry() {
    for kind in KINDS {
        let error = AppError::new(kind);
        assert_eq!(error.is_bug(), kind == Kind::Bug, "{kind:?}");
        assert_eq!(error.is_operational(), !error.is_bug());
        assert_eq!(error.class() == Class::Programmer, error.is_bug());
        assert!((400..600).contains(&error.status()), "{kind:?}");
        let passes = matches!(kind, Kind::Unavailable | Kind::Timeout);
        assert_eq!(error.is_transient(), passes, "{kind:?}");
        assert!(
            !passes || error.status() >= 500,
            "the client's is the client's"
        );
        let snake = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(error.code().bytes().all(snake), "{}", error.code());
        assert_eq!(error.to_string(), error.public_message());
    }
    let mut codes: Vec<_> = KINDS.iter().map(|kind| kind.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), KINDS.len(), "each has its own");
}

#[test]
fn each_constructor_makes_its_kind_here() {
    let second = Duration::from_secs(1);
    for (error, kind) in [
        (AppError::invalid_input("it"), Kind::InvalidInput),
        (AppError::unauthorized("it"), Kind::Unauthorized),
        (AppError::forbidden("it"), Kind::Forbidden),
        (AppError::not_found("it"), Kind::NotFound),
        (AppError::method_not_allowed(), Kind::MethodNotAllowed),
        (AppError::conflict("it"), Kind::Conflict),
        (AppError::too_large(1), Kind::TooLarge),
        (
            AppError::unsupported_media_type("it"),
            Kind::UnsupportedMediaType,
        ),
        (AppError::rate_limited(second), Kind::RateLimited),
        (AppError::failure("it"), Kind::Failure),
        (AppError::cancelled("it"), Kind::Cancelled),
        (AppError::unavailable("it"), Kind::Unavailable),
        (AppError::timeout("it"), Kind::Timeout),
        (AppError::bug("it"), Kind::Bug),
        (AppError::from_panic(&"it"), Kind::Bug),
        (AppError::from_boxed("it".into()), Kind::Failure),
    ] {
        assert_eq!(error.kind(), kind);
        assert_eq!(error.location().file(), file!(), "{kind:?}");
        // What is given to an error that is not the client's is not for it.
        let told = error.public_message().starts_with("it");
        assert!(!told || error.status() < 500, "{kind:?}");
    }
}

#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error("row {0} is locked")]
    Locked(u32),
    #[error("the sum is negative")]
    Negative(#[source] io::Error),
}

impl Classify for ShopError {
    fn classify(&self) -> Classification {
        match self {
            ShopError::Locked(_) => Classification::new(Kind::Conflict)
                .with_code("row_locked")
                .with_status(423)
                .with_field("row", "is locked")
                .with_retry_after(Duration::from_millis(20)),
            ShopError::Negative(_) => Classification::new(Kind::Bug)
                .with_code("negative_sum")
                .with_status(404)
                .with_public("The sum of user 7 is negative."),
        }
    }
}

#[test]
fn an_enum_of_ones_own_classifies_itself() {
    let locked = || -> Result<(), AppError> {
        Err(ShopError::Locked(3))?;
        Ok(())
    };
    let line = line!() - 3;
    let error = locked().unwrap_err();
    assert_eq!((error.code(), error.status()), ("row_locked", 423));
    assert_eq!(error.fields()[0].field, "row");
    assert_eq!(error.retry_after(), Some(Duration::from_millis(20)));
    assert_eq!(error.location().line(), line, "of the question mark");
    assert_eq!(error.to_string(), Kind::Conflict.public_message());
    assert_eq!(format!("{error:#}"), "row 3 is locked");
    let source = error.source().and_then(|source| source.downcast_ref());
    assert!(matches!(source, Some(ShopError::Locked(3))));
}

#[test]
fn of_a_bug_nothing_can_be_made_public() {
    let source = io::Error::other("row 7");
    let error = AppError::from(ShopError::Negative(source))
        .with_public("User 7 again.")
        .with_field("sum", "is negative")
        .with_retry_after(Duration::from_secs(1));
    assert_eq!((error.code(), error.status()), ("negative_sum", 500));
    assert_eq!(error.public_message(), Kind::Bug.public_message());
    assert_eq!(format!("{error:#}"), "the sum is negative: row 7");
    let plain = Problem::new(&AppError::bug("any"), &id());
    assert_eq!(Problem::new(&error, &id()), plain, "as every other bug");
}

#[test]
fn a_status_that_is_none_of_an_error_is_a_500() {
    for status in [0, 99, 200, 302, 399, 600, u16::MAX] {
        let odd = Classification::new(Kind::Conflict).with_status(status);
        assert_eq!(odd.status(), 500, "{status}");
    }
    assert_eq!(
        Classification::new(Kind::Conflict)
            .with_status(410)
            .status(),
        410
    );
}

#[test]
fn the_chain_goes_from_the_nearest_to_the_root() {
    let root = io::Error::other("the cable is out");
    let middle = AppError::unavailable("stripe").with_source(root);
    let error = AppError::failure("no charge").with_source(middle);
    let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
    let public = Kind::Unavailable.public_message();
    assert_eq!(chain, [public, "the cable is out"]);
    let operator = "no charge: stripe is unavailable: the cable is out";
    assert_eq!(format!("{error:#}"), operator);
    let debug = format!("{error:?}");
    assert!(
        debug.contains("the cable is out") && debug.contains(file!()),
        "{debug}"
    );
}

#[test]
fn a_result_is_classified_where_it_is_known_what_it_means() {
    let missing = || Err::<(), _>(io::Error::from(ErrorKind::NotFound));
    let error = missing().classified(Kind::NotFound).unwrap_err();
    let line = line!() - 1;
    assert_eq!((error.status(), error.location().line()), (404, line));
    let error = missing().context("path", "a\nb").unwrap_err();
    let line = line!() - 1;
    assert_eq!((error.status(), error.location().line()), (500, line));
    assert_eq!(error.location().file(), file!());
    assert_eq!(error.context().collect::<Vec<_>>(), [("path", "a\nb")]);
    let fine = Ok::<_, io::Error>(7).classified(Kind::Bug);
    assert_eq!(fine.context("path", "").unwrap(), 7);
}

#[test]
fn an_error_of_the_system_is_neither_the_clients_nor_a_bug() {
    for (error, kind) in [
        (ErrorKind::TimedOut, Kind::Timeout),
        (ErrorKind::WouldBlock, Kind::Timeout),
        (ErrorKind::ConnectionRefused, Kind::Unavailable),
        (ErrorKind::BrokenPipe, Kind::Unavailable),
        (ErrorKind::Interrupted, Kind::Unavailable),
        (ErrorKind::NotFound, Kind::Failure),
        (ErrorKind::PermissionDenied, Kind::Failure),
        (ErrorKind::InvalidInput, Kind::Failure),
        (ErrorKind::StorageFull, Kind::Failure),
        (ErrorKind::Other, Kind::Failure),
    ] {
        assert_eq!(
            AppError::from(io::Error::from(error)).kind(),
            kind,
            "{error:?}"
        );
    }
}

#[test]
fn an_app_error_is_found_wherever_it_is_carried() {
    let carried = |error: AppError| io::Error::new(ErrorKind::TimedOut, io::Error::other(error));
    let error = AppError::from(carried(AppError::forbidden("Not yours.")));
    assert_eq!(
        (error.kind(), error.public_message()),
        (Kind::Forbidden, "Not yours.")
    );
    let unknown = AppError::from(io::Error::new(ErrorKind::TimedOut, "no idea"));
    assert_eq!(unknown.kind(), Kind::Timeout, "as its carrier says");

    let boxed = AppError::from_boxed(Box::new(AppError::bug("out of balance")));
    assert_eq!(boxed.detail(), Some("out of balance"), "it is the same");
    let boxed = AppError::from_boxed(Box::new(carried(AppError::bug("out of balance"))));
    assert!(boxed.is_bug());
}

#[test]
fn a_panic_is_a_bug_whatever_it_says() {
    let panic = |run: fn()| AppError::from_panic(&*std::panic::catch_unwind(run).unwrap_err());
    let error = panic(|| panic!("row {}", 7));
    assert_eq!(
        (error.detail(), error.is_bug()),
        (Some("panicked: row 7"), true)
    );
    assert_eq!(panic(|| panic!("row")).detail(), Some("panicked: row"));
    assert!(panic(|| std::panic::panic_any(7)).detail().is_some());
}

#[test]
fn failures_of_listeners_are_not_the_clients() {
    let emit = |errors: Vec<AppError>| {
        let emitter: Emitter<()> = Emitter::new();
        for error in errors {
            let error = std::sync::Mutex::new(Some(error));
            let fail = move |(): &()| Err(error.lock().unwrap().take().unwrap());
            emitter.on("listener", fail).detach();
        }
        AppError::from(emitter.emit(&()).unwrap_err())
    };
    let down = || AppError::unavailable("mail").with_retry_after(Duration::from_secs(2));
    assert_eq!(emit(vec![AppError::not_found("it")]).kind(), Kind::Failure);
    let error = emit(vec![AppError::timeout("it"), down()]);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    assert_eq!(
        emit(vec![down(), AppError::failure("it")]).kind(),
        Kind::Failure
    );
    assert_eq!(
        emit(vec![down(), AppError::bug("it"), down()]).kind(),
        Kind::Bug
    );
    assert_eq!(
        emit(vec![AppError::failure("it"), AppError::bug("it")]).kind(),
        Kind::Bug
    );
}

#[test]
fn what_events_refuse_is_a_bug_or_passes() {
    let emitter = Emitter::new();
    let _inbox = emitter.inbox("reader", 1, Overflow::Fail).unwrap();
    emitter.emit(&1).unwrap();
    let full = AppError::from(emitter.emit(&2).unwrap_err());
    assert_eq!(full.kind(), Kind::Unavailable);

    let listener = Failure::new("late", InboxFull { capacity: 1 });
    assert_eq!(listener.classify().kind(), Kind::Unavailable);
    assert_eq!(AppError::from(ZeroCapacity).kind(), Kind::Bug);

    let emitter: Emitter<u8> = Emitter::new();
    let _awaited = emitter.on_async("awaited", |_| async { Ok::<_, MustAwait>(()) });
    let must_await = emitter.emit(&1).unwrap_err();
    assert!(must_await.failures()[0].error.is::<MustAwait>());
    assert_eq!(AppError::from(must_await).kind(), Kind::Bug);
}

#[test]
fn a_stream_that_fails_is_what_its_sender_failed_with() {
    let read = |fail: Box<dyn Error + Send + Sync>| {
        let (sender, mut receiver) = channel(Bound::<u8>::items(1).unwrap(), Overflow::Wait);
        sender.fail(fail);
        AppError::from(block_on(receiver.next()).unwrap().unwrap_err())
    };
    assert_eq!(
        read(Box::new(AppError::conflict("it"))).kind(),
        Kind::Conflict
    );
    assert_eq!(read(Box::new(LineTooLong { longest: 9 })).status(), 413);
    assert_eq!(read(Box::new(Unfinished)).kind(), Kind::Cancelled);
    assert_eq!(read("nobody knows".into()).kind(), Kind::Failure);
    let nested = StreamError::Failed(Box::new(AppError::bug("it")));
    assert!(read(Box::new(nested)).is_bug());
    assert_eq!(AppError::from(StreamError::Aborted).kind(), Kind::Cancelled);

    assert_eq!(AppError::from(SendError::Full(7)).kind(), Kind::Unavailable);
    assert_eq!(AppError::from(SendError::Closed(7)).kind(), Kind::Cancelled);
    assert!(AppError::from(InvalidBound::Zero).is_bug());
}

#[test]
fn a_pipeline_that_fails_is_what_its_stage_failed_with() {
    let run = |error: fn() -> Box<dyn Error + Send + Sync>| {
        let items = futures::stream::once(async move { Err::<Vec<u8>, _>(error()) });
        let pipeline = Pipeline::from_try_stream("source", Box::pin(items));
        let result = block_on(pipeline.into_writer("sink", futures::io::sink()));
        AppError::from(result.unwrap_err())
    };
    let error = run(|| Box::new(AppError::invalid_input("Line 3 is no number.")));
    assert_eq!(
        (error.status(), error.public_message()),
        (400, "Line 3 is no number.")
    );
    assert_eq!(
        run(|| Box::new(io::Error::from(ErrorKind::TimedOut))).kind(),
        Kind::Timeout
    );
    assert_eq!(run(|| "nobody knows".into()).kind(), Kind::Failure);
}

#[test]
fn an_id_is_taken_from_a_client_only_if_it_is_harmless() {
    let longest = "a".repeat(CorrelationId::LONGEST);
    for fine in [
        "a",
        "550e8400-e29b-41d4-a716-446655440000",
        "a_b.c:D-9",
        &longest,
    ] {
        assert_eq!(fine.parse::<CorrelationId>().unwrap().as_str(), fine);
    }
    let too_long = "a".repeat(CorrelationId::LONGEST + 1);
    for bad in [
        "",
        " ",
        "a b",
        "a\n",
        "a\0",
        "a=b",
        "\"",
        "ü",
        "\u{202e}a",
        &too_long,
    ] {
        let error = bad.parse::<CorrelationId>().unwrap_err();
        assert_eq!(AppError::from(error).status(), 400, "{bad:?}");
    }
    assert!(CorrelationId::parse(b"caf\xe9").is_err(), "no text at all");
}

#[test]
fn ids_are_different_and_can_be_made_again() {
    let (ids, again) = (Ids::new(7), Ids::new(7));
    let made: std::collections::BTreeSet<_> = (0..1_000).map(|_| ids.make()).collect();
    assert_eq!(made.len(), 1_000);
    assert!((0..1_000).all(|_| made.contains(&again.make())));
    let other = Ids::new(8);
    assert!((0..1_000).all(|_| !made.contains(&other.make())));
    let is_hex = |id: &CorrelationId| id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(
        made.iter()
            .all(|id| is_hex(id) && CorrelationId::parse(id.as_str()) == Ok(*id))
    );
}

#[test]
fn a_problem_has_the_members_of_the_rfc() {
    let error = AppError::rate_limited(Duration::from_nanos(1));
    let problem = Problem::new(&error, &"order-42".parse().unwrap())
        .with_type("https://example.com/problems/rate_limited")
        .with_instance("/orders/42");
    let json: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "type": "https://example.com/problems/rate_limited",
            "title": "Too Many Requests",
            "status": 429,
            "detail": "There were too many requests.",
            "instance": "/orders/42",
            "code": "rate_limited",
            "id": "order-42",
            "retry_after_ms": 1,
        })
    );
    assert_eq!(problem.retry_after_seconds(), Some(1), "never too early");
    assert_eq!(serde_json::to_string(&problem).unwrap(), problem.to_json());
}
