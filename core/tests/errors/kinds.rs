//! Tests of error kinds, classifications and conversions.

use highwater::error::{
    AppError, Class, Classification, Classify, CorrelationId, ErrorKind, IdGenerator, Problem,
    ResultExt,
};
use std::{error::Error, io, time::Duration};

fn id() -> CorrelationId {
    IdGenerator::new(7).generate()
}

#[test]
fn app_error_is_pointer_sized() {
    assert_eq!(size_of::<AppError>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), AppError>>(), size_of::<usize>());
}

#[test]
fn kinds_have_consistent_defaults() {
    for &kind in ErrorKind::ALL {
        let error = AppError::new(kind);
        assert_eq!(error.is_bug(), kind == ErrorKind::Bug, "{kind:?}");
        assert_eq!(error.is_operational(), !error.is_bug());
        assert_eq!(error.class() == Class::Bug, error.is_bug());
        assert!((400..600).contains(&error.status()), "{kind:?}");
        let is_transient = matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout);
        assert_eq!(error.is_transient(), is_transient, "{kind:?}");
        assert!(
            !is_transient || error.status() >= 500,
            "client errors are not transient"
        );
        let is_snake_case = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(error.code().bytes().all(is_snake_case), "{}", error.code());
        assert_eq!(error.to_string(), error.public_message());
    }
    let mut codes: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), ErrorKind::ALL.len(), "codes are unique");
}

#[test]
fn constructors_set_kind_and_location() {
    let second = Duration::from_secs(1);
    for (error, kind) in [
        (AppError::invalid_input("it"), ErrorKind::InvalidInput),
        (AppError::unauthorized("it"), ErrorKind::Unauthorized),
        (AppError::forbidden("it"), ErrorKind::Forbidden),
        (AppError::not_found("it"), ErrorKind::NotFound),
        (AppError::method_not_allowed(), ErrorKind::MethodNotAllowed),
        (AppError::conflict("it"), ErrorKind::Conflict),
        (AppError::too_large(1), ErrorKind::TooLarge),
        (
            AppError::unsupported_media_type("it"),
            ErrorKind::UnsupportedMediaType,
        ),
        (AppError::rate_limited(second), ErrorKind::RateLimited),
        (AppError::failure("it"), ErrorKind::Failure),
        (AppError::cancelled("it"), ErrorKind::Cancelled),
        (AppError::unavailable("it"), ErrorKind::Unavailable),
        (AppError::timeout("it"), ErrorKind::Timeout),
        (AppError::bug("no cart"), ErrorKind::Bug),
        (AppError::from_panic(&"it"), ErrorKind::Bug),
        (AppError::from_boxed("it".into()), ErrorKind::Failure),
    ] {
        assert_eq!(error.kind(), kind);
        assert!(ErrorKind::ALL.contains(&kind), "{kind:?}");
        assert_eq!(error.location().file(), file!(), "{kind:?}");
        // The arguments of server errors are internal.
        let is_public = error.public_message().starts_with("it");
        assert!(!is_public || error.status() < 500, "{kind:?}");
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
            ShopError::Locked(_) => Classification::new(ErrorKind::Conflict)
                .with_code("row_locked")
                .with_status(423)
                .with_field("row", "is locked")
                .with_retry_after(Duration::from_millis(20)),
            ShopError::Negative(_) => Classification::new(ErrorKind::Bug)
                .with_code("negative_sum")
                .with_status(404)
                .with_public_message("The sum of user 7 is negative."),
        }
    }
}

#[test]
fn custom_enum_converts_with_question_mark() {
    let locked = || -> Result<(), AppError> {
        Err(ShopError::Locked(3))?;
        Ok(())
    };
    let line = line!() - 3;
    let error = locked().unwrap_err();
    assert_eq!((error.code(), error.status()), ("row_locked", 423));
    assert_eq!(error.fields()[0].field, "row");
    assert_eq!(error.retry_after(), Some(Duration::from_millis(20)));
    assert_eq!(
        error.location().line(),
        line,
        "the location is that of the `?`"
    );
    assert_eq!(error.to_string(), ErrorKind::Conflict.public_message());
    assert_eq!(format!("{error:#}"), "row 3 is locked");
    let source = error.source().and_then(|source| source.downcast_ref());
    assert!(matches!(source, Some(ShopError::Locked(3))));
}

#[test]
fn bug_exposes_nothing() {
    let source = io::Error::other("row 7");
    let error = AppError::from(ShopError::Negative(source))
        .with_public_message("User 7 again.")
        .with_field("sum", "is negative")
        .with_retry_after(Duration::from_secs(1));
    assert_eq!((error.code(), error.status()), ("negative_sum", 500));
    assert!(error.fields().is_empty());
    assert_eq!(error.public_message(), ErrorKind::Bug.public_message());
    assert_eq!(format!("{error:#}"), "the sum is negative: row 7");
    let generic_bug = Problem::new(&AppError::bug("any"), &id());
    assert_eq!(
        Problem::new(&error, &id()),
        generic_bug,
        "all bugs produce the same problem"
    );
}

#[test]
fn invalid_error_status_becomes_500() {
    for status in [0, 99, 200, 302, 399, 600, u16::MAX] {
        let custom = Classification::new(ErrorKind::Conflict).with_status(status);
        assert_eq!(custom.status(), 500, "{status}");
    }
    assert_eq!(
        Classification::new(ErrorKind::Conflict)
            .with_status(410)
            .status(),
        410
    );
}

#[test]
fn chain_ends_at_the_root_cause() {
    let root = io::Error::other("the cable is out");
    let middle = AppError::unavailable("stripe").with_source(root);
    let error = AppError::failure("no charge").with_source(middle);
    let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
    let public_text = ErrorKind::Unavailable.public_message();
    assert_eq!(chain, [public_text, "the cable is out"]);
    let operator_text = "no charge: stripe is unavailable: the cable is out";
    assert_eq!(format!("{error:#}"), operator_text);
    let debug = format!("{error:?}");
    assert!(
        debug.contains("the cable is out") && debug.contains(file!()),
        "{debug}"
    );
}

#[test]
fn result_extension_classifies_and_adds_context() {
    let missing = || Err::<(), _>(io::Error::from(io::ErrorKind::NotFound));
    let error = missing().classified(ErrorKind::NotFound).unwrap_err();
    let line = line!() - 1;
    assert_eq!((error.status(), error.location().line()), (404, line));
    let error = missing().context("path", "a\nb").unwrap_err();
    let line = line!() - 1;
    assert_eq!((error.status(), error.location().line()), (500, line));
    assert_eq!(error.location().file(), file!());
    assert_eq!(error.context().collect::<Vec<_>>(), [("path", "a\nb")]);
    let ok_result = Ok::<_, io::Error>(7).classified(ErrorKind::Bug);
    assert_eq!(ok_result.context("path", "").unwrap(), 7);
}
