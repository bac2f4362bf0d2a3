//! Input data that compresses like log files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// A description of the data.
pub(super) const DATA_DESCRIPTION: &str = "pseudo-random log lines (the same in every run)";

const WORDS: [&str; 32] = [
    "accepted",
    "account",
    "after",
    "backend",
    "cache",
    "client",
    "closed",
    "connection",
    "copied",
    "deadline",
    "error",
    "flushed",
    "from",
    "handler",
    "index",
    "listener",
    "memory",
    "message",
    "missing",
    "opened",
    "page",
    "queue",
    "reader",
    "request",
    "retried",
    "session",
    "slow",
    "stream",
    "timeout",
    "upstream",
    "worker",
    "writer",
];

/// Writes a file of this size unless one exists from an earlier run.
pub(super) fn create(path: &Path, size: u64) -> Result<()> {
    if fs::metadata(path).is_ok_and(|existing| existing.len() == size) {
        return Ok(());
    }
    eprintln!("tests: writing {}", path.display());
    // Written under a temporary name and renamed when complete.
    let temporary = path.with_extension("part");
    let write = || -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 16, File::create(&temporary)?);
        let mut lines = Lines(0x9e37_79b9_7f4a_7c15);
        let mut remaining = size;
        while remaining > 0 {
            let line = lines.next_line();
            let line = &line.as_bytes()[..line
                .len()
                .min(usize::try_from(remaining).unwrap_or(usize::MAX))];
            file.write_all(line)?;
            remaining -= line.len() as u64;
        }
        file.into_inner()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

/// Fails if the output differs from the input, converted to upper case if `is_upper`.
pub(super) fn ensure_output_matches(
    input: &Path,
    mut output: impl Read,
    is_upper: bool,
) -> Result<()> {
    let mut input = File::open(input)?;
    let (mut expected, mut actual) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = input.read(&mut expected)?;
        if length == 0 {
            break;
        }
        output
            .read_exact(&mut actual[..length])
            .context("the output is too short")?;
        if is_upper {
            expected[..length].make_ascii_uppercase();
        }
        ensure!(
            expected[..length] == actual[..length],
            "the output differs from the input"
        );
    }
    ensure!(output.read(&mut actual)? == 0, "the output is too long");
    Ok(())
}

/// A generator of a fixed sequence of pseudo-random lines (xorshift).
struct Lines(u64);

impl Lines {
    fn next_line(&mut self) -> String {
        let (request, milliseconds) = (self.next_below(1_000_000), self.next_below(5_000));
        let mut line = format!("request {request:06} {milliseconds} ms");
        for _ in 0..4 + self.next_below(8) {
            // The minimum of two draws makes some words more frequent.
            let word = self.next_below(32).min(self.next_below(32));
            line.push(' ');
            line.push_str(WORDS[usize::try_from(word).unwrap_or_default()]);
        }
        line.push('\n');
        line
    }

    fn next_below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_output_is_rejected() {
        let input = std::env::temp_dir().join(format!("bench-data-{}", std::process::id()));
        create(&input, 200_001).unwrap();
        let full_output = fs::read(&input).unwrap();
        assert_eq!(full_output.len(), 200_001);
        ensure_output_matches(&input, &full_output[..], false).unwrap();
        ensure_output_matches(&input, &full_output.to_ascii_uppercase()[..], true).unwrap();
        let error_for = |output: &[u8]| {
            ensure_output_matches(&input, output, false)
                .unwrap_err()
                .to_string()
        };
        assert!(error_for(&full_output[1..]).contains("differs"));
        assert!(error_for(&full_output[..200_000]).contains("short"));
        assert!(error_for(&[&full_output[..], b"!"].concat()).contains("long"));
        fs::remove_file(&input).unwrap();
    }
}
