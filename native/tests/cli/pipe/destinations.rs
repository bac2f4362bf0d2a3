//! Outputs: links, owners, devices, named pipes and standard output.

use super::{data, filter, names, path_str};
use crate::support::{command, highwater};
use std::{fs, process::Stdio};

#[cfg(unix)]
#[test]
fn umask_applies_without_an_input_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let [output, reference] = ["out", "reference"].map(|name| folder.path().join(name));
    fs::write(&reference, "a file with the umask's permissions").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();

    for source in ["-", "/dev/null"] {
        assert_eq!(
            highwater(&["pipe", source, path_str(&output)]).code,
            Some(0)
        );
        assert_eq!(mode(&output), mode(&reference), "{source}");
        fs::remove_file(&output).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn output_through_a_link_keeps_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let [input, real, link] = ["in", "real", "link"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    assert_eq!(
        highwater(&["pipe", path_str(&input), path_str(&link)]).code,
        Some(0)
    );
    assert_eq!(fs::read_link(&link).unwrap().to_str(), Some("real"));
    assert_eq!(fs::read_to_string(&real).unwrap(), "new");
}

#[cfg(unix)]
#[test]
fn output_through_a_dangling_link_creates_its_target() {
    let folder = tempfile::tempdir().unwrap();
    let [input, real, link] = ["in", "real", "link"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    std::os::unix::fs::symlink("between", &link).unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("between")).unwrap();
    let result = highwater(&["pipe", path_str(&input), path_str(&link)]);
    assert_eq!(result.code, Some(0), "{result:?}");
    assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    assert_eq!(names(folder.path()), ["between", "in", "link", "real"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

    let cycle = folder.path().join("cycle");
    std::os::unix::fs::symlink("cycle", &cycle).unwrap();
    let result = highwater(&["pipe", path_str(&input), path_str(&cycle)]);
    assert_eq!(result.code, Some(2), "{result:?}");
    assert!(
        result
            .stderr
            .contains("cycle: too many levels of symbolic links"),
        "{result:?}"
    );
}

#[cfg(unix)]
#[test]
fn replaced_file_keeps_its_owner() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    if !nix::unistd::geteuid().is_root() {
        // Only root can change the owner of a file.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, "new").unwrap();
    fs::write(&output, "old").unwrap();
    chown(&output, Some(4321), Some(1234)).unwrap();
    fs::set_permissions(&output, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        highwater(&["pipe", path_str(&input), path_str(&output)]).code,
        Some(0)
    );
    let now = fs::metadata(&output).unwrap();
    assert_eq!(
        (now.uid(), now.gid(), now.mode() & 0o777),
        (4321, 1234, 0o640)
    );
    assert_eq!(fs::read_to_string(&output).unwrap(), "new");
}

#[cfg(target_os = "linux")]
#[test]
fn devices_and_named_pipes_are_written_directly() {
    let folder = tempfile::tempdir().unwrap();
    let [input, pipe, output] = ["in", "pipe", "out"].map(|name| folder.path().join(name));
    let bytes = data(300_000);
    fs::write(&input, &bytes).unwrap();
    assert_eq!(
        highwater(&["pipe", path_str(&input), "/dev/null"]).code,
        Some(0)
    );
    assert_eq!(highwater(&["pipe", "/dev/null", "/dev/null"]).code, Some(0));

    let mkfifo = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(mkfifo.unwrap().success());
    let mut writer = command(&["pipe", path_str(&input), path_str(&pipe)])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let reader = highwater(&["pipe", path_str(&pipe), path_str(&output)]);
    assert_eq!(reader.code, Some(0), "{reader:?}");
    assert!(writer.wait().unwrap().success());
    assert!(fs::read(&output).unwrap() == bytes);
    assert_eq!(names(folder.path()), ["in", "out", "pipe"]);
}

#[test]
fn standard_output_can_append_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    fs::write(&output, "before ").unwrap();
    let file = fs::OpenOptions::new().append(true).open(&output).unwrap();
    let input = folder.path().join("in");
    fs::write(&input, "after").unwrap();
    let status = command(&["pipe", path_str(&input), "-"])
        .stdout(file)
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(fs::read_to_string(&output).unwrap(), "before after");
}

#[test]
fn data_is_forwarded_before_the_input_ends() {
    use std::io::{Read, Write};
    let mut child = command(&["pipe", "-", "-", "--upper"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    for (sent, expected) in [(b"ping", b"PING"), (b"pong", b"PONG")] {
        stdin.write_all(sent).unwrap();
        let mut response = [0; 4];
        stdout.read_exact(&mut response).unwrap();
        assert_eq!(&response, expected);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn stages_can_be_combined() {
    let plain = data(400_000);
    let upper = plain.to_ascii_uppercase();
    let packed = filter(&["--upper", "--gzip"], plain.clone()).stdout;
    assert!(filter(&["--gunzip"], packed).stdout == upper);
    let packed = filter(&["--gzip"], plain).stdout;
    assert!(filter(&["--gunzip", "--upper"], packed).stdout == upper);
}
