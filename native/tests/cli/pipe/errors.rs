//! Errors: the exit code, one line that names the stage and the file, and an unchanged
//! output.

use super::{data, filter, names, path_str};
use crate::support::{command, highwater};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
};

#[test]
fn invalid_input_prints_one_line_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| path_str(&folder.path().join(name)).to_owned();
    let [here, input, output] = ["", "in", "out"].map(at);
    let [missing, nowhere, no_file] = ["none", "none/out", "none/"].map(at);
    let too_long = at(&"long".repeat(100));
    fs::write(&input, "text").unwrap();
    let [read_folder, write_folder] =
        ["read", "write"].map(|verb| format!("cannot {verb} {here}: it is a folder"));
    let invalid_marks = [
        "0",
        "1",
        "2GiB",
        "-1",
        "much",
        "1.5MiB",
        "99999999999999999999",
    ];
    let mut cases: Vec<(Vec<&str>, &str)> = vec![
        (vec![&missing, &output], "none: No such file"),
        (vec![&here, &output], &read_folder),
        (vec![&input, &here], &write_folder),
        (vec![&input, &nowhere], "none/out: the folder "),
        (vec![&input, &no_file], "none/: it ends with a separator"),
        (vec![&input, &too_long], ": File name too"),
        (
            vec![&input, &output, "--gzip", "--gunzip"],
            "'--gzip' cannot be used with '--gunzip'",
        ),
        (vec![&input], "<OUTPUT>"),
    ];
    for mark in invalid_marks {
        let arguments = vec![&*input, &*output, "--high-water", mark];
        cases.push((arguments, "expected 4KiB to 1GiB, for example 64KiB"));
    }
    for (arguments, message) in cases {
        let result = highwater(&[vec!["pipe"], arguments.clone()].concat());
        assert_eq!(result.code, Some(2), "{arguments:?}: {result:?}");
        assert_eq!(result.stdout, "", "{arguments:?}");
        assert_eq!(result.stderr.lines().count(), 1, "{result:?}");
        assert!(result.stderr.starts_with("error: "), "{result:?}");
        assert!(
            result.stderr.contains(message),
            "no {message:?} in {result:?}"
        );
        assert_eq!(names(folder.path()), ["in"], "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn input_is_rejected_as_output_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let [file, hard, soft] = ["file", "hard", "soft"].map(|name| folder.path().join(name));
    fs::write(&file, "text").unwrap();
    fs::hard_link(&file, &hard).unwrap();
    std::os::unix::fs::symlink("file", &soft).unwrap();
    let other_spelling = format!("{}/./file", folder.path().display());
    let open = || fs::OpenOptions::new().append(true).open(&file).unwrap();
    let mut runs = vec![
        command(&["pipe", "-", path_str(&file)]),
        command(&["pipe", path_str(&file), "-"]),
        command(&["pipe", "-", "-"]),
    ];
    for run in &mut runs {
        run.stdin(fs::File::open(&file).unwrap()).stdout(open());
    }
    for output in [
        path_str(&file),
        path_str(&hard),
        path_str(&soft),
        &other_spelling,
    ] {
        runs.push(command(&["pipe", path_str(&file), output]));
    }
    for mut run in runs {
        let result = run.stderr(Stdio::piped()).spawn().unwrap();
        let result = result.wait_with_output().unwrap();
        let stderr = String::from_utf8(result.stderr).unwrap();
        assert_eq!(result.status.code(), Some(2), "{run:?}: {stderr}");
        assert!(stderr.contains("are the same file: choose another output"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }
    assert_eq!(names(folder.path()), ["file", "hard", "soft"]);
}

#[cfg(unix)]
#[test]
fn missing_permission_is_reported() {
    use std::os::unix::fs::PermissionsExt;
    if nix::unistd::geteuid().is_root() {
        // Root ignores permissions.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    fs::write(&output, "old").unwrap();
    for (file, verb) in [(&output, "write"), (&input, "read")] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o200)).unwrap();
        if file == &output {
            fs::set_permissions(file, fs::Permissions::from_mode(0o400)).unwrap();
        }
        let result = highwater(&["pipe", path_str(&input), path_str(&output)]);
        assert_eq!(result.code, Some(2), "{result:?}");
        let message = format!("cannot {verb} {}: Permission denied", file.display());
        assert!(result.stderr.contains(&message), "{result:?}");
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(fs::read_to_string(&output).unwrap(), "old");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_leaves_no_partial_output() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, data(3 << 20)).unwrap();
    fs::write(&output, "old").unwrap();

    let result = highwater(&["pipe", path_str(&input), "/dev/full"]);
    assert_eq!(result.code, Some(1), "{result:?}");
    let message = "error: output failed: /dev/full: No space left on device";
    assert!(result.stderr.starts_with(message), "{result:?}");

    // A file size limit fails in the middle of the file, like a full disk.
    for option in ["--upper", "--gzip"] {
        let program = env!("CARGO_BIN_EXE_highwater");
        let script = r#"ulimit -f 200; exec "$0" "$@""#;
        let arguments = ["pipe", path_str(&input), path_str(&output), option];
        let result = Command::new("sh")
            .args(["-c", script, program])
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8(result.stderr).unwrap();
        assert_eq!(result.status.code(), Some(1), "{stderr}");
        let message = format!("error: output failed: {}: File too large", output.display());
        assert!(stderr.starts_with(&message), "{stderr}");
        assert_unchanged(folder.path());
    }
}

#[test]
fn failed_stage_keeps_the_old_output() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    let mut packed = filter(&["--gzip"], data(5 << 20)).stdout;
    packed.pop();
    fs::write(&input, packed).unwrap();
    fs::write(&output, "old").unwrap();
    let result = highwater(&["pipe", path_str(&input), path_str(&output), "--gunzip"]);
    assert_eq!(result.code, Some(1), "{result:?}");
    let message = format!("error: gunzip failed: {}: it is truncated", input.display());
    assert!(result.stderr.starts_with(&message), "{result:?}");
    assert_unchanged(folder.path());
}

#[cfg(unix)]
#[test]
fn closed_output_stops_the_run_silently() {
    for options in [&[][..], &["--upper"], &["--gzip"]] {
        let mut child = command(&["pipe", "-", "-"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mebibyte = data(1 << 20);
        // Writes until the program exits, more than fits in a pipe.
        let feed = std::thread::spawn(move || while stdin.write_all(&mebibyte).is_ok() {});
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        drop(stdout);
        let result = child.wait_with_output().unwrap();
        feed.join().unwrap();
        assert_eq!(result.status.code(), Some(141), "{result:?}");
        assert_eq!(result.stderr, b"", "standard error is not empty");
    }
}

#[cfg(unix)]
#[test]
fn failed_output_stops_the_run_without_further_input() {
    let mut child = command(&["pipe", "-", "/dev/full"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a few bytes").unwrap();
    // The input stays open until the program exits.
    assert_eq!(child.wait().unwrap().code(), Some(1));
    drop(stdin);
}

fn assert_unchanged(folder: &Path) {
    assert_eq!(names(folder), ["in", "out"]);
    assert_eq!(fs::read_to_string(folder.join("out")).unwrap(), "old");
}
