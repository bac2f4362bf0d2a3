//! Programs that stream one file into another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use bytesize::ByteSize;

use super::super::rounds::HIGHWATER;
use super::data;
use super::measure::{ResourceUsage, measure};
use crate::run::{run_checked, stdout_of};
use crate::workspace::Workspace;

pub(super) const NODE: &str = "Node pipeline";
/// A script that ignores the result of `write`, to show the effect on memory use.
pub(super) const NODE_IGNORING_FALSE: &str = "Node, `false` ignored";
pub(super) const PIGZ: &str = "pigz";
pub(super) const GZIP: &str = "gzip";

/// Runs per round of the tasks that take about a second. Disk and memory add as much
/// variation as the program itself.
const RUNS_PER_ROUND: usize = 3;

/// The input size factor of the memory growth measurement.
const GROWTH_FACTOR: u64 = 8;

/// A task to perform on the data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Upper,
    Copy,
    Gzip,
}

/// A program that performs a task.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    /// The input file.
    input: PathBuf,
    size: ByteSize,
    command: Command,
}

/// The result of a run.
pub(super) struct FileResult {
    pub(super) mib_per_second: f64,
    pub(super) peak_mib: f64,
    /// Input size divided by output size.
    pub(super) compression: f64,
}

/// The data and the available programs.
pub(super) struct Files {
    pub(super) size: ByteSize,
    folder: PathBuf,
    highwater: PathBuf,
    script: PathBuf,
    pub(super) node: Option<String>,
    gzip: Option<PathBuf>,
    pigz: Option<PathBuf>,
}

impl Task {
    pub(super) const ALL: [Self; 3] = [Self::Upper, Self::Copy, Self::Gzip];
    /// The tasks that are fast enough for a larger input.
    pub(super) const FAST: [Self; 2] = [Self::Upper, Self::Copy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::Copy => "copy",
            Self::Gzip => "gzip",
        }
    }

    /// Returns the number of runs per round.
    pub(super) fn runs_per_round(self) -> usize {
        match self {
            Self::Upper | Self::Copy => RUNS_PER_ROUND,
            Self::Gzip => 1,
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Upper => &["--upper"],
            Self::Copy => &[],
            Self::Gzip => &["--gzip"],
        }
    }
}

impl Files {
    /// Builds `highwater`, finds the other programs and writes the input data.
    pub(super) fn prepare(workspace: &Workspace, size: ByteSize) -> Result<Self> {
        run_checked(&mut workspace.cargo("build --release -p native"))?;
        let highwater = workspace.target.join("release/highwater");
        if stdout_of(Command::new(&highwater).args(["pipe", "--help"])).is_none() {
            bail!(
                "{} does not support `pipe INPUT OUTPUT`; use `--only channels`",
                highwater.display()
            );
        }
        let files = Files {
            size,
            folder: workspace.target.join("bench-streams"),
            highwater,
            script: workspace.root.join("tests/node/bench-streams.mjs"),
            node: stdout_of(Command::new("node").arg("--version")),
            gzip: workspace.find("gzip"),
            pigz: workspace.find("pigz"),
        };
        for (name, is_installed) in [
            ("node", files.node.is_some()),
            (GZIP, files.gzip.is_some()),
            (PIGZ, files.pigz.is_some()),
        ] {
            if !is_installed {
                eprintln!("tests: warning: {name} is not on the PATH; skipping it");
            }
        }
        fs::create_dir_all(&files.folder)?;
        for size in [files.size, files.small_input_size()] {
            data::create(&files.input(size), size.as_u64())?;
        }
        Ok(files)
    }

