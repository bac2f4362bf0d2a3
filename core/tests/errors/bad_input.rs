//! Errors that are themselves wrong: the handler gets by with all of them.

use highwater::error::{AppError, Chain, Decision, ErrorKind, Handler, Ids, Incident, Problem};
use std::{
    error::Error,
    fmt, io,
    sync::{Arc, Mutex},
};

/// Handles an error and returns its line in the log, and the answer.
fn handle(error: &AppError, operation: &str) -> (String, String) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let handler = Handler::new().log_to({
        let lines = Arc::clone(&lines);
        move |_, line| lines.lock().unwrap().push(line.to_owned())
    });
    let incident = Incident::new(Ids::new(7).make(), operation);
    let decision = handler.handle(error, &incident);
    let Decision::Respond(problem) = decision else {
        panic!("none of these is a bug of the handler's: {decision:?}");
    };
    assert_eq!(handler.stats().bugs, 0);
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    let [line] = &lines[..] else {
        panic!("{} lines", lines.len());
    };
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.len() <= 3 * 1024 + 16, "{} bytes", line.len());
    (line.clone(), problem.to_json())
}

/// An error of which each part can be made to go wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    PanicsInDisplay,
    PanicsHalfWay,
    PanicsInSource,
    PanicsWithABomb,
    RefusesToPrint,
    IsItsOwnSource,
    HasNoEnd,
}

/// Panics when it is dropped, with another that does, so many times.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1)
            && !std::thread::panicking()
        {
            std::panic::panic_any(Bomb(left));
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::PanicsInDisplay => panic!("there is no text"),
            Wrong::PanicsWithABomb => std::panic::panic_any(Bomb(2)),
            Wrong::PanicsHalfWay => {
                f.write_str("the first half")?;
                panic!("there is no second half")
            }
            Wrong::RefusesToPrint => Err(fmt::Error),
            Wrong::HasNoEnd => loop {
                f.write_str("and so on, ")?;
            },
            Wrong::PanicsInSource | Wrong::IsItsOwnSource => f.write_str("round"),
        }
    }
}

impl Error for Wrong {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Wrong::PanicsInSource => panic!("there is no source"),
            Wrong::IsItsOwnSource => Some(self),
            _ => None,
        }
    }
}

#[test]
fn a_text_that_panics_is_replaced_by_a_note() {
    for (wrong, expected) in [
        (
            Wrong::PanicsInDisplay,
            "(its text cannot be made: that panics)",
        ),
        (
            Wrong::PanicsHalfWay,
            "the first half(its text cannot be made: that panics)",
        ),
        (
            Wrong::PanicsWithABomb,
            "(its text cannot be made: that panics)",
        ),
        (Wrong::PanicsInSource, "round"),
        (Wrong::RefusesToPrint, ""),
    ] {
        let error = AppError::unavailable("stripe").with_source(wrong);
        let (line, _) = handle(&error, "GET /");
        let chain = format!("error=\"stripe is unavailable: {expected}\"");
        assert!(line.ends_with(&chain), "{wrong:?}: {line}");
    }
    let error = AppError::not_found("it").with_context("wrong", Wrong::PanicsHalfWay);
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with("wrong=\"the first half(its text cannot be made: that panics)\""));
}

#[test]
fn a_panic_of_which_the_payload_panics_is_survived() {
    let handler = Handler::new()
        .log_to(|_, _| std::panic::panic_any(Bomb(2)))
        .on_error(|_| std::panic::panic_any(Bomb(2)));
    let incident = Incident::new(Ids::new(7).make(), "GET /");
    let decision = handler.handle(&AppError::not_found("it"), &incident);
    assert_eq!(decision.problem().map(Problem::status), Some(404));
    assert_eq!(handler.stats().bugs, 1);
}

#[test]
fn a_source_that_panics_does_not_keep_an_error_from_being_classified() {
    let boxed = AppError::from_boxed(Box::new(Wrong::PanicsInSource));
    assert_eq!(boxed.kind(), ErrorKind::Failure);
    let timed_out = io::Error::new(io::ErrorKind::TimedOut, Wrong::PanicsInSource);
    assert_eq!(AppError::from(timed_out).kind(), ErrorKind::Timeout);
}

#[test]
fn a_circle_of_sources_comes_to_an_end() {
    let error = AppError::unavailable("stripe").with_source(Wrong::IsItsOwnSource);
    assert_eq!(error.chain().count(), Chain::DEEPEST);
    let (line, _) = handle(&error, "GET /");
    assert_eq!(line.matches("round").count(), Chain::DEEPEST, "{line}");
    assert!(line.ends_with("round: …\""), "{line}");
    let boxed = AppError::from_boxed(Box::new(Wrong::IsItsOwnSource));
    assert_eq!(boxed.kind(), ErrorKind::Failure);
}

