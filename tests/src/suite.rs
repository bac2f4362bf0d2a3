//! Suites: names, requirements and commands.

use std::process::Command;

use crate::setup::Requirement;
use crate::workspace::{MACOS_TARGET, WASM_TARGET, WINDOWS_TARGET, Workspace};

/// A group of tests or checks with a common result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Fmt,
    Clippy,
    Unit,
    Cluster,
    Loom,
    Miri,
    Doc,
    Targets,
    Deny,
    Wasm,
    E2e,
}

/// A method of counting a suite's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The suite is one check. It passes if all its commands succeed.
    Check,
    /// Every test in its output counts.
    Tests,
}

/// Determines which suites can run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// Runs at the same time as one other paired suite.
    Paired,
    /// Runs scenarios and servers in real time, with deadlines. Only background suites
    /// run at the same time.
    Exclusive,
    /// Runs at the same time as any suite, at low priority. It compiles into its own
    /// target folder, so that no other suite waits for its build.
    Background,
}

/// Options of the suites.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SuiteOptions {
    /// Makes `deny` also check the security advisory database, which needs the network.
    pub(crate) advisories: bool,
}

impl Suite {
    /// All suites. Suites with the same concurrency start in this order. Those that
    /// fail fast come first, short ones last, so that both runners finish at about the
    /// same time.
    pub(crate) const ALL: [Self; 11] = [
        Self::Fmt,
        Self::Clippy,
        Self::Unit,
        Self::Doc,
        Self::Targets,
        Self::Wasm,
        Self::E2e,
        Self::Cluster,
        Self::Miri,
        Self::Loom,
        Self::Deny,
    ];

    /// Returns the suite with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Returns the name used on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Unit => "unit",
            Self::Cluster => "cluster",
            Self::Loom => "loom",
            Self::Miri => "miri",
            Self::Doc => "doc",
            Self::Targets => "targets",
            Self::Deny => "deny",
            Self::Wasm => "wasm",
            Self::E2e => "e2e",
        }
    }

    /// Returns a one-line description.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Fmt => "formatting",
            Self::Clippy => "lints for the host and both wasm builds",
            Self::Unit => "all tests that need no browser, including doctests",
            Self::Cluster => "two clusters under load: reloads, killed workers, faults",
            Self::Loom => "model checking of channels, emitters and inboxes",
            Self::Miri => "event tests, checked for undefined behaviour",
            Self::Doc => "documentation without warnings",
            Self::Targets => "the library on Windows and macOS, and the server on Windows",
            Self::Deny => "licences, bans and sources of the dependencies",
            Self::Wasm => "both wasm builds, in headless Chrome and Firefox",
            Self::E2e => "the page, served by `highwater serve`, in headless browsers",
        }
    }

    /// Returns how the results are counted.
    pub(crate) fn counting(self) -> Counting {
        match self {
            Self::Fmt | Self::Clippy | Self::Doc | Self::Targets | Self::Deny => Counting::Check,
            Self::Unit | Self::Cluster | Self::Loom | Self::Miri | Self::Wasm | Self::E2e => {
                Counting::Tests
            }
        }
    }

    /// Returns which suites can run at the same time.
    pub(crate) fn concurrency(self) -> Concurrency {
        match self {
            Self::Fmt | Self::Clippy | Self::Unit | Self::Doc | Self::Targets => {
                Concurrency::Paired
            }
            Self::Cluster | Self::Wasm | Self::E2e => Concurrency::Exclusive,
            Self::Loom | Self::Miri | Self::Deny => Concurrency::Background,
        }
    }

    /// Returns the suite's requirements.
    pub(crate) fn requirements(self) -> &'static [Requirement] {
        match self {
            Self::Fmt => &[Requirement::Rustfmt],
            Self::Clippy => &[
                Requirement::Clippy,
                Requirement::WasmTarget,
                Requirement::Nightly,
            ],
            Self::Unit => &[Requirement::WasmTarget, Requirement::Promtool],
            Self::Doc => &[Requirement::WasmTarget],
            Self::Targets => &[Requirement::WindowsTarget, Requirement::MacosTarget],
            Self::Cluster | Self::Loom => &[],
            Self::Miri => &[Requirement::Nightly, Requirement::Miri],
            Self::Deny => &[Requirement::CargoDeny],
            Self::Wasm => &[
                Requirement::WasmTarget,
                Requirement::Nightly,
                Requirement::Chrome,
                Requirement::Firefox,
                Requirement::WasmPack,
                Requirement::WasmBindgen,
            ],
            Self::E2e => &[
                Requirement::WasmTarget,
                Requirement::Nightly,
                Requirement::Chrome,
                Requirement::Firefox,
                Requirement::Axe,
            ],
        }
    }

    /// Returns the suite's commands, in order.
    pub(crate) fn commands(self, workspace: &Workspace, options: SuiteOptions) -> Vec<Command> {
        match self {
            Self::Fmt => vec![workspace.cargo("fmt --all --check")],
            Self::Clippy => clippy_commands(workspace),
            Self::Unit => unit_commands(workspace),
            Self::Cluster => cluster_commands(workspace),
            Self::Loom => vec![loom_command(workspace)],
            Self::Miri => vec![miri_command(workspace)],
            Self::Doc => doc_commands(workspace),
            Self::Targets => target_commands(workspace),
            Self::Deny => {
                let advisories = if options.advisories {
                    " advisories"
                } else {
                    ""
                };
                let checks = format!("deny check licenses bans sources{advisories}");
                vec![workspace.cargo(&checks)]
            }
            Self::Wasm => wasm_commands(workspace),
            Self::E2e => vec![
                // Built alone, as users build it. Features of other packages could hide
                // a missing feature.
                workspace.cargo("build --package native"),
                // Built first, so that no test waits for the build. Fails if a size
                // budget is exceeded.
                workspace.cargo("run --package bundle -- --sizes"),
                // Four threads, however few the cores, because the tests mostly wait for the page
                // and browsers.
                workspace.cargo("test --workspace --all-features --test e2e -- --test-threads=4"),
            ],
        }
    }
}

