//! Files that are written whole or not at all.

use crate::{atomic_file::AtomicFile, error::Error};
use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// A file to be written when there is something to write.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
}

impl Output {
    /// Finds out whether the file can be written, and leaves no trace of that:
    /// better to fail now than after the run.
    ///
    /// # Errors
    ///
    /// [`Error::UnwritableOutput`].
    pub(crate) fn check(path: &Path) -> Result<Self, Error> {
        let bad = |reason: String| Error::UnwritableOutput {
            path: path.to_owned(),
            reason,
        };
        if path.as_os_str() == "-" {
            return Err(bad(
                "standard output is for the report; name a file".to_owned()
            ));
        }
        if path.is_dir() {
            return Err(bad("it is a folder, expected a file".to_owned()));
        }
        if is_special(path) {
            return Ok(Output { path: path.into() });
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(bad(format!(
                "the folder {} does not exist",
                folder.display()
            )));
        }
        // Its temporary file goes at once.
        AtomicFile::create(path, None).map_err(|refusal| bad(refusal.to_string()))?;
        Ok(Output { path: path.into() })
    }

    /// Whether both would write the same file, however it is spelt.
    pub(crate) fn is_same_as(&self, other: &Output) -> bool {
        let place = |path: &Path| {
            let folder = || folder_of(path).canonicalize().unwrap_or_default();
            let name = path.file_name().unwrap_or_default();
            path.canonicalize().unwrap_or_else(|_| folder().join(name))
        };
        place(&self.path) == place(&other.path)
    }

    /// Writes the file: beside it first, then in its place. If that fails,
    /// what stood there before stays.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
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

/// A pipe or a device: it cannot be replaced, only written to.
pub(crate) fn is_special(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|existing| !existing.is_file() && !existing.is_dir())
}

/// The folder a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What is replaced: a link stays a link, and what it leads to is, or is going
/// to be, the file.
///
/// # Errors
///
/// A link that leads nowhere but to itself.
pub(crate) fn target_of(path: &Path) -> io::Result<PathBuf> {
    /// As many as the system follows.
    const MOST_LINKS: usize = 40;
    if let Ok(target) = path.canonicalize() {
        return Ok(target);
    }
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            Err(_no_link) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        fs::write(&path, "before").unwrap();
        let failed = Output::check(&path).unwrap().write(|writer| {
            writer.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(
            failed
                .unwrap_err()
                .to_string()
                .ends_with("trace.json: no more")
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_written_file_replaces_the_one_before() {
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
    fn what_cannot_be_written_is_known_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none/trace.json");
        let error = Output::check(&missing).unwrap_err().to_string();
        assert!(error.contains("does not exist"), "{error}");
        let error = Output::check(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it is a folder"), "{error}");
    }
}
