//! Compression and decompression, checked against the system's gzip.

use super::{BLOCK, SIZES, data, filter, run_with_input, try_filter};
use std::process::Command;

#[test]
fn compressed_data_round_trips() {
    for size in SIZES {
        let plain = data(size);
        let packed = filter(&["--gzip"], plain.clone()).stdout;
        if let Some(unpacked) = system_gzip(&["-dc"], packed.clone()) {
            assert!(unpacked == plain, "gzip -dc: {size} bytes");
        }
        // Decompress with large and small buffers.
        for high_water in ["1MiB", "4KiB"] {
            let unpacked = filter(&["--gunzip", "--high-water", high_water], packed.clone());
            assert!(
                unpacked.stdout == plain,
                "{size} bytes, high-water mark {high_water}"
            );
        }
    }
}

#[test]
fn system_gzip_output_is_decompressed() {
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
fn any_high_water_mark_works_for_incompressible_data() {
    for plain in [random(3 * BLOCK + 5), vec![0; 40 * BLOCK]] {
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
fn output_does_not_depend_on_thread_timing() {
    let plain = data(13 * BLOCK);
    let packed = filter(&["--gzip"], plain.clone()).stdout;
    assert!(packed.len() < plain.len() / 2, "{}", packed.len());
    assert!(packed == filter(&["--gzip"], plain).stdout);
}

#[test]
fn concatenated_members_are_decompressed() {
    let parts = [data(10), data(0), data(BLOCK + 3), data(1)];
    let mut packed = Vec::new();
    for part in &parts {
        packed.extend(filter(&["--gzip"], part.clone()).stdout);
    }
    assert!(filter(&["--gunzip"], packed.clone()).stdout == parts.concat());
    // The zero padding of a tape is ignored.
    packed.resize(packed.len() + 3 * BLOCK, 0);
    assert!(filter(&["--gunzip"], packed).stdout == parts.concat());
}

#[test]
fn header_with_optional_fields_is_skipped() {
    let mut packed = filter(&["--gzip"], b"text".to_vec()).stdout;
    // Extra bytes, a name and a comment.
    packed[3] = 4 | 8 | 16;
    packed.splice(10..10, *b"\x03\x00abcname\0comment\0");
    assert_eq!(filter(&["--gunzip"], packed).stdout, b"text");
}

#[test]
fn decompression_bomb_uses_little_memory() {
    let zeros = vec![0; 64 << 20];
    let packed = filter(&["--gzip"], zeros).stdout;
    assert!(packed.len() < 100_000);
    let result = filter(&["--gunzip", "--json"], packed);
    assert_eq!(result.stdout.len(), 64 << 20);
    let json: serde_json::Value = serde_json::from_slice(&result.stderr).unwrap();
    let peak = json["peak_in_flight_bytes"].as_u64().unwrap();
    assert!(peak <= 4 << 20, "{peak}");
}

#[test]
fn invalid_gzip_files_are_rejected() {
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
            "it has trailing data that is not gzip",
        ),
        (
            [whole.clone(), b"\0\0\0more".to_vec()].concat(),
            "it has trailing data that is not gzip",
        ),
        ([whole.clone(), cut(12)].concat(), "it is truncated"),
    ];
    for (packed, message) in cases {
        let result = try_filter(&["--gunzip"], packed);
        let stderr = String::from_utf8(result.stderr).unwrap();
        assert_eq!(result.status.code(), Some(1), "{message}: {stderr}");
        let prefix = format!("error: gunzip failed: standard input: {message}");
        assert!(stderr.starts_with(&prefix), "{message}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

/// Many readers stop after the first member, some of them without an error.
#[test]
fn output_is_one_member() {
    for size in SIZES {
        let plain = data(size);
        for high_water in ["4KiB", "100000", "8MiB"] {
            let packed = filter(&["--gzip", "--high-water", high_water], plain.clone()).stdout;
            let (unpacked, rest) = first_member(&packed);
            assert!(
                unpacked == plain,
                "{size} bytes, high-water mark {high_water}"
            );
            assert_eq!(rest, 0, "{size} bytes, high-water mark {high_water}");
        }
    }
}

#[test]
fn members_option_writes_separate_members() {
    let plain = data(2 * BLOCK + 5);
    let packed = filter(&["--gzip", "--members"], plain.clone()).stdout;
    let (unpacked, rest) = first_member(&packed);
    assert!(unpacked == plain[..BLOCK]);
    assert!(rest > 0);
    assert!(filter(&["--gunzip"], packed).stdout == plain);

    let result = try_filter(&["--members"], Vec::new());
    assert_eq!(result.status.code(), Some(2), "--members requires --gzip");
}

#[test]
fn output_is_about_as_small_as_gzip_output() {
    let random = random(3 * BLOCK + 5);
    let program = std::fs::read(env!("CARGO_BIN_EXE_highwater")).unwrap();
    let numbers: Vec<u8> = (0..300_000_u32)
        .scan(0, |sum, step| {
            *sum += step % 97;
            Some(*sum)
        })
        .flat_map(u32::to_le_bytes)
        .collect();
    for (name, plain) in [
        ("text", include_bytes!("errors.rs").repeat(100)),
        ("little text", include_bytes!("errors.rs").to_vec()),
        ("log", data(9 * BLOCK + 777)),
        ("binary", program[..4 << 20].to_vec()),
        ("numbers", numbers),
        ("random", random.clone()),
        ("random and log", [random, data(3 * BLOCK)].concat()),
        ("a few bytes", b"a few bytes".to_vec()),
        ("nothing", Vec::new()),
    ] {
        let Some(theirs) = system_gzip(&["-6c"], plain.clone()) else {
            return;
        };
        let ours = filter(&["--gzip"], plain).stdout;
        // The two programs search for repetitions differently.
        let max_len = theirs.len() + theirs.len() / 200;
        assert!(
            ours.len() <= max_len,
            "{name}: {} bytes, gzip {} bytes",
            ours.len(),
            theirs.len()
        );
    }
}

/// The output before an error does not depend on the timing of the write thread.
#[test]
fn output_before_an_error_is_written() {
    let plain = data(5 * BLOCK + 11);
    let whole = filter(&["--gzip"], plain.clone()).stdout;
    let other = filter(&["--gzip"], data(3 * BLOCK)).stdout;
    let mut corrupt = other.clone();
    let len = corrupt.len();
    corrupt[len - 6] ^= 0x55;
    let garbage = "it has trailing data that is not gzip";
    let cases: [(&[u8], usize, &str); 6] = [
        (b"and more", 0, garbage),
        (b"x", 0, garbage),
        (b"\0\0\0more", 0, garbage),
        (b"\x1f\x8b", 0, "it is truncated"),
        (&other[..len - 1], 3 * BLOCK, "it is truncated"),
        (
            &corrupt,
            3 * BLOCK,
            "the data is corrupt: incorrect data check",
        ),
    ];
    for (trailing, more, message) in cases {
        let expected = [plain.clone(), data(more)].concat();
        let packed = [whole.clone(), trailing.to_vec()].concat();
        for high_water in ["4KiB", "70000", "1MiB"] {
            let result = try_filter(&["--gunzip", "--high-water", high_water], packed.clone());
            let stderr = String::from_utf8_lossy(&result.stderr);
            assert_eq!(result.status.code(), Some(1), "{stderr}");
            assert!(stderr.contains(message), "{message}: {stderr}");
            assert_eq!(
                result.stdout.len(),
                expected.len(),
                "{message}, high-water mark {high_water}"
            );
            assert!(
                result.stdout == expected,
                "{message}, high-water mark {high_water}"
            );
        }
    }
}

/// Decompresses the first member. Returns its content and the number of remaining bytes.
fn first_member(packed: &[u8]) -> (Vec<u8>, usize) {
    use std::io::Read;
    let mut decoder = flate2::bufread::GzDecoder::new(packed);
    let mut plain = Vec::new();
    decoder.read_to_end(&mut plain).unwrap();
    (plain, decoder.into_inner().len())
}

/// Returns deterministic bytes that cannot be compressed.
fn random(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let random = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    random.take(size).collect()
}

/// Runs the system's gzip, if installed.
fn system_gzip(options: &[&str], input: Vec<u8>) -> Option<Vec<u8>> {
    let has_gzip = Command::new("gzip").arg("--version").output().is_ok();
    has_gzip.then(|| {
        let output = run_with_input(Command::new("gzip").args(options), input);
        assert!(output.status.success(), "{output:?}");
        output.stdout
    })
}
