//! Stamps that identify the inputs of an output, so that it is not rebuilt needlessly.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{env, fs};

use anyhow::{Context as _, Result};

use crate::bindgen;

/// The name of the stamp in each output. It is replaced together with the output, so
/// the two always match.
const STAMP_FILE: &str = ".stamp";

/// The hash of the `.wasm` file and the identity of this program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp(String);

impl Stamp {
    /// Returns the stamp of an output made from `wasm` by this program.
    pub(crate) fn for_wasm(wasm: &Path) -> Result<Self> {
        let bytes = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        Ok(Self(format!(
            "wasm {} bytes {:016x}\ntool {}\n",
            bytes.len(),
            hasher.finish(),
            program_identity().unwrap_or_default(),
        )))
    }

    /// Returns `true` if `output`, of the module `name`, is complete and has this stamp.
    pub(crate) fn matches(&self, name: &str, output: &Path) -> bool {
        fs::read_to_string(output.join(STAMP_FILE)).is_ok_and(|found| found == self.0)
            && bindgen::outputs(name)
                .iter()
                .all(|file| output.join(file).is_file())
    }

    /// Writes the stamp to `output`.
    pub(crate) fn write(&self, output: &Path) -> Result<()> {
        fs::write(output.join(STAMP_FILE), &self.0).context("cannot write the stamp")
    }
}

/// Returns the size and modification time of this program. A different build may
/// generate different output, for example with a newer wasm-bindgen.
fn program_identity() -> Result<String> {
    let metadata = fs::metadata(env::current_exe()?)?;
    let built = metadata.modified()?.duration_since(UNIX_EPOCH)?;
    Ok(format!("{} bytes {}", metadata.len(), built.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_matches_complete_output_of_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let wasm = dir.path().join("in.wasm");
        fs::write(&wasm, b"one").unwrap();
        let stamp = Stamp::for_wasm(&wasm).unwrap();
        assert!(
            !stamp.matches("page", dir.path()),
            "an empty output matched"
        );

        for file in bindgen::outputs("page") {
            fs::write(dir.path().join(file), b"").unwrap();
        }
        stamp.write(dir.path()).unwrap();
        assert!(stamp.matches("page", dir.path()));

        fs::write(&wasm, b"two").unwrap();
        assert!(
            !Stamp::for_wasm(&wasm).unwrap().matches("page", dir.path()),
            "an output of different bytes matched"
        );

        fs::remove_file(dir.path().join(&bindgen::outputs("page")[1])).unwrap();
        assert!(
            !stamp.matches("page", dir.path()),
            "an incomplete output matched"
        );
    }
}
