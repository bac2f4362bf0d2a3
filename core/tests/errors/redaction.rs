//! Property tests: internal data never reaches the response, and the log line
//! contains it.

use crate::cases::cases;
use highwater::error::{
    AppError, Classification, CorrelationId, ErrorKind, Handler, HandlerPolicy, IdGenerator,
    Incident, Problem, RetryPolicy,
};
use proptest::prelude::*;
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Marks every internal text.
const SECRET: &str = "SECRET";
/// Marks every public text. The response to a bug must not contain it.
const PUBLIC: &str = "PUBLIC";

fn kind() -> impl Strategy<Value = ErrorKind> {
    prop::sample::select(ErrorKind::ALL)
}

#[derive(Clone, Debug)]
enum Part {
    Detail(String),
    Context(String),
    Field(String),
    Public(String),
    RetryAfter(u64),
    /// Makes the error the source of another one.
    Wrapped(ErrorKind),
    /// Makes the error the source of another one, inside an [`io::Error`].
    WrappedInIo(ErrorKind),
    Status(u16),
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        ".*".prop_map(Part::Detail),
        ".*".prop_map(Part::Context),
        ".*".prop_map(Part::Field),
        ".*".prop_map(Part::Public),
        any::<u64>().prop_map(Part::RetryAfter),
        kind().prop_map(Part::Wrapped),
        kind().prop_map(Part::WrappedInIo),
        any::<u16>().prop_map(Part::Status),
        (400..600_u16).prop_map(Part::Status),
    ]
}

fn build(kind: ErrorKind, parts: &[Part]) -> AppError {
    let mut error = AppError::new(kind).with_source(io::Error::other(SECRET));
    for part in parts {
        error = match part.clone() {
            Part::Detail(text) => error.with_detail(format!("{SECRET}{text}")),
            Part::Context(text) => error.with_context("key", format!("{SECRET}{text}")),
            Part::Field(text) => {
                error.with_field(format!("{PUBLIC}{text}"), format!("{PUBLIC}{text}"))
            }
            Part::Public(text) => error.with_public_message(format!("{PUBLIC}{text}")),
            Part::RetryAfter(ms) => error.with_retry_after(Duration::from_millis(ms)),
            Part::Wrapped(kind) => AppError::new(kind).with_source(error),
            Part::WrappedInIo(kind) => AppError::new(kind).with_source(io::Error::other(error)),
            Part::Status(status) => {
                let custom = Classification::new(error.kind()).with_status(status);
                AppError::new(custom).with_source(error)
            }
        };
    }
    error
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn response_contains_nothing_internal(
        kind in kind(),
        parts in prop::collection::vec(part(), 0..8),
        policy in prop::sample::select(vec![HandlerPolicy::Supervise, HandlerPolicy::Swallow]),
    ) {
        let error = build(kind, &parts);
        let ids = IdGenerator::new(7);
        let id = ids.generate();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let handler = Handler::new().policy(policy).retry(RetryPolicy::new()).log_to({
            let lines = Arc::clone(&lines);
            move |_, line| lines.lock().unwrap().push(line.to_owned())
        });
        let decision = handler.handle(&error, &Incident::new(id, "GET /"));
        let problem = decision.problem().expect("the decision has a problem");
        let json = problem.to_json();

        prop_assert!(!json.contains(SECRET), "{}", json);
        prop_assert!(!error.to_string().contains(SECRET));
        let parsed_json: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&parsed_json["status"], error.status());
        prop_assert_eq!(&parsed_json["id"], id.as_str());
        prop_assert!((400..600).contains(&problem.status()));
        if error.is_bug() {
            prop_assert!(!json.contains(PUBLIC), "{}", json);
            let generic_bug = Problem::new(&AppError::bug("any"), &id);
            prop_assert_eq!(problem, &generic_bug);
            prop_assert_eq!(decision.is_fatal(), policy == HandlerPolicy::Supervise);
        } else {
            prop_assert!(!decision.is_fatal());
        }
        if error.status() >= 500 {
            prop_assert!(problem.errors().is_empty());
        }

        let lines = lines.lock().unwrap();
        prop_assert_eq!(lines.len(), 1);
        let line = &lines[0];
        prop_assert!(!line.contains(char::is_control), "{:?}", line);
        prop_assert!(line.contains(SECRET), "the secret is missing from the log: {}", line);
        prop_assert_eq!(line.matches(id.as_str()).count(), 1);
    }

    #[test]
    fn only_valid_ids_round_trip(text in "[a-zA-Z0-9_.:-]{0,70}|.*") {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let is_valid = (1..=64).contains(&text.len()) && text.chars().all(is_allowed);
        let parsed = text.parse::<CorrelationId>().ok();
        prop_assert_eq!(parsed.as_ref().map(CorrelationId::as_str), is_valid.then_some(&*text));
    }
}
