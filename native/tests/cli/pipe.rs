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

/// The gzip block size, in bytes.
const BLOCK: usize = 512 * 1024;

/// Input sizes: empty, one byte, and around the block and chunk sizes.
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
        let result = highwater(&[
            "pipe",
            path_str(&input),
            path_str(&output),
            "--high-water",
            "70000",
        ]);
        assert_eq!(result.code, Some(0), "{result:?}");
        assert_eq!(result.stdout, "", "standard output is not empty");
        assert!(fs::read(&output).unwrap() == data, "{size} bytes");
        assert_eq!(names(folder.path()), ["in", "out"]);
    }
}

#[test]
fn upper_changes_only_ascii_letters() {
    for size in SIZES {
        let mut data = data(size);
        let result = filter(&["--upper"], data.clone());
        data.make_ascii_uppercase();
        assert!(result.stdout == data, "{size} bytes");
    }
    let result = filter(&["--upper"], "a ß é z\0\n".into());
    assert_eq!(result.stdout, "A ß é Z\0\n".as_bytes());
}

#[test]
fn summary_is_not_mixed_into_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    fs::write(&input, data(300_000)).unwrap();

    let result = highwater(&[
        "pipe",
        path_str(&input),
        path_str(&output),
        "--upper",
        "--json",
    ]);
    assert_eq!(result.stderr, "", "progress without a terminal");
    let json = result.json();
    assert_eq!(json["input"], path_str(&input));
    assert_eq!(json["output"], path_str(&output));
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
    assert!(stages[1]["stalled_ns"].is_null(), "upper reports no stall");
    assert!(stages[2]["stalled_ns"].is_u64());

    let result = filter(&["--json"], data(300_000));
    assert!(result.stdout == data(300_000));
    let json: serde_json::Value = serde_json::from_slice(&result.stderr).unwrap();
    assert_eq!(json["bytes_out"], 300_000);

    let result = highwater(&["pipe", path_str(&input), path_str(&output)]);
    assert!(
        result.stderr.contains("293 KiB in, 293 KiB out"),
        "{result:?}"
    );
    assert!(
        !result.stderr.contains('\u{1b}'),
        "colours without a terminal: {result:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn memory_use_does_not_depend_on_input_size() {
    let run = |mebibytes: usize, high_water: &str| {
        let mut child = command(&["pipe", "-", "/dev/null", "--upper", "--json"])
            .args(["--high-water", high_water])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mebibyte = data(1 << 20);
        for _ in 0..mebibytes {
            stdin.write_all(&mebibyte).unwrap();
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
    assert!(
        large <= small + (2 << 20),
        "8 MiB: {small} bytes, 256 MiB: {large} bytes"
    );
    // Two full channels, one extra chunk for each, and one chunk in each of the three
    // stages.
    assert!(in_flight <= (2 << 20) + 5 * (256 << 10), "{in_flight}");
    // Chunks are no larger than the high-water mark.
    let (_, in_flight) = run(16, "64KiB");
    assert!(in_flight <= 7 * (64 << 10), "{in_flight}");
}

/// Runs `pipe - -` with `input`, and asserts success.
fn filter(options: &[&str], input: Vec<u8>) -> Output {
    let output = try_filter(options, input);
    assert!(output.status.success(), "{output:?}");
    output
}

fn try_filter(options: &[&str], input: Vec<u8>) -> Output {
    run_with_input(command(&["pipe", "-", "-"]).args(options), input)
}

/// Runs a command with `input` on standard input, and returns its output.
fn run_with_input(command: &mut Command, input: Vec<u8>) -> Output {
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

/// Returns deterministic, partly compressible bytes.
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

fn path_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the sorted file names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Copies the binary to a folder where other users can run it. They may not have access
/// to the build folder.
#[cfg(unix)]
fn binary_for_all_users(folder: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let for_all_users = || fs::Permissions::from_mode(0o755);
    let program = folder.join("highwater");
    fs::copy(env!("CARGO_BIN_EXE_highwater"), &program).unwrap();
    fs::set_permissions(&program, for_all_users()).unwrap();
    fs::set_permissions(folder, for_all_users()).unwrap();
    program
}
