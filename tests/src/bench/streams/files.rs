//! Programs that stream a file into another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use bytesize::ByteSize;

use super::super::{OURS, printed};
use super::measure::{Used, measure};
use super::{QUICK_TURNS, data};
use crate::run::run_checked;
use crate::workspace::Workspace;

pub(super) const NODE: &str = "Node pipeline";
/// What happens to memory when nobody looks at what `write` returns.
pub(super) const IGNORING: &str = "Node, `false` ignored";
pub(super) const PIGZ: &str = "pigz";
pub(super) const GZIP: &str = "gzip";

/// How much more data must not take more memory.
const MORE: u64 = 8;

/// What to do on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Upper,
    Copy,
    Gzip,
}

/// A program that does a task.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    /// What it reads.
    input: PathBuf,
    size: ByteSize,
    command: Command,
}

/// What a turn came to.
pub(super) struct Turn {
    pub(super) mib_a_second: f64,
    pub(super) peak_mib: f64,
    /// How many times smaller the output is.
    pub(super) shrunk: f64,
}

/// The data, and the programs there are.
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
    /// Those that are quick enough for more data.
    pub(super) const FLAT: [Self; 2] = [Self::Upper, Self::Copy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::Copy => "copy",
            Self::Gzip => "gzip",
        }
    }

    /// How many a round.
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
    /// Builds ours, looks for the others, and writes the data.
    pub(super) fn prepare(workspace: &Workspace, size: ByteSize) -> Result<Self> {
        run_checked(&mut workspace.cargo("build --release -p native"))?;
        let highwater = workspace.target.join("release/highwater");
        if printed(Command::new(&highwater).args(["pipe", "--help"])).is_none() {
            bail!(
                "{} has no `pipe INPUT OUTPUT`, so there is nothing to compare: \
                 `--only channels` compares the rest",
                highwater.display()
            );
        }
        let files = Files {
            size,
            folder: workspace.target.join("bench-streams"),
            highwater,
            script: workspace.root.join("tests/node/bench-streams.mjs"),
            node: printed(Command::new("node").arg("--version")),
            gzip: workspace.find("gzip"),
            pigz: workspace.find("pigz"),
        };
        for (name, is_there) in [
            ("node", files.node.is_some()),
            (GZIP, files.gzip.is_some()),
            (PIGZ, files.pigz.is_some()),
        ] {
            if !is_there {
                eprintln!("tests: there is no {name} on the PATH: it is left out");
            }
        }
        fs::create_dir_all(&files.folder)?;
        for size in [files.size, files.lesser()] {
            data::make(&files.input(size), size.as_u64())?;
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
                // All of the input may come to be in memory.
                let size = self.lesser();
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

    /// Gives it its turn, and sees that it does what it should, if so wanted.
    pub(super) fn run(&self, task: Task, by: &mut Contestant, is_checked: bool) -> Result<Turn> {
        let output = self.output();
        // Only those of which the output is the file write into this.
        let stdout = if [GZIP, PIGZ].contains(&by.name) {
            Stdio::from(File::create(&output)?)
        } else {
            Stdio::null()
        };
        // What others have written is not to be written while it runs.
        nix::unistd::sync();
        let Used { elapsed, peak_mib } = measure(by.command.stdout(stdout))?;
        let written = fs::metadata(&output).context("it wrote nothing")?.len();
        if is_checked {
            let checked = self.check(task, &by.input);
            checked.with_context(|| format!("{}, {}", task.name(), by.name))?;
        }
        fs::remove_file(&output)?;
        let bytes = by.size.as_u64() as f64;
        Ok(Turn {
            mib_a_second: bytes / f64::from(1 << 20) / elapsed.as_secs_f64(),
            peak_mib,
            shrunk: bytes / written as f64,
        })
    }

    /// How much more memory more data takes, in MiB. Zeros in a file that takes
    /// no room, into nothing.
    pub(super) fn flatness(&self, task: Task) -> Result<f64> {
        let zeros = self.folder.join("zeros");
        let peak = |size: u64| -> Result<f64> {
            File::create(&zeros)?.set_len(size)?;
            let mut highwater = Command::new(&self.highwater);
            highwater.arg("pipe").arg(&zeros).arg("-").args(task.flag());
            Ok(measure(highwater.stdout(Stdio::null()))?.peak_mib)
        };
        let size = self.size.as_u64();
        let grown = peak(size * MORE)? - peak(size)?;
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
        let unzipped = gunzip.stdout.take().context("gzip has an output")?;
        data::ensure_same(input, unzipped, false)?;
        ensure!(gunzip.wait()?.success(), "gzip does not like the output");
        Ok(())
    }

    /// For who would keep all of it in memory.
    fn lesser(&self) -> ByteSize {
        self.size.min(ByteSize::mib(256))
    }

    fn input(&self, size: ByteSize) -> PathBuf {
        self.folder.join(format!("{}.log", size.as_u64()))
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output")
    }
}
