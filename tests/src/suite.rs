//! The suites: what each is called, needs and runs.

use std::process::Command;

use crate::setup::Need;
use crate::workspace::{WASM, Workspace};

/// A group of tests or checks that is run and counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Fmt,
    Clippy,
    Unit,
    Cluster,
    Loom,
    Miri,
    Doc,
    Deny,
    Wasm,
    E2e,
}

/// How a suite's commands are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The suite is one check, passed when all its commands succeed.
    Check,
    /// Its commands run tests, each of which counts.
    Tests,
}

/// How a suite goes with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Beside another one like it.
    Quick,
    /// Most of it is scenarios and servers in real time, with deadlines of their
    /// own: not beside others of these two.
    Timed,
    /// It may take its time, and compiles into no folder that another one waits for:
    /// beside any, with what is left of the processors.
    Patient,
}

/// What a person may ask of the suites.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// Have `deny` consult the database of security advisories, which is on
    /// the network.
    pub(crate) advisories: bool,
}

impl Suite {
    /// All of them, in the order they are begun as far as they go alike: what fails
    /// fast comes first, and what is short last, so that of two in a row neither
    /// waits long for the other.
    pub(crate) const ALL: [Self; 10] = [
        Self::Fmt,
        Self::Clippy,
        Self::Unit,
        Self::Doc,
        Self::Wasm,
        Self::E2e,
        Self::Cluster,
        Self::Miri,
        Self::Loom,
        Self::Deny,
    ];

    /// The suite of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Unit => "unit",
            Self::Cluster => "cluster",
            Self::Loom => "loom",
            Self::Miri => "miri",
            Self::Doc => "doc",
            Self::Deny => "deny",
            Self::Wasm => "wasm",
            Self::E2e => "e2e",
        }
    }

    /// What it is for, in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Fmt => "the formatting",
            Self::Clippy => "the lints, on the host and for both wasm builds",
            Self::Unit => "every test that needs no browser, and doctests",
            Self::Cluster => "`highwater cluster` under load: reloads, killed workers, faults",
            Self::Loom => "every order in which threads can meet in an emitter or an inbox",
            Self::Miri => "the tests of events, in an interpreter that finds undefined behaviour",
            Self::Doc => "the documentation builds without a warning",
            Self::Deny => "licences, banned crates and sources of the dependencies",
            Self::Wasm => "both wasm builds, by wasm-pack in headless Chrome and Firefox",
            Self::E2e => "the page, served by `highwater serve` and driven in headless browsers",
        }
    }

    /// How it counts.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Fmt | Self::Clippy | Self::Doc | Self::Deny => Kind::Check,
            Self::Unit | Self::Cluster | Self::Loom | Self::Miri | Self::Wasm | Self::E2e => {
                Kind::Tests
            }
        }
    }

    /// How it goes with others.
    pub(crate) fn pace(self) -> Pace {
        match self {
            Self::Fmt | Self::Clippy | Self::Unit | Self::Doc => Pace::Quick,
            Self::Cluster | Self::Wasm | Self::E2e => Pace::Timed,
            Self::Loom | Self::Miri | Self::Deny => Pace::Patient,
        }
    }

    /// What has to be installed for it.
    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::Fmt => &[Need::Rustfmt],
            Self::Clippy => &[Need::Clippy, Need::WasmTarget, Need::Nightly],
            Self::Unit | Self::Doc => &[Need::WasmTarget],
            Self::Cluster | Self::Loom => &[],
            Self::Miri => &[Need::Nightly, Need::Miri],
            Self::Deny => &[Need::CargoDeny],
            Self::Wasm => &[
                Need::WasmTarget,
                Need::Nightly,
                Need::Chrome,
                Need::Firefox,
                Need::WasmPack,
                Need::WasmBindgen,
            ],
            Self::E2e => &[
                Need::WasmTarget,
                Need::Nightly,
                Need::Chrome,
                Need::Firefox,
                Need::Axe,
            ],
        }
    }

    /// Its commands, in order.
    pub(crate) fn commands(self, workspace: &Workspace, wishes: Wishes) -> Vec<Command> {
        match self {
            Self::Fmt => vec![workspace.cargo("fmt --all --check")],
            Self::Clippy => clippy(workspace),
            Self::Unit => unit(workspace),
            Self::Cluster => cluster(workspace),
            Self::Loom => vec![loom(workspace)],
            Self::Miri => vec![miri(workspace)],
            Self::Doc => doc(workspace),
            Self::Deny => {
                let advisories = if wishes.advisories { " advisories" } else { "" };
                let checks = format!("deny check licenses bans sources{advisories}");
                vec![workspace.cargo(&checks)]
            }
            Self::Wasm => wasm(workspace),
            Self::E2e => vec![
                // By itself, as people build it: with the features of the whole
                // workspace a missing one could go unnoticed.
                workspace.cargo("build --package native"),
                // So that no case waits for a build of minutes; and it fails if a
                // budget is not kept.
                workspace.cargo("run --package bundle -- --sizes"),
                // They wait for what is played, and for browsers to start.
                workspace.cargo("test --workspace --all-features --test e2e -- --test-threads=4"),
            ],
        }
    }
}

