//! The time and memory of a program.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use wait4::Wait4 as _;

/// The resources that a program has used.
pub(super) struct ResourceUsage {
    pub(super) elapsed: Duration,
    /// Peak memory in MiB, from `wait4`. On Linux it is never less than that of this
    /// process when it started the program.
    pub(super) peak_mib: f64,
}

/// Runs a program to its end and measures it, start-up included.
///
/// If it fails, the error has its standard error.
pub(super) fn measure(command: &mut Command) -> Result<ResourceUsage> {
    let name = command.get_program().to_owned();
    let name = name.display();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let mut stderr_text = String::new();
    if let Some(stderr) = &mut child.stderr {
        stderr.read_to_string(&mut stderr_text)?;
    }
    let used = child.wait4()?;
    let elapsed = start.elapsed();
    if !used.status.success() {
        bail!("{name} failed: {}: {}", used.status, stderr_text.trim());
    }
    Ok(ResourceUsage {
        elapsed,
        peak_mib: used.rusage.maxrss as f64 / f64::from(1 << 20),
    })
}

/// Returns the reported memory of a program that does nothing, in MiB.
pub(super) fn baseline_mib() -> Result<f64> {
    Ok(measure(&mut Command::new("true"))?.peak_mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_and_failure_are_reported() {
        let used = measure(Command::new("sh").args(["-c", "exit 0"])).unwrap();
        assert!(used.peak_mib > 0.1 && used.peak_mib < 1e4, "in MiB");
        let failed = measure(Command::new("sh").args(["-c", "echo why >&2; exit 3"]));
        let failed = failed.err().unwrap().to_string();
        assert!(failed.contains('3') && failed.contains("why"), "{failed}");
    }
}
