//! `highwater pipe`: copies, stages, summaries and memory use.

#[cfg(unix)]
mod attributes;
#[cfg(unix)]
mod blocking;
mod destinations;
#[cfg(target_os = "linux")]
mod durability;
mod errors;
mod gzip;
#[cfg(unix)]
mod in_place;
#[cfg(target_os = "linux")]
mod interrupt;

use crate::support::{command, highwater};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

/// The block size of gzip, in bytes.
const BLOCK: usize = 512 * 1024;

/// Input sizes: empty, one byte, and around the size of a block and a chunk.
const SIZES: [usize; 8] = [
    0,
    1,
    BLOCK - 1,
    BLOCK,
    BLOCK + 1,
    2 * BLOCK,
    2 * BLOCK + 1,
    9 * BLOCK + 777,
];

#[test]
fn copy_matches_for_every_size() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    for size in SIZES {
        let data = data(size);
        fs::write(&input, &data).unwrap();
        let done = highwater(&["pipe", text(&input), text(&output), "--high-water", "70000"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(done.stdout, "", "no result on standard output");
        assert!(fs::read(&output).unwrap() == data, "{size} bytes");
        assert_eq!(names(folder.path()), ["in", "out"]);
    }
}

#[test]
fn upper_changes_only_ascii_letters() {
    for size in SIZES {
        let mut data = data(size);
        let done = filter(&["--upper"], data.clone());
        data.make_ascii_uppercase();
        assert!(done.stdout == data, "{size} bytes");
    }
    let done = filter(&["--upper"], "a ß é z\0\n".into());
    assert_eq!(done.stdout, "A ß é Z\0\n".as_bytes());
}

#[test]
fn summary_avoids_the_output_stream() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, data(300_000)).unwrap();

    let done = highwater(&["pipe", text(&input), text(&output), "--upper", "--json"]);
    assert_eq!(done.stderr, "", "no progress without a terminal");
    let json = done.json();
    assert_eq!(json["input"], text(&input));
    assert_eq!(json["output"], text(&output));
    assert_eq!(json["bytes_in"], 300_000);
    assert_eq!(json["bytes_out"], 300_000);
    assert!(json["duration_ns"].as_u64().unwrap() > 0);
    assert!(json["mib_per_second"].as_f64().unwrap() > 0.0);
    assert!(json["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    let stages = json["stages"].as_array().unwrap();
    let names: Vec<&str> = stages
        .iter()
        .map(|stage| stage["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["input", "upper", "output"]);
    assert!(stages[0]["stalled_ns"].is_u64());
    assert!(stages[1]["stalled_ns"].is_null(), "never stalled");
    assert!(stages[2]["stalled_ns"].is_u64());

    let done = filter(&["--json"], data(300_000));
    assert!(done.stdout == data(300_000));
    let json: serde_json::Value = serde_json::from_slice(&done.stderr).unwrap();
    assert_eq!(json["bytes_out"], 300_000);

    let done = highwater(&["pipe", text(&input), text(&output)]);
    assert!(done.stderr.contains("293 KiB in, 293 KiB out"), "{done:?}");
    assert!(!done.stderr.contains('\u{1b}'), "no colours: {done:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_depend_on_the_data() {
    let run = |mebibytes: usize, high_water: &str| {
        let mut child = command(&["pipe", "-", "/dev/null", "--upper", "--json"])
            .args(["--high-water", high_water])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let some = data(1 << 20);
        for _ in 0..mebibytes {
            stdin.write_all(&some).unwrap();
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["bytes_out"], mebibytes << 20);
        let figure = |name: &str| usize::try_from(json[name].as_u64().unwrap()).unwrap();
        (figure("peak_rss_bytes"), figure("peak_in_flight_bytes"))
    };
    let (small, _) = run(8, "1MiB");
    let (large, in_flight) = run(256, "1MiB");
    assert!(large <= 16 << 20, "{large}");
    assert!(large <= small + (2 << 20), "{small} and {large}");
    // Two channels at their marks, a chunk above the mark for each, and one chunk for each
    // of the three stages.
    assert!(in_flight <= (2 << 20) + 5 * (256 << 10), "{in_flight}");
    // Chunks are not larger than the mark.
    let (_, in_flight) = run(16, "64KiB");
    assert!(in_flight <= 7 * (64 << 10), "{in_flight}");
}

/// Runs `pipe - -` with `input`. Fails if it fails.
fn filter(options: &[&str], input: Vec<u8>) -> Output {
    let output = try_filter(options, input);
    assert!(output.status.success(), "{output:?}");
    output
}

fn try_filter(options: &[&str], input: Vec<u8>) -> Output {
    through(command(&["pipe", "-", "-"]).args(options), input)
}

/// Runs a command with `input` on standard input, and returns its output.
fn through(command: &mut Command, input: Vec<u8>) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The command may exit before it has read everything.
    let feed = thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    output
}

/// Returns deterministic bytes, partly compressible.
fn data(size: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut data = Vec::with_capacity(size);
    while data.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let random = (state >> 33).to_le_bytes();
        data.extend_from_slice(&random[..4]);
        data.extend_from_slice(format!(" user {} signed up\n", random[0] % 40).as_bytes());
    }
    data.truncate(size);
    data
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Copies the binary to where other users can run it. They may not have access to the
/// build folder.
#[cfg(unix)]
fn program_for_all_users(folder: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let for_all_users = || fs::Permissions::from_mode(0o755);
    let program = folder.join("highwater");
    fs::copy(env!("CARGO_BIN_EXE_highwater"), &program).unwrap();
    fs::set_permissions(&program, for_all_users()).unwrap();
    fs::set_permissions(folder, for_all_users()).unwrap();
    program
}
