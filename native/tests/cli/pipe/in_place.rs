//! Files that cannot be replaced: rejected before the run, or overwritten with
//! `--in-place`.

use super::{binary_for_all_users, data, filter, names, path_str};
use crate::support::{command, highwater, signal, wait_until};
use std::{
    fs,
    io::Write,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Output, Stdio},
};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn assert_rejected(result: &Output, reason: &str) {
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(reason), "no {reason:?} in {stderr}");
    assert!(
        stderr.contains("use --in-place to overwrite it"),
        "{stderr}"
    );
}

#[test]
fn hard_linked_file_is_only_overwritten_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output, other] = ["in", "out", "other"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    fs::write(&output, "old and longer").unwrap();
    fs::hard_link(&output, &other).unwrap();
    let pipe = |options: &[&str]| {
        let mut command = command(&["pipe", path_str(&input), path_str(&output)]);
        command.args(options).output().unwrap()
    };
    assert_rejected(&pipe(&[]), "1 other hard link that");
    assert_eq!(fs::read_to_string(&output).unwrap(), "old and longer");
    assert_eq!(names(folder.path()), ["in", "other", "out"]);

    assert!(pipe(&["--in-place"]).status.success());
    assert_eq!(fs::read_to_string(&output).unwrap(), "new");
    assert_eq!(fs::read_to_string(&other).unwrap(), "new");
    assert_eq!(fs::metadata(&output).unwrap().nlink(), 2);
}

/// The user owns the file, but not its folder.
#[test]
fn read_only_folder_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked");
    let [input, output] = [folder.path().join("in"), locked.join("out")];
    let program = binary_for_all_users(folder.path());
    fs::create_dir(&locked).unwrap();
    fs::write(&input, "new").unwrap();
    fs::write(&output, "old").unwrap();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        chown(&output, Some(65534), Some(65534)).unwrap();
    }
    set_mode(folder.path(), 0o755);
    set_mode(&locked, 0o555);
    let pipe = |options: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["pipe", path_str(&input), path_str(&output)]);
        if is_root {
            command.uid(65534).gid(65534);
        }
        command.args(options).output().unwrap()
    };
    assert_rejected(&pipe(&[]), "locked: Permission denied");
    assert_eq!(fs::read_to_string(&output).unwrap(), "old");
    assert!(pipe(&["--in-place"]).status.success());
    assert_eq!(fs::read_to_string(&output).unwrap(), "new");
    set_mode(&locked, 0o755);
}

#[test]
fn file_of_another_user_is_rejected() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for is_sticky in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
        let program = binary_for_all_users(folder.path());
        set_mode(folder.path(), if is_sticky { 0o1777 } else { 0o777 });
        fs::write(&input, "new").unwrap();
        fs::write(&output, "old").unwrap();
        set_mode(&output, 0o666);
        let pipe = |options: &[&str]| {
            let mut command = Command::new(&program);
            command.args(["pipe", path_str(&input), path_str(&output)]);
            command
                .uid(65534)
                .gid(65534)
                .args(options)
                .output()
                .unwrap()
        };
        let reason = if is_sticky {
            "its folder is sticky"
        } else {
            "its owner 0 and group 0 cannot be preserved"
        };
        assert_rejected(&pipe(&[]), reason);
        assert_eq!(fs::read_to_string(&output).unwrap(), "old");
        assert!(pipe(&["--in-place"]).status.success());
        assert_eq!(fs::read_to_string(&output).unwrap(), "new");
        assert_eq!(fs::metadata(&output).unwrap().uid(), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn mount_point_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output, other] = ["in", "out", "other"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    for path in [&output, &other] {
        fs::write(path, "old").unwrap();
    }
    let pipe = |options: &str| {
        let script = format!(r#"mount --bind "$2" "$3" && exec "$0" pipe "$1" "$3" {options}"#);
        Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &script])
            .arg(env!("CARGO_BIN_EXE_highwater"))
            .args([&input, &other, &output])
            .output()
    };
    let can_mount = Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .status();
    if !can_mount.is_ok_and(|status| status.success()) {
        return;
    }
    assert_rejected(&pipe("").unwrap(), "it is a mount point");
    assert_eq!(fs::read_to_string(&other).unwrap(), "old");
    assert_eq!(names(folder.path()), ["in", "other", "out"]);
    let result = pipe("--in-place").unwrap();
    assert!(result.status.success(), "{result:?}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "new");
    assert_eq!(
        fs::read_to_string(&output).unwrap(),
        "old",
        "the file under the mount changed"
    );
}

#[test]
fn file_is_not_overwritten_with_itself() {
    let folder = tempfile::tempdir().unwrap();
    let [file, hard] = ["file", "hard"].map(|name| folder.path().join(name));
    fs::write(&file, "text").unwrap();
    fs::hard_link(&file, &hard).unwrap();
    for output in [&file, &hard] {
        let result = highwater(&["pipe", path_str(&file), path_str(output), "--in-place"]);
        assert_eq!(result.code, Some(2), "{result:?}");
        assert!(result.stderr.contains("are the same file"), "{result:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }
}

#[test]
fn file_is_truncated_at_the_first_write() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&output, "old").unwrap();
    let pipe = || {
        highwater(&[
            "pipe",
            path_str(&input),
            path_str(&output),
            "--gunzip",
            "--in-place",
        ])
    };

    fs::write(&input, "no gzip file").unwrap();
    let result = pipe();
    assert_eq!(result.code, Some(1), "{result:?}");
    assert!(!result.stderr.contains("incomplete"), "{result:?}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "old");

    let mut packed = filter(&["--gzip"], data(3 << 20)).stdout;
    packed.truncate(packed.len() / 2);
    fs::write(&input, packed).unwrap();
    let result = pipe();
    assert_eq!(result.code, Some(1), "{result:?}");
    assert!(result.stderr.contains("it is truncated"), "{result:?}");
    assert!(result.stderr.contains("out is incomplete"), "{result:?}");
    assert_eq!(result.stderr.lines().count(), 1, "{result:?}");

    fs::write(&input, filter(&["--gzip"], Vec::new()).stdout).unwrap();
    assert_eq!(pipe().code, Some(0));
    assert_eq!(fs::read_to_string(&output).unwrap(), "");
}

#[test]
fn interrupted_overwrite_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    fs::write(&output, "old").unwrap();
    let mut child = command(&["pipe", "-", path_str(&output), "--in-place"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&data(1 << 20)).unwrap();
    wait_until("the first bytes", || {
        fs::metadata(&output).unwrap().len() > 3
    });
    signal("-TERM", child.id());
    let result = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(result.status.code(), Some(143));
    let stderr = String::from_utf8(result.stderr).unwrap();
    assert!(stderr.contains("out is incomplete"), "{stderr}");
}
