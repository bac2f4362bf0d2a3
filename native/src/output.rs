//! Output files that are written completely or not at all.

use crate::{
    atomic_file::{AtomicFile, folder_of},
    error::Error,
};
use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// An output file, checked before the run and written after it.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
}

impl Output {
    /// Checks that the file can be written, so that a bad path fails before the run.
    /// Leaves no file behind.
    ///
    /// # Errors
    ///
    /// [`Error::UnwritableOutput`] if it cannot be written.
    pub(crate) fn check(path: &Path) -> Result<Self, Error> {
        let unwritable = |reason: String| Error::UnwritableOutput {
            path: path.to_owned(),
            reason,
        };
        if path.as_os_str() == "-" {
            return Err(unwritable(
                "standard output is reserved for the report; name a file".to_owned(),
            ));
        }
        if path.is_dir() {
            return Err(unwritable("it is a folder, expected a file".to_owned()));
        }
        if is_special(path) {
            return Ok(Output { path: path.into() });
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(unwritable(format!(
                "the folder {} does not exist",
                folder.display()
            )));
        }
        // Dropping the result removes the temporary file.
        AtomicFile::create(path, None).map_err(|error| unwritable(error.to_string()))?;
        Ok(Output { path: path.into() })
    }

    /// Returns whether both paths refer to the same file.
    pub(crate) fn is_same_as(&self, other: &Output) -> bool {
        let resolve = |path: &Path| {
            let folder = || folder_of(path).canonicalize().unwrap_or_default();
            let name = path.file_name().unwrap_or_default();
            path.canonicalize().unwrap_or_else(|_| folder().join(name))
        };
        resolve(&self.path) == resolve(&other.path)
    }

    /// Writes the file atomically. On failure, an existing file is unchanged.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if `content` fails or the file cannot be written.
    pub(crate) fn write(
        &self,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.try_write(content).map_err(|cause| Error::Write {
            path: self.path.clone(),
            cause,
        })
    }

    fn try_write(&self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        if is_special(&self.path) {
            let mut writer = BufWriter::new(fs::File::create(&self.path)?);
            content(&mut writer)?;
            return writer.flush();
        }
        let (file, draft) = AtomicFile::create(&self.path, None).map_err(io::Error::other)?;
        let mut writer = BufWriter::new(&draft.file);
        content(&mut writer)?;
        writer.flush()?;
        drop(writer);
        draft.finish()?;
        file.commit()
    }
}

/// Returns whether a path is a pipe or a device, which can be written but not replaced.
pub(crate) fn is_special(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|existing| !existing.is_file() && !existing.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        fs::write(&path, "before").unwrap();
        let failed = Output::check(&path).unwrap().write(|writer| {
            writer.write_all(b"half")?;
            Err(io::Error::other("disk error"))
        });
        assert!(
            failed
                .unwrap_err()
                .to_string()
                .ends_with("trace.json: disk error")
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn write_replaces_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        for text in ["one", "two"] {
            let output = Output::check(&path).unwrap();
            output
                .write(|writer| writer.write_all(text.as_bytes()))
                .unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn invalid_paths_fail_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none/trace.json");
        let error = Output::check(&missing).unwrap_err().to_string();
        assert!(error.contains("does not exist"), "{error}");
        let error = Output::check(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it is a folder"), "{error}");
    }
}
