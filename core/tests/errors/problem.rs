//! Tests of correlation ids and problem details.

use highwater::error::{AppError, Classification, CorrelationId, ErrorKind, IdGenerator, Problem};
use std::time::Duration;

fn id() -> CorrelationId {
    IdGenerator::new(7).generate()
}

#[test]
fn only_safe_ids_are_parsed() {
    let longest = "a".repeat(CorrelationId::MAX_LEN);
    for valid in [
        "a",
        "550e8400-e29b-41d4-a716-446655440000",
        "a_b.c:D-9",
        &longest,
    ] {
        assert_eq!(valid.parse::<CorrelationId>().unwrap().as_str(), valid);
    }
    let too_long = "a".repeat(CorrelationId::MAX_LEN + 1);
    for invalid in [
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
        let error = invalid.parse::<CorrelationId>().unwrap_err();
        assert_eq!(AppError::from(error).status(), 400, "{invalid:?}");
    }
    assert!(CorrelationId::parse(b"caf\xe9").is_err(), "not UTF-8");
}

#[test]
fn ids_are_unique_and_reproducible() {
    let (ids, same_seed) = (IdGenerator::new(7), IdGenerator::new(7));
    let generated: std::collections::BTreeSet<_> = (0..1_000).map(|_| ids.generate()).collect();
    assert_eq!(generated.len(), 1_000);
    assert!((0..1_000).all(|_| generated.contains(&same_seed.generate())));
    let other_seed = IdGenerator::new(8);
    assert!((0..1_000).all(|_| !generated.contains(&other_seed.generate())));
    let is_hex = |id: &CorrelationId| id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(
        generated
            .iter()
            .all(|id| is_hex(id) && CorrelationId::parse(id.as_str()) == Ok(*id))
    );
}

#[test]
fn problem_has_the_rfc_members() {
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
            "detail": "Too many requests.",
            "instance": "/orders/42",
            "code": "rate_limited",
            "id": "order-42",
            "retry_after_ms": 1,
        })
    );
    assert_eq!(problem.retry_after_seconds(), Some(1), "rounded up");
    assert_eq!(serde_json::to_string(&problem).unwrap(), problem.to_json());
}

#[test]
fn problem_title_is_the_reason_phrase() {
    let title = |status| {
        let custom = Classification::new(ErrorKind::Failure).with_status(status);
        Problem::new(&AppError::new(custom), &id()).title()
    };
    assert_eq!(title(413), "Content Too Large");
    assert_eq!(title(422), "Unprocessable Content");
    assert_eq!(title(506), "Variant Also Negotiates");
    assert_eq!((title(499), title(599)), ("Client Error", "Server Error"));
}
