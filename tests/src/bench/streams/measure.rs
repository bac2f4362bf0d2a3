//! How long a program takes, and how much memory.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use wait4::Wait4 as _;

/// What a program used.
pub(super) struct Used {
    pub(super) elapsed: Duration,
    /// The most memory it had at once, in MiB, as `wait4` tells. Linux counts
    /// from the moment before it started: never less than we had then.
    pub(super) peak_mib: f64,
}

/// Runs it to its end, start-up and all.
///
/// What it says on standard error is kept for the case that it fails.
pub(super) fn measure(command: &mut Command) -> Result<Used> {
    let name = command.get_program().to_owned();
    let name = name.display();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let mut said = String::new();
    if let Some(stderr) = &mut child.stderr {
        stderr.read_to_string(&mut said)?;
    }
    let used = child.wait4()?;
    let elapsed = start.elapsed();
    if !used.status.success() {
        bail!("{name} failed: {}: {}", used.status, said.trim());
    }
    Ok(Used {
        elapsed,
        peak_mib: used.rusage.maxrss as f64 / f64::from(1 << 20),
    })
}

/// What a program that does nothing is said to use, in MiB.
pub(super) fn floor_mib() -> Result<f64> {
    Ok(measure(&mut Command::new("true"))?.peak_mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_uses_some_memory_and_may_fail() {
        let used = measure(Command::new("sh").args(["-c", "exit 0"])).unwrap();
        assert!(used.peak_mib > 0.1 && used.peak_mib < 1e4, "in MiB");
        let failed = measure(Command::new("sh").args(["-c", "echo why >&2; exit 3"]));
        let failed = failed.err().unwrap().to_string();
        assert!(failed.contains('3') && failed.contains("why"), "{failed}");
    }
}