fn clippy_commands(workspace: &Workspace) -> Vec<Command> {
    let page = format!(
        "{} --target {WASM_TARGET} --all-targets",
        page_packages("--package")
    );
    // `--config` comes after the subcommand, because cargo does not pass options before
    // it on to clippy, which is a separate program.
    let threads = format!(
        "clippy --package highwater-web --target {WASM_TARGET} --all-targets \
         --config web/threads.toml --features threads"
    );
    // Each chapter is linted alone, because features of other chapters would hide
    // missing dependencies and unused code.
    let chapter = "clippy --package highwater --lib --test chapters --features";
    let commands = [
        workspace.cargo("clippy --workspace --all-targets --all-features"),
        // The trace analysis must build without the scenarios.
        workspace.cargo("clippy --package highwater --lib --features analysis"),
        workspace.cargo(&format!("{chapter} scenarios")),
        workspace.cargo(&format!("{chapter} chapter-events")),
        workspace.cargo(&format!("{chapter} chapter-streams")),
        workspace.cargo(&format!("{chapter} chapter-errors")),
        workspace.cargo(&format!("{chapter} chapter-scaling")),
        // `--all-targets` skips targets with `test = false`.
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

/// Returns `option` with each package of the page. Outside a browser they only
/// have tests. The suite `wasm` builds each of them alone, which finds missing features.
fn page_packages(option: &str) -> String {
    ["highwater-web", "highwater-file", "highwater-analysis"]
        .map(|package| format!("{option} {package}"))
        .join(" ")
}

fn doc_commands(workspace: &Workspace) -> Vec<Command> {
    let web = format!(
        "doc {} --no-deps --target {WASM_TARGET}",
        page_packages("--package")
    );
    let exclude = page_packages("--exclude");
    // Written to its own folder, because the library has the same name. The build folder
    // is shared, so that the dependencies are not compiled again.
    let mut program =
        workspace.cargo("doc --package native --bin highwater --no-deps --document-private-items");
    program
        .env("CARGO_BUILD_BUILD_DIR", &workspace.target)
        .env("CARGO_TARGET_DIR", workspace.target.join("program"));
    let commands = [
        workspace.cargo(&format!(
            "doc --workspace {exclude} --no-deps --all-features"
        )),
        program,
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

/// Checks the published packages on platforms that the other suites do not run on.
/// A check needs no linker.
fn target_commands(workspace: &Workspace) -> Vec<Command> {
    let checks = [
        ("highwater --all-features", WINDOWS_TARGET),
        ("highwater --all-features", MACOS_TARGET),
        // Without `tls`, whose cryptography needs a C compiler for the target.
        ("highwater-server --features http2", WINDOWS_TARGET),
    ];
    let command = |(package, target)| {
        let mut command = workspace.cargo(&format!("check --package {package} --target {target}"));
        command.env("RUSTFLAGS", "-D warnings");
        command
    };
    checks.map(command).into()
}

fn unit_commands(workspace: &Workspace) -> Vec<Command> {
    let core = format!("check --package highwater --target {WASM_TARGET}");
    let mut test = workspace.cargo("test --workspace --all-features --no-fail-fast");
    // Four threads, however few the cores: slow tests wait for processes and timers.
    test.env("RUST_TEST_THREADS", "4");
    vec![
        test,
        // One chapter alone.
        workspace.cargo("test --package highwater --features chapter-streams --test chapters"),
        // The library without the playground, as its users build it, and with all
        // features.
        workspace.cargo(&format!("{core} --no-default-features")),
        workspace.cargo(&format!("{core} --all-features")),
    ]
}

/// Runs the same tests with two programs.
fn cluster_commands(workspace: &Workspace) -> Vec<Command> {
    // With all features of the workspace, to reuse the other builds.
    let test = || {
        let test = "test --workspace --all-features --test native_cluster --no-fail-fast --";
        let mut test = workspace.cargo(test);
        // Four threads, however few the cores: the tests mostly wait for clusters.
        test.arg("--test-threads=4");
        test
    };
    let mut service = test();
    service.env("HIGHWATER_TESTS_SERVICE", "1");
    // The service has neither CPU jobs nor checks of its options.
    service.args(["--skip", "jobs::", "--skip", "invalid_worker_count"]);
    vec![
        workspace.cargo("build --package native"),
        test(),
        workspace.cargo("build --workspace --all-features --example service"),
        service,
    ]
}

/// Runs the loom tests, in their own profile, because each explores several
/// hundred thousand interleavings. The library has no other unit tests.
fn loom_command(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("test --package highwater --profile loom --lib");
    // Its own target folder, because its flags would invalidate all other builds.
    command
        .env("RUSTFLAGS", "--cfg loom -D warnings")
        .env("CARGO_TARGET_DIR", workspace.target.join("loom"));
    command
}

/// Runs the event tests in Miri, because events are shared between threads without
/// locks.
fn miri_command(workspace: &Workspace) -> Command {
    let mut command = workspace.nightly_cargo("miri test --package highwater --test events");
    command.env("CARGO_TARGET_DIR", workspace.target.join("miri"));
    command
}

fn wasm_commands(workspace: &Workspace) -> Vec<Command> {
    let run = |browser: &str, folder: &str, threads: bool| {
        let mut command = workspace.command("wasm-pack");
        command.args(["test", "--headless", browser]);
        if threads {
            // `build-std` builds the target's standard library, which wasm-pack would
            // otherwise try to install.
            command.args(["--mode", "no-install", folder]);
            command.args(["--config", "threads.toml", "--features", "threads"]);
            command.env("RUSTUP_TOOLCHAIN", crate::workspace::NIGHTLY_TOOLCHAIN);
            command.env("CARGO_TARGET_DIR", workspace.threads_target());
        } else {
            command.arg(folder);
        }
        // In seconds. Browsers start slowly on a busy machine.
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
    fn every_suite_has_a_unique_name() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(suite));
        }
        assert_eq!(Suite::from_name("everything"), None);
    }

    #[test]
    fn every_library_test_file_is_in_main_rs() {
        let folder = Workspace::new().unwrap().root.join("core/tests");
        let list_folder = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let mut count = 0;
        for program in list_folder(&folder) {
            let Ok(main) = fs::read_to_string(program.join("main.rs")) else {
                continue;
            };
            for file in list_folder(&program) {
                let name = file.file_stem().unwrap().to_str().unwrap();
                let line = format!("mod {name};");
                let is_listed = name == "main" || main.lines().any(|found| found == line);
                assert!(is_listed, "{} is missing from its main.rs", file.display());
                count += 1;
            }
        }
        assert!(count > 50, "{count}");
    }

    #[test]
    fn suites_with_own_flags_have_own_target_folders() {
        let workspace = Workspace::new().unwrap();
        for suite in [Suite::Loom, Suite::Miri] {
            assert_eq!(suite.concurrency(), Concurrency::Background);
            for command in suite.commands(&workspace, SuiteOptions::default()) {
                let target = command
                    .get_envs()
                    .find(|(name, _)| *name == "CARGO_TARGET_DIR")
                    .and_then(|(_, value)| value);
                let expected = workspace.target.join(suite.name());
                assert_eq!(target, Some(expected.as_os_str()));
            }
        }
    }

    #[test]
    fn advisories_are_optional() {
        let workspace = Workspace::new().unwrap();
        let has_advisories = |advisories| {
            Suite::Deny
                .commands(&workspace, SuiteOptions { advisories })
                .iter()
                .flat_map(Command::get_args)
                .any(|argument| argument == "advisories")
        };
        assert!(has_advisories(true));
        assert!(!has_advisories(false));
    }
}
