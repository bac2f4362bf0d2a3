//! Environment variables inherited from the cargo process that runs this program.
//!
//! The bundle and `highwater` both include this file. The bundle starts cargo, and
//! `highwater` starts the bundle with cargo.

/// Returns `true` if a variable describes the build that started this program, such as
/// its toolchain or flags. It would change or invalidate a nested build.
pub(crate) fn is_build_variable(name: &str) -> bool {
    const NAMES: [&str; 5] = [
        "RUSTUP_TOOLCHAIN",
        "CARGO",
        "RUSTC",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
    ];
    const PREFIXES: [&str; 4] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_BUILD_",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