    pub(super) fn contestants(&self, task: Task) -> Vec<Contestant> {
        let (size, output) = (self.size, self.output());
        let input = self.input(size);
        let mut highwater = Command::new(&self.highwater);
        highwater
            .arg("pipe")
            .args([&input, &output])
            .args(task.options());
        let mut all = vec![(HIGHWATER, size, highwater)];
        if self.node.is_some() {
            let node = |task: &str, size| {
                let mut node = Command::new("node");
                node.arg(&self.script).arg(task);
                node.args([self.input(size), self.output()]);
                node
            };
            all.push((NODE, size, node(task.name(), size)));
            if task == Task::Gzip {
                // A smaller input, since the script may buffer all of it in memory.
                let size = self.small_input_size();
                all.push((NODE_IGNORING_FALSE, size, node("gzip-ignoring", size)));
            }
        }
        if task == Task::Gzip {
            for (name, program) in [(GZIP, &self.gzip), (PIGZ, &self.pigz)] {
                all.extend(program.as_ref().map(|program| {
                    let mut command = Command::new(program);
                    command.args(["-6", "-c"]).arg(&input);
                    (name, size, command)
                }));
            }
        }
        let contestant = |(name, size, command)| Contestant {
            name,
            input: self.input(size),
            size,
            command,
        };
        all.into_iter().map(contestant).collect()
    }

    /// Runs a contestant once, and checks its output if `is_checked`.
    pub(super) fn run(
        &self,
        task: Task,
        contestant: &mut Contestant,
        is_checked: bool,
    ) -> Result<FileResult> {
        let output = self.output();
        // gzip and pigz write to standard output, the others to the output file.
        let stdout = if [GZIP, PIGZ].contains(&contestant.name) {
            Stdio::from(File::create(&output)?)
        } else {
            Stdio::null()
        };
        // Flushes earlier writes, so that they do not slow down this run.
        nix::unistd::sync();
        let ResourceUsage { elapsed, peak_mib } = measure(contestant.command.stdout(stdout))?;
        let output_size = fs::metadata(&output)
            .context("the output file does not exist")?
            .len();
        if is_checked {
            let check_result = self.check(task, &contestant.input);
            check_result.with_context(|| format!("{}, {}", task.name(), contestant.name))?;
        }
        fs::remove_file(&output)?;
        let bytes = contestant.size.as_u64() as f64;
        Ok(FileResult {
            mib_per_second: bytes / f64::from(1 << 20) / elapsed.as_secs_f64(),
            peak_mib,
            compression: bytes / output_size as f64,
        })
    }

    /// Returns the additional peak memory for a larger input, in MiB. Streams a sparse
    /// file of zeros to standard output, which is discarded.
    pub(super) fn memory_growth(&self, task: Task) -> Result<f64> {
        let zeros_file = self.folder.join("zeros");
        let peak = |size: u64| -> Result<f64> {
            File::create(&zeros_file)?.set_len(size)?;
            let mut highwater = Command::new(&self.highwater);
            highwater
                .arg("pipe")
                .arg(&zeros_file)
                .arg("-")
                .args(task.options());
            Ok(measure(highwater.stdout(Stdio::null()))?.peak_mib)
        };
        let size = self.size.as_u64();
        let growth = peak(size * GROWTH_FACTOR)? - peak(size)?;
        fs::remove_file(&zeros_file)?;
        Ok(growth)
    }

    fn check(&self, task: Task, input: &Path) -> Result<()> {
        let output = self.output();
        if task != Task::Gzip {
            return data::ensure_output_matches(input, File::open(output)?, task == Task::Upper);
        }
        let Some(gzip) = &self.gzip else {
            return Ok(());
        };
        let mut gunzip = Command::new(gzip)
            .arg("-dc")
            .stdin(File::open(output)?)
            .stdout(Stdio::piped())
            .spawn()?;
        let decompressed = gunzip
            .stdout
            .take()
            .context("gzip has no standard output")?;
        data::ensure_output_matches(input, decompressed, false)?;
        ensure!(
            gunzip.wait()?.success(),
            "gzip cannot decompress the output"
        );
        Ok(())
    }

    /// Returns the input size for programs that may buffer all data in memory.
    fn small_input_size(&self) -> ByteSize {
        self.size.min(ByteSize::mib(256))
    }

    fn input(&self, size: ByteSize) -> PathBuf {
        self.folder.join(format!("{}.log", size.as_u64()))
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output")
    }
}
