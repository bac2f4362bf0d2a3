//! Runs interrupted by a signal.

use super::{data, names, path_str};
use crate::support::{command, signal, wait_until};
use std::{fs, io::Write, path::Path, process::Child, process::ChildStdin, process::Stdio};

#[test]
fn interrupted_run_keeps_the_old_output() {
    for (name, code) in [
        ("-INT", 130),
        ("-TERM", 143),
        ("-HUP", 129),
        ("-QUIT", 131),
        ("-XCPU", 152),
    ] {
        for option in ["--upper", "--gzip"] {
            let folder = tempfile::tempdir().unwrap();
            let output = folder.path().join("out");
            fs::write(&output, "old").unwrap();
            let (mut child, stdin) =
                start_partial_run(folder.path(), &["pipe", "-", path_str(&output), option]);
            signal(name, child.id());
            // The input is still open, so the run is waiting for more when it exits.
            assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
            drop(stdin);
            assert_eq!(names(folder.path()), ["out"], "{name} {option}");
            assert_eq!(fs::read_to_string(&output).unwrap(), "old");
        }
    }
}

#[test]
fn ignored_hangup_does_not_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let mut run = std::process::Command::new("sh");
    run.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]).args([
        env!("CARGO_BIN_EXE_highwater"),
        "pipe",
        "-",
        path_str(&output),
    ]);
    let (mut child, stdin) = start_partial_command(folder.path(), &mut run);
    signal("-HUP", child.id());
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(fs::read(&output).unwrap() == data(SENT_BYTES));
}

const SENT_BYTES: usize = 3 << 20;

fn start_partial_run(folder: &Path, arguments: &[&str]) -> (Child, ChildStdin) {
    start_partial_command(folder, &mut command(arguments))
}

/// Starts a run and feeds it until its temporary file has data.
fn start_partial_command(folder: &Path, run: &mut std::process::Command) -> (Child, ChildStdin) {
    let mut child = run
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&data(SENT_BYTES)).unwrap();
    wait_until("a partial output", || {
        assert_eq!(child.try_wait().unwrap(), None, "the run ended early");
        let parts = folder.read_dir().unwrap().flatten();
        parts
            .filter(|entry| entry.path().extension().is_some_and(|it| it == "part"))
            .any(|part| part.metadata().is_ok_and(|it| it.len() > 0))
    });
    (child, stdin)
}
