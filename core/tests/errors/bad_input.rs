//! Tests of the handler with misbehaving errors.

use highwater::error::{
    AppError, Chain, Decision, ErrorKind, Handler, IdGenerator, Incident, Problem,
};
use std::{
    error::Error,
    fmt, io,
    sync::{Arc, Mutex},
};

/// Handles an error and returns its log line and its response.
fn handle(error: &AppError, operation: &str) -> (String, String) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let handler = Handler::new().log_to({
        let lines = Arc::clone(&lines);
        move |_, line| lines.lock().unwrap().push(line.to_owned())
    });
    let incident = Incident::new(IdGenerator::new(7).generate(), operation);
    let decision = handler.handle(error, &incident);
    let Decision::Respond(problem) = decision else {
        panic!("expected a response: {decision:?}");
    };
    assert_eq!(handler.stats().bugs, 0);
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    let [line] = &lines[..] else {
        panic!("expected one log line, not {}", lines.len());
    };
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.len() <= 3 * 1024 + 16, "{} bytes", line.len());
    (line.clone(), problem.to_json())
}

/// An error that misbehaves in one way.
#[derive(Clone, Copy, Debug)]
enum Broken {
    PanicsInDisplay,
    PanicsMidDisplay,
    PanicsInSource,
    PanicsWithBomb,
    FailsInDisplay,
    IsItsOwnSource,
    NeverReturns,
}

/// Panics on drop this many times, each time with another bomb as the payload.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(remaining) = self.0.checked_sub(1)
            && !std::thread::panicking()
        {
            std::panic::panic_any(Bomb(remaining));
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::PanicsInDisplay => panic!("panic in `Display`"),
            Broken::PanicsWithBomb => std::panic::panic_any(Bomb(2)),
            Broken::PanicsMidDisplay => {
                f.write_str("the first half")?;
                panic!("panic in the middle of `Display`")
            }
            Broken::FailsInDisplay => Err(fmt::Error),
            Broken::NeverReturns => loop {
                f.write_str("and so on, ")?;
            },
            Broken::PanicsInSource | Broken::IsItsOwnSource => f.write_str("round"),
        }
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Broken::PanicsInSource => panic!("panic in `source`"),
            Broken::IsItsOwnSource => Some(self),
            _ => None,
        }
    }
}

#[test]
fn panicking_display_is_replaced() {
    for (broken, expected) in [
        (Broken::PanicsInDisplay, "(formatting panicked)"),
        (
            Broken::PanicsMidDisplay,
            "the first half(formatting panicked)",
        ),
        (Broken::PanicsWithBomb, "(formatting panicked)"),
        (Broken::PanicsInSource, "round"),
        (Broken::FailsInDisplay, ""),
    ] {
        let error = AppError::unavailable("stripe").with_source(broken);
        let (line, _) = handle(&error, "GET /");
        let chain = format!("error=\"stripe is unavailable: {expected}\"");
        assert!(line.ends_with(&chain), "{broken:?}: {line}");
    }
    let error = AppError::not_found("it").with_context("broken", Broken::PanicsMidDisplay);
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with("broken=\"the first half(formatting panicked)\""));
}

#[test]
fn panicking_panic_payload_is_tolerated() {
    let handler = Handler::new()
        .log_to(|_, _| std::panic::panic_any(Bomb(2)))
        .on_error(|_| std::panic::panic_any(Bomb(2)));
    let incident = Incident::new(IdGenerator::new(7).generate(), "GET /");
    let decision = handler.handle(&AppError::not_found("it"), &incident);
    assert_eq!(decision.problem().map(Problem::status), Some(404));
    assert_eq!(handler.stats().bugs, 1);
}

#[test]
fn panicking_source_does_not_prevent_classification() {
    let boxed = AppError::from_boxed(Box::new(Broken::PanicsInSource));
    assert_eq!(boxed.kind(), ErrorKind::Failure);
    let timed_out = io::Error::new(io::ErrorKind::TimedOut, Broken::PanicsInSource);
    assert_eq!(AppError::from(timed_out).kind(), ErrorKind::Timeout);
}