fn clippy(workspace: &Workspace) -> Vec<Command> {
    let page = format!("{} --target {WASM} --all-targets", packages("--package"));
    // After the subcommand: clippy is a program of its own, which gets no
    // option from before its name.
    let threads = format!(
        "clippy --package highwater-web --target {WASM} --all-targets \
         --config web/threads.toml --features threads"
    );
    // A chapter has to do with what it names: with all of them, what one lacks
    // another may have, and what is of no use to one is of use to another.
    let chapter = "clippy --package highwater --lib --test chapters --features";
    let commands = [
        workspace.cargo("clippy --workspace --all-targets --all-features"),
        // What is made of traces knows no scenario.
        workspace.cargo("clippy --package highwater --lib --features analysis"),
        workspace.cargo(&format!("{chapter} scenarios")),
        workspace.cargo(&format!("{chapter} chapter-events")),
        workspace.cargo(&format!("{chapter} chapter-streams")),
        workspace.cargo(&format!("{chapter} chapter-errors")),
        workspace.cargo(&format!("{chapter} chapter-scaling")),
        // `--all-targets` leaves out the targets that say `test = false`.
        workspace.cargo(
            "clippy --workspace --all-features --test native_cluster --test e2e --test page",
        ),
        workspace.cargo(&format!("clippy {page}")),
        workspace.nightly_cargo(&threads),
    ];
    commands
        .into_iter()
        .map(|mut command| {
            command.args(["--", "-D", "warnings"]);
            command
        })
        .collect()
}

/// The packages of the page, each after this option. Their Rust is empty anywhere
/// but in a browser. What one of them lacks and another has is missed where each is
/// built by itself, by `wasm`.
fn packages(option: &str) -> String {
    ["highwater-web", "highwater-file", "highwater-analysis"]
        .map(|package| format!("{option} {package}"))
        .join(" ")
}

fn doc(workspace: &Workspace) -> Vec<Command> {
    let web = format!("doc {} --no-deps --target {WASM}", packages("--package"));
    let exclude = packages("--exclude");
    let commands = [
        workspace.cargo(&format!(
            "doc --workspace {exclude} --no-deps --all-features"
        )),
        workspace.cargo(&web),
    ];
    commands
        .into_iter()
        .map(|mut command| {
            command.env("RUSTDOCFLAGS", "-D warnings");
            command
        })
        .collect()
}

fn unit(workspace: &Workspace) -> Vec<Command> {
    let core = format!("check --package highwater --target {WASM}");
    let mut test = workspace.cargo("test --workspace --all-features --no-fail-fast");
    // Those that take seconds wait, for processes and for real time.
    test.env("RUST_TEST_THREADS", "4");
    vec![
        test,
        // A chapter without the others.
        workspace.cargo("test --package highwater --features chapter-streams --test chapters"),
        // The library of a stranger, who has none of the playground, and with it.
        workspace.cargo(&format!("{core} --no-default-features")),
        workspace.cargo(&format!("{core} --all-features")),
    ]
}

