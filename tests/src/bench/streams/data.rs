//! The input data: text that compresses like log files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Description of the data.
pub(super) const ABOUT: &str = "log lines of words and numbers, the same in every run";

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

/// Writes a file of this size, unless it exists from an earlier run.
pub(super) fn create(path: &Path, size: u64) -> Result<()> {
    if fs::metadata(path).is_ok_and(|there| there.len() == size) {
        return Ok(());
    }
    eprintln!("tests: writing {}", path.display());
    // Renamed once it is complete.
    let part = path.with_extension("part");
    let write = || -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 16, File::create(&part)?);
        let mut lines = Lines(0x9e37_79b9_7f4a_7c15);
        let mut left = size;
        while left > 0 {
            let line = lines.next_line();
            let line =
                &line.as_bytes()[..line.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            file.write_all(line)?;
            left -= line.len() as u64;
        }
        file.into_inner()?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Checks that the output equals the input, in upper case if `is_upper`.
pub(super) fn ensure_same(input: &Path, mut output: impl Read, is_upper: bool) -> Result<()> {
    let mut input = File::open(input)?;
    let (mut expected, mut found) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = input.read(&mut expected)?;
        if length == 0 {
            break;
        }
        output
            .read_exact(&mut found[..length])
            .context("the output is too short")?;
        if is_upper {
            expected[..length].make_ascii_uppercase();
        }
        ensure!(
            expected[..length] == found[..length],
            "the output differs from the input"
        );
    }
    ensure!(output.read(&mut found)? == 0, "the output is too long");
    Ok(())
}

/// A generator of pseudo-random lines, always the same (xorshift).
struct Lines(u64);

impl Lines {
    fn next_line(&mut self) -> String {
        let (request, milliseconds) = (self.below(1_000_000), self.below(5_000));
        let mut line = format!("request {request:06} {milliseconds} ms");
        for _ in 0..4 + self.below(8) {
            // The lesser of two draws, so that some words are more frequent.
            let word = self.below(32).min(self.below(32));
            line.push(' ');
            line.push_str(WORDS[usize::try_from(word).unwrap_or_default()]);
        }
        line.push('\n');
        line
    }

    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_compared_to_its_last_byte() {
        let input = std::env::temp_dir().join(format!("bench-data-{}", std::process::id()));
        create(&input, 200_001).unwrap();
        let whole = fs::read(&input).unwrap();
        assert_eq!(whole.len(), 200_001);
        ensure_same(&input, &whole[..], false).unwrap();
        ensure_same(&input, &whole.to_ascii_uppercase()[..], true).unwrap();
        let wrong = |output: &[u8]| ensure_same(&input, output, false).unwrap_err().to_string();
        assert!(wrong(&whole[1..]).contains("differs"));
        assert!(wrong(&whole[..200_000]).contains("short"));
        assert!(wrong(&[&whole[..], b"!"].concat()).contains("long"));
        fs::remove_file(&input).unwrap();
    }
}