#[test]
fn a_text_without_end_is_cut() {
    let error = AppError::unavailable("stripe").with_source(Wrong::HasNoEnd);
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with("…\""), "{}", &line[line.len() - 20..]);
    let error = AppError::not_found("it").with_context("wrong", Wrong::HasNoEnd);
    let (_, kept) = error.context().next().unwrap();
    assert!(kept.len() <= 1024 + "…".len() && kept.ends_with('…'));
}

#[test]
fn nothing_breaks_the_line_or_passes_for_another_value() {
    let nasty = "x\r\nid=fake level=\"ERROR\" \u{1b}[31m\0\u{2028}\u{202e}\\";
    let error = AppError::failure(nasty)
        .with_source(io::Error::other(nasty))
        .with_field(nasty, nasty)
        .with_context("key", nasty);
    let (line, json) = handle(&error, nasty);
    let escaped = r#"x\r\nid=fake level=\"ERROR\" \u{1b}[31m\0\u{2028}\u{202e}\\"#;
    assert_eq!(line.matches(escaped).count(), 6, "{line}");
    assert_eq!(
        line.matches(" id=").count(),
        0,
        "its own comes first: {line}"
    );
    assert!(!line.contains(['\u{2028}', '\u{202e}', '\u{1b}']));
    assert!(!json.contains("fake"));

    let error = AppError::not_found(nasty).with_context("a key\n", 7);
    let (line, json) = handle(&error, "GET /");
    assert!(line.ends_with(r#"context="a key\n" value=7"#), "{line}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["detail"], nasty, "as JSON has it");
}

#[test]
fn context_does_not_pass_for_the_lines_own() {
    let error = AppError::not_found("it")
        .with_context("id", 42)
        .with_context("decision", "drain");
    let (line, _) = handle(&error, "GET /");
    assert!(
        line.ends_with("context=id value=42 context=decision value=drain"),
        "{line}"
    );
    for own in line.split(' ').filter_map(|pair| pair.split_once('=')) {
        let (key, _) = own;
        let is_context = matches!(key, "context" | "value");
        let count = format!(" {line}").matches(&format!(" {key}=")).count();
        assert!(is_context || count == 1, "{key} in {line}");
    }
}

#[test]
fn a_long_operation_does_not_crowd_out_the_rest() {
    let error = AppError::not_found("it").with_context("order", "4".repeat(1_000));
    let path = "a".repeat(15_900);
    let (line, _) = handle(&error, &path);
    assert!(line.contains(" error=\"it\" order=4444"), "{line}");
    assert!(
        line.contains("operation=\"aaaa") && line.contains("aaaa…\""),
        "{line}"
    );
    let (line, _) = handle(&AppError::not_found("it"), &path.replace('a', "ü\n"));
    assert!(line.contains("operation=\"ü\\nü\\n"), "{line}");
}

#[test]
fn bytes_that_are_no_text_are_spelled_out() {
    let error = AppError::not_found("it").with_context("name", b"caf\xe9\n".escape_ascii());
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with(r#"name="caf\\xe9\\n""#), "{line}");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_text_is_shown_as_far_as_it_is() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};
    let path = Path::new(OsStr::from_bytes(b"/tmp/caf\xe9"));
    let error = AppError::not_found("it").with_context("path", path.display());
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with("path=\"/tmp/caf\u{fffd}\""), "{line}");
}

#[test]
fn texts_of_any_length_and_number_are_cut() {
    let long = "ü\n".repeat(1 << 16);
    let mut error = AppError::invalid_input(long.clone())
        .with_detail(long.clone())
        .with_source(io::Error::other(long.clone()));
    for _ in 0..100 {
        error = error
            .with_context("many", &long)
            .with_field(long.clone(), "is too long");
    }
    let (_, json) = handle(&error, &long);
    assert!(json.len() < 128 * 1024, "{} bytes", json.len());
    let problem = Problem::new(&error, &Ids::new(7).make());
    assert_eq!(problem.errors().len(), 32);
    assert!(problem.detail().ends_with('…'));
}

#[test]
fn a_chain_as_deep_as_it_likes_is_cut_and_dropped() {
    let mut error = AppError::failure("the root");
    for depth in 0..200_000 {
        error = AppError::failure(format!("depth {depth}")).with_source(error);
    }
    let (line, _) = handle(&error, "GET /");
    assert!(
        line.contains("depth 199999: depth 199998:") && line.ends_with(": …\""),
        "{line}"
    );
}
