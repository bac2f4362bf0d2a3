//! Standard streams that another process made non-blocking.

use super::data;
use crate::support::{command, wait_until};
use std::{
    fs,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{Child, Stdio},
};

fn make_non_blocking(stream: &impl AsFd) {
    rustix::io::ioctl_fionbio(stream, true).unwrap();
}

/// Waits until all threads of a process sleep. A thread in a busy loop never sleeps.
fn wait_until_idle(child: &mut Child) {
    let tasks = format!("/proc/{}/task", child.id());
    if !fs::exists("/proc/self/task").unwrap() {
        return;
    }
    let is_sleeping = |path: &std::path::Path| {
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        status.contains("State:\tS")
    };
    wait_until("an idle process", || {
        assert_eq!(child.try_wait().unwrap(), None, "the process exited early");
        let threads: Vec<_> = fs::read_dir(&tasks).unwrap().flatten().collect();
        // The main thread, the read thread and the write thread.
        threads.len() >= 3 && threads.iter().all(|thread| is_sleeping(&thread.path()))
    });
}

#[test]
fn non_blocking_input_is_read_completely() {
    for option in ["--upper", "--gzip"] {
        let (stdin, mut feed) = io::pipe().unwrap();
        make_non_blocking(&stdin);
        let mut child = command(&["pipe", "-", "-", option])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let plain = data(300_000);
        let mut output = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| stdout.read_to_end(&mut output).unwrap());
            for piece in plain.chunks(100_000) {
                wait_until_idle(&mut child);
                feed.write_all(piece).unwrap();
            }
            drop(feed);
        });
        assert_eq!(child.wait().unwrap().code(), Some(0), "{option}");
        if option == "--gzip" {
            let mut unpacked = Vec::new();
            let mut gunzip = flate2::read::GzDecoder::new(&output[..]);
            gunzip.read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == plain);
        } else {
            assert!(output == plain.to_ascii_uppercase());
        }
    }
}

#[test]
fn non_blocking_output_is_written_completely() {
    let (mut output, stdout) = io::pipe().unwrap();
    make_non_blocking(&stdout);
    let mut child = command(&["pipe", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than fits in a pipe.
    let bytes = data(1 << 20);
    let sent = bytes.clone();
    let feed = std::thread::spawn(move || stdin.write_all(&sent).is_ok());
    wait_until_idle(&mut child);
    let mut read = Vec::new();
    output.read_to_end(&mut read).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(feed.join().unwrap(), "the input was not read completely");
    assert!(read == bytes, "{} bytes", read.len());
}

#[test]
fn error_is_written_to_non_blocking_stderr() {
    let (mut messages, mut stderr) = io::pipe().unwrap();
    make_non_blocking(&stderr);
    while stderr.write(&[b'-'; 4096]).is_ok() {}
    while stderr.write(b"-").is_ok() {}
    let mut child = command(&["pipe", "/none", "-"])
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let mut read = String::new();
    messages.read_to_string(&mut read).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let message = read.trim_start_matches('-');
    assert!(message.starts_with("error: cannot read /none"), "{message}");
}
