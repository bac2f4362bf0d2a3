//! Compressing and decompressing, with the system's gzip as the other side.

use super::{BLOCK, SIZES, data, filter, through, try_filter};
use std::process::Command;

#[test]
fn what_is_compressed_is_read_back() {
    for size in SIZES {
        let plain = data(size);
        let packed = filter(&["--gzip"], plain.clone()).stdout;
        if let Some(unpacked) = system_gzip(&["-dc"], packed.clone()) {
            assert!(unpacked == plain, "gzip -dc: {size} bytes");
        }
        // Few bytes at a time, and a small output, too.
        for high_water in ["1MiB", "4KiB"] {
            let unpacked = filter(&["--gunzip", "--high-water", high_water], packed.clone());
            assert!(unpacked.stdout == plain, "{size} bytes by {high_water}");
        }
    }
}

#[test]
fn what_others_compress_is_read() {
    for size in SIZES {
        let plain = data(size);
        for level in ["-1c", "-6c", "-9c"] {
            if let Some(packed) = system_gzip(&[level], plain.clone()) {
                assert!(
                    filter(&["--gunzip"], packed).stdout == plain,
                    "{size} bytes"
                );
            }
        }
    }
}

#[test]
fn small_marks_and_bytes_that_cannot_be_compressed_change_nothing() {
    let mut state = 1_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(3 * BLOCK + 5)
    .collect();
    for plain in [random, vec![0; 40 * BLOCK]] {
        for high_water in ["4KiB", "100000", "64MiB"] {
            let packed = filter(&["--gzip", "--high-water", high_water], plain.clone()).stdout;
            assert!(packed.len() < plain.len() + plain.len() / 100);
            assert!(
                filter(&["--gunzip"], packed).stdout == plain,
                "{high_water}"
            );
        }
    }
}

#[test]
fn the_same_input_gives_the_same_output_whoever_is_first() {
    let plain = data(13 * BLOCK);
    let packed = filter(&["--gzip"], plain.clone()).stdout;
    assert!(packed.len() < plain.len() / 2, "{}", packed.len());
    assert!(packed == filter(&["--gzip"], plain).stdout);
}

#[test]
fn members_are_read_one_after_the_other() {
    let parts = [data(10), data(0), data(BLOCK + 3), data(1)];
    let mut packed = Vec::new();
    for part in &parts {
        packed.extend(filter(&["--gzip"], part.clone()).stdout);
    }
    assert!(filter(&["--gunzip"], packed.clone()).stdout == parts.concat());
    // What a tape is filled up with is no part of it.
    packed.resize(packed.len() + 3 * BLOCK, 0);
    assert!(filter(&["--gunzip"], packed).stdout == parts.concat());
}

#[test]
fn a_header_with_everything_in_it_is_read() {
    let mut packed = filter(&["--gzip"], b"text".to_vec()).stdout;
    // Extra bytes, a name and a comment.
    packed[3] = 4 | 8 | 16;
    packed.splice(10..10, *b"\x03\x00abcname\0comment\0");
    assert_eq!(filter(&["--gunzip"], packed).stdout, b"text");
}

#[test]
fn a_little_that_stands_for_much_takes_no_memory() {
    let zeros = vec![0; 64 << 20];
    let packed = filter(&["--gzip"], zeros).stdout;
    assert!(packed.len() < 100_000);
    let done = filter(&["--gunzip", "--json"], packed);
    assert_eq!(done.stdout.len(), 64 << 20);
    let json: serde_json::Value = serde_json::from_slice(&done.stderr).unwrap();
    let peak = json["peak_in_flight_bytes"].as_u64().unwrap();
    assert!(peak <= 4 << 20, "{peak}");
}

#[test]
fn what_is_no_whole_gzip_file_is_said_to_be_so() {
    let whole = filter(&["--gzip"], data(BLOCK)).stdout;
    let flip = |at: usize| {
        let mut corrupt = whole.clone();
        corrupt[at] ^= 0x55;
        corrupt
    };
    let len = whole.len();
    let cut = |len: usize| whole[..len].to_vec();
    let cases = [
        (b"".to_vec(), "it is empty"),
        (b"no gzip file".to_vec(), "it is not in gzip format"),
        (flip(len / 2), "the data is corrupt: "),
        (flip(len - 6), "the data is corrupt: incorrect data check"),
        (flip(len - 2), "the data is corrupt: incorrect length check"),
        (flip(2), "the data is corrupt: unknown compression method"),
        (cut(5), "it is truncated"),
        (cut(len / 2), "it is truncated"),
        (cut(len - 8), "it is truncated"),
        (cut(len - 1), "it is truncated"),
        (
            [whole.clone(), b"and more".to_vec()].concat(),
            "it has other data behind its end",
        ),
        (
            [whole.clone(), b"\0\0\0more".to_vec()].concat(),
            "it has other data behind its end",
        ),
        ([whole.clone(), cut(12)].concat(), "it is truncated"),
    ];
    for (packed, message) in cases {
        let done = try_filter(&["--gunzip"], packed);
        let stderr = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{message}: {stderr}");
        let begins = format!("error: gunzip failed: standard input: {message}");
        assert!(stderr.starts_with(&begins), "{message}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

/// Runs the system's gzip, if there is one.
fn system_gzip(options: &[&str], input: Vec<u8>) -> Option<Vec<u8>> {
    let has_gzip = Command::new("gzip").arg("--version").output().is_ok();
    has_gzip.then(|| {
        let output = through(Command::new("gzip").args(options), input);
        assert!(output.status.success(), "{output:?}");
        output.stdout
    })
}
