//! Programs that stream one file into another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use bytesize::ByteSize;

use super::super::{OURS, stdout_of};
use super::measure::{ResourceUsage, measure};
use super::{QUICK_TURNS, data};
use crate::run::run_checked;
use crate::workspace::Workspace;

pub(super) const NODE: &str = "Node pipeline";
/// A script that ignores the result of `write`, to show the effect on memory.
pub(super) const IGNORING: &str = "Node, `false` ignored";
pub(super) const PIGZ: &str = "pigz";
pub(super) const GZIP: &str = "gzip";

/// The factor by which the data grows in the memory comparison.
const GROWTH: u64 = 8;

/// The transformation of the data.
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

/// The result of a turn.
pub(super) struct FileResult {
    pub(super) mib_per_second: f64,
    pub(super) peak_mib: f64,
    /// Size of the input divided by that of the output.
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
    /// The tasks that are quick enough for more data.
    pub(super) const QUICK: [Self; 2] = [Self::Upper, Self::Copy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::Copy => "copy",
            Self::Gzip => "gzip",
        }
    }

    /// Returns the number of turns per round.
    pub(super) fn turns(self) -> usize {
        match self {
            Self::Upper | Self::Copy => QUICK_TURNS,
            Self::Gzip => 1,
        }
    }

    fn flag(self) -> &'static [&'static str] {
        match self {
            Self::Upper => &["--upper"],
            Self::Copy => &[],
            Self::Gzip => &["--gzip"],
        }
    }
}

impl Files {
    /// Builds `highwater`, finds the other programs, and writes the data.
    pub(super) fn prepare(workspace: &Workspace, size: ByteSize) -> Result<Self> {
        run_checked(&mut workspace.cargo("build --release -p native"))?;
        let highwater = workspace.target.join("release/highwater");
        if stdout_of(Command::new(&highwater).args(["pipe", "--help"])).is_none() {
            bail!(
                "{} has no `pipe INPUT OUTPUT` to compare; use `--only channels`",
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
        for (name, is_there) in [
            ("node", files.node.is_some()),
            (GZIP, files.gzip.is_some()),
            (PIGZ, files.pigz.is_some()),
        ] {
            if !is_there {
                eprintln!("tests: warning: {name} is not on the PATH; skipping it");
            }
        }
        fs::create_dir_all(&files.folder)?;
        for size in [files.size, files.small_size()] {
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
            .args(task.flag());
        let mut all = vec![(OURS, size, highwater)];
        if self.node.is_some() {
            let node = |task: &str, size| {
                let mut node = Command::new("node");
                node.arg(&self.script).arg(task);
                node.args([self.input(size), self.output()]);
                node
            };
            all.push((NODE, size, node(task.name(), size)));
            if task == Task::Gzip {
                // A smaller input, since all of it may end up in memory.
                let size = self.small_size();
                all.push((IGNORING, size, node("gzip-ignoring", size)));
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
        // gzip and pigz write to standard output, the others into the file.
        let stdout = if [GZIP, PIGZ].contains(&contestant.name) {
            Stdio::from(File::create(&output)?)
        } else {
            Stdio::null()
        };
        // Flushes earlier writes, so that they do not slow this run down.
        nix::unistd::sync();
        let ResourceUsage { elapsed, peak_mib } = measure(contestant.command.stdout(stdout))?;
        let written = fs::metadata(&output)
            .context("there is no output file")?
            .len();
        if is_checked {
            let checked = self.check(task, &contestant.input);
            checked.with_context(|| format!("{}, {}", task.name(), contestant.name))?;
        }
        fs::remove_file(&output)?;
        let bytes = contestant.size.as_u64() as f64;
        Ok(FileResult {
            mib_per_second: bytes / f64::from(1 << 20) / elapsed.as_secs_f64(),
            peak_mib,
            compression: bytes / written as f64,
        })
    }

    /// Returns the additional peak memory for more data, in MiB. It streams a sparse file
    /// of zeros into the null device.
    pub(super) fn memory_growth(&self, task: Task) -> Result<f64> {
        let zeros = self.folder.join("zeros");
        let peak = |size: u64| -> Result<f64> {
            File::create(&zeros)?.set_len(size)?;
            let mut highwater = Command::new(&self.highwater);
            highwater.arg("pipe").arg(&zeros).arg("-").args(task.flag());
            Ok(measure(highwater.stdout(Stdio::null()))?.peak_mib)
        };
        let size = self.size.as_u64();
        let grown = peak(size * GROWTH)? - peak(size)?;
        fs::remove_file(&zeros)?;
        Ok(grown)
    }

    fn check(&self, task: Task, input: &Path) -> Result<()> {
        let output = self.output();
        if task != Task::Gzip {
            return data::ensure_same(input, File::open(output)?, task == Task::Upper);
        }
        let Some(gzip) = &self.gzip else {
            return Ok(());
        };
        let mut gunzip = Command::new(gzip)
            .arg("-dc")
            .stdin(File::open(output)?)
            .stdout(Stdio::piped())
            .spawn()?;
        let unzipped = gunzip.stdout.take().context("gzip has no output")?;
        data::ensure_same(input, unzipped, false)?;
        ensure!(gunzip.wait()?.success(), "gzip rejects the output");
        Ok(())
    }

    /// Returns the size for programs that may keep all data in memory.
    fn small_size(&self) -> ByteSize {
        self.size.min(ByteSize::mib(256))
    }

    fn input(&self, size: ByteSize) -> PathBuf {
        self.folder.join(format!("{}.log", size.as_u64()))
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output")
    }
}