fn cluster(workspace: &Workspace) -> Vec<Command> {
    // With the features of the whole workspace, for which everything else is built.
    let test = "test --workspace --all-features --test native_cluster --no-fail-fast --";
    let mut test = workspace.cargo(test);
    // Most of the time they wait, for what takes the cluster seconds.
    test.arg("--test-threads=4");
    vec![workspace.cargo("build --package native"), test]
}

/// In a profile of its own: it runs some hundred thousand orders of each test. The
/// library has no other tests inside.
fn loom(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("test --package highwater --profile loom --lib");
    // Flags that would have all else built anew, so with an output of its own.
    command
        .env("RUSTFLAGS", "--cfg loom -D warnings")
        .env("CARGO_TARGET_DIR", workspace.target.join("loom"));
    command
}

/// The library's events, which are shared between threads without locks.
fn miri(workspace: &Workspace) -> Command {
    let mut command = workspace.nightly_cargo("miri test --package highwater --test events");
    command.env("CARGO_TARGET_DIR", workspace.target.join("miri"));
    command
}

fn wasm(workspace: &Workspace) -> Vec<Command> {
    let run = |browser: &str, folder: &str, threads: bool| {
        let mut command = workspace.command("wasm-pack");
        command.args(["test", "--headless", browser]);
        if threads {
            // The target of this toolchain is built along (`build-std`), which
            // wasm-pack does not know and would try to install.
            command.args(["--mode", "no-install", folder]);
            command.args(["--config", "threads.toml", "--features", "threads"]);
            command.env("RUSTUP_TOOLCHAIN", crate::workspace::NIGHTLY);
            command.env("CARGO_TARGET_DIR", workspace.threads_target());
        } else {
            command.arg(folder);
        }
        // A cold browser on a busy machine takes its time, in seconds.
        command.env("WASM_BINDGEN_TEST_TIMEOUT", "300");
        command.env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60");
        command
    };
    vec![
        run("--chrome", "web", false),
        run("--firefox", "web", false),
        run("--chrome", "web/file", false),
        run("--firefox", "web/file", false),
        run("--chrome", "web/analysis", false),
        run("--firefox", "web/analysis", false),
        run("--chrome", "web", true),
        run("--firefox", "web", true),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn every_suite_is_found_by_its_name() {
        for suite in Suite::ALL {
            assert_eq!(Suite::named(suite.name()), Some(suite));
        }
        assert_eq!(Suite::named("everything"), None);
    }

    #[test]
    fn every_file_of_the_librarys_tests_is_in_a_program() {
        let folder = Workspace::new().unwrap().root.join("core/tests");
        let entries = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let mut found = 0;
        for program in entries(&folder) {
            let Ok(main) = fs::read_to_string(program.join("main.rs")) else {
                continue;
            };
            for file in entries(&program) {
                let name = file.file_stem().unwrap().to_str().unwrap();
                let line = format!("mod {name};");
                let is_named = name == "main" || main.lines().any(|found| found == line);
                assert!(is_named, "{} is in no program", file.display());
                found += 1;
            }
        }
        assert!(found > 50, "{found}");
    }

    #[test]
    fn builds_with_flags_of_their_own_keep_to_themselves() {
        let workspace = Workspace::new().unwrap();
        for suite in [Suite::Loom, Suite::Miri] {
            assert_eq!(suite.pace(), Pace::Patient);
            for command in suite.commands(&workspace, Wishes::default()) {
                let target = command
                    .get_envs()
                    .find(|(name, _)| *name == "CARGO_TARGET_DIR")
                    .and_then(|(_, value)| value);
                let own = workspace.target.join(suite.name());
                assert_eq!(target, Some(own.as_os_str()));
            }
        }
    }

    #[test]
    fn advisories_are_asked_for() {
        let workspace = Workspace::new().unwrap();
        let has_advisories = |advisories| {
            Suite::Deny
                .commands(&workspace, Wishes { advisories })
                .iter()
                .flat_map(Command::get_args)
                .any(|argument| argument == "advisories")
        };
        assert!(has_advisories(true));
        assert!(!has_advisories(false));
    }
}
