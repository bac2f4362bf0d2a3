//! Tests of correlation ids and problem details.

use crate::cases;
use highwater::error::{
    AppError, Classification, CorrelationId, ErrorKind, IdGenerator, Problem, TraceId,
};
use proptest::{collection::vec, option, prelude::*};
use std::time::Duration;

fn id() -> CorrelationId {
    IdGenerator::new(7).generate()
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
        .with_type_uri("https://example.com/problems/rate_limited")
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

proptest! {
    #![proptest_config(cases::cases(256))]

    #[test]
    fn problem_json_reads_back(
        text in any::<String>(),
        controls in "[\\x00-\\x7f]*",
        uri in option::of(any::<String>()),
        fields in vec((any::<String>(), "[\\x00-\\x7f]*"), 0..3),
        retry_after_ms in option::of(any::<u32>()),
        trace_id in option::of(any::<[u8; 16]>()),
    ) {
        let mut error = AppError::invalid_input([text, controls].concat());
        for (field, detail) in fields {
            error = error.with_field(field, detail);
        }
        if let Some(ms) = retry_after_ms {
            error = error.with_retry_after(Duration::from_millis(ms.into()));
        }
        let trace_id = trace_id.and_then(TraceId::from_bytes);
        let mut problem = Problem::new(&error, &id()).with_trace_id(trace_id);
        if let Some(uri) = &uri {
            problem = problem.with_type_uri(uri.clone()).with_instance(uri.clone());
        }
        let json: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();
        prop_assert_eq!(json["type"].as_str().unwrap(), problem.type_uri());
        prop_assert_eq!(json["detail"].as_str().unwrap(), problem.detail());
        let trace_id = trace_id.map(|trace_id| trace_id.to_string());
        prop_assert_eq!(json["trace_id"].as_str(), trace_id.as_deref());
        prop_assert_eq!(json["retry_after_ms"].as_u64(), retry_after_ms.map(u64::from));
        let errors = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
        prop_assert_eq!(errors.len(), problem.errors().len());
        for (json, field) in errors.iter().zip(problem.errors()) {
            prop_assert_eq!(json["field"].as_str().unwrap(), &*field.field);
            prop_assert_eq!(json["detail"].as_str().unwrap(), &*field.detail);
        }
        #[cfg(feature = "serde")]
        prop_assert_eq!(serde_json::to_string(&problem).unwrap(), problem.to_json());
    }
}
