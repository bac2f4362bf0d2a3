//! Environment variables inherited from a cargo that runs this program.
//!
//! Two programs include this file because both start their own cargo: the bundle, and
//! `highwater`, which starts the bundle.

/// Returns `true` if a variable belongs to the build that started this program, such as
/// a toolchain or flags, and would change or invalidate another build.
pub(crate) fn is_foreign(name: &str) -> bool {
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
