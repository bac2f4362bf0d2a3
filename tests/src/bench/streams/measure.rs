//! Measures the run time and memory use of a program.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use wait4::Wait4 as _;

/// The resources used by a program.
pub(super) struct ResourceUsage {
    pub(super) elapsed: Duration,
    /// Peak memory in MiB, from `wait4`. On Linux it is at least the memory of this
    /// process when it started the program.
    pub(super) peak_mib: f64,
}

/// Runs a program to completion and measures it, including its start-up.
///
/// If it fails, the error contains its standard error.
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
    let usage = child.wait4()?;
    let elapsed = start.elapsed();
    if !usage.status.success() {
        bail!("{name} failed: {}: {}", usage.status, stderr_text.trim());
    }
    Ok(ResourceUsage {
        elapsed,
        peak_mib: usage.rusage.maxrss as f64 / f64::from(1 << 20),
    })
}

/// Returns the reported peak memory of a program that does nothing, in MiB.
pub(super) fn baseline_mib() -> Result<f64> {
    Ok(measure(&mut Command::new("true"))?.peak_mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measure_reports_usage_and_failure() {
        let usage = measure(Command::new("sh").args(["-c", "exit 0"])).unwrap();
        assert!(usage.peak_mib > 0.1 && usage.peak_mib < 1e4, "in MiB");
        let failed = measure(Command::new("sh").args(["-c", "echo why >&2; exit 3"]));
        let failed = failed.err().unwrap().to_string();
        assert!(failed.contains('3') && failed.contains("why"), "{failed}");
    }
}
