//! What a cargo that runs us leaves in the environment.
//!
//! This file is a module of two programs, which both start a cargo of their
//! own: of the bundle, and of `highwater`, which starts the bundle.

/// Whether a variable belongs to the build that started this program: a
/// toolchain, flags or a package that would change or invalidate another one.
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