#[test]
fn cyclic_sources_are_truncated() {
    let error = AppError::unavailable("stripe").with_source(Broken::IsItsOwnSource);
    assert_eq!(error.chain().count(), Chain::MAX_DEPTH);
    let (line, _) = handle(&error, "GET /");
    assert_eq!(line.matches("round").count(), Chain::MAX_DEPTH, "{line}");
    assert!(line.ends_with("round: …\""), "{line}");
    let boxed = AppError::from_boxed(Box::new(Broken::IsItsOwnSource));
    assert_eq!(boxed.kind(), ErrorKind::Failure);
}

#[test]
fn endless_text_is_truncated() {
    let error = AppError::unavailable("stripe").with_source(Broken::NeverReturns);
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with("…\""), "{}", &line[line.len() - 20..]);
    let error = AppError::not_found("it").with_context("broken", Broken::NeverReturns);
    let (_, value) = error.context().next().unwrap();
    assert!(value.len() <= 1024 + "…".len() && value.ends_with('…'));
}

#[test]
fn log_line_escapes_every_text() {
    let hostile = "x\r\nid=fake level=\"ERROR\" \u{1b}[31m\0\u{2028}\u{202e}\\";
    let error = AppError::failure(hostile)
        .with_source(io::Error::other(hostile))
        .with_field(hostile, hostile)
        .with_context("key", hostile);
    let (line, json) = handle(&error, hostile);
    let escaped = r#"x\r\nid=fake level=\"ERROR\" \u{1b}[31m\0\u{2028}\u{202e}\\"#;
    assert_eq!(line.matches(escaped).count(), 6, "{line}");
    assert_eq!(
        line.matches(" id=").count(),
        0,
        "only the built-in id at the start: {line}"
    );
    assert!(!line.contains(['\u{2028}', '\u{202e}', '\u{1b}']));
    assert!(!json.contains("fake"));

    let error = AppError::not_found(hostile).with_context("a key\n", 7);
    let (line, json) = handle(&error, "GET /");
    assert!(line.ends_with(r#"context="a key\n" value=7"#), "{line}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["detail"], hostile, "JSON contains the text unchanged");
}

#[test]
fn context_cannot_override_built_in_keys() {
    let error = AppError::not_found("it")
        .with_context("id", 42)
        .with_context("decision", "drain");
    let (line, _) = handle(&error, "GET /");
    assert!(
        line.ends_with("context=id value=42 context=decision value=drain"),
        "{line}"
    );
    for (key, _) in line.split(' ').filter_map(|pair| pair.split_once('=')) {
        let is_context = matches!(key, "context" | "value");
        let count = format!(" {line}").matches(&format!(" {key}=")).count();
        assert!(
            is_context || count == 1,
            "{key} should occur once in {line}"
        );
    }
}

#[test]
fn long_operation_is_truncated() {
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
fn escaped_bytes_are_logged() {
    let error = AppError::not_found("it").with_context("name", b"caf\xe9\n".escape_ascii());
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with(r#"name="caf\\xe9\\n""#), "{line}");
}

#[cfg(unix)]
#[test]
fn non_utf8_path_is_logged_lossily() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};
    let path = Path::new(OsStr::from_bytes(b"/tmp/caf\xe9"));
    let error = AppError::not_found("it").with_context("path", path.display());
    let (line, _) = handle(&error, "GET /");
    assert!(line.ends_with("path=\"/tmp/caf\u{fffd}\""), "{line}");
}

#[test]
fn long_texts_and_many_fields_are_truncated() {
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
    let problem = Problem::new(&error, &IdGenerator::new(7).generate());
    assert_eq!(problem.errors().len(), 32);
    assert!(problem.detail().ends_with('…'));
}

#[test]
fn deep_chain_is_truncated_and_dropped() {
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
