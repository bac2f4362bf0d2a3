//! Last step: replaces the old output with a rename, so that a half-written package is
//! never served.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// Prefix of staging directories, which `.gitignore` lists.
const STAGING_PREFIX: &str = ".pkg-";

/// Fills a new directory next to `package` with `fill`, then renames it to `output`,
/// which is `package` or a folder in it. Copies the folders in `keep` from the old
/// output.
///
/// On an error, the old output stays unchanged.
pub(crate) fn replace(
    package: &Path,
    output: &Path,
    keep: &[&str],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let parent = package
        .parent()
        .context("the output has no parent folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    // The staging directory holds the new and briefly the old output. It is on the
    // same file system and is removed when dropped.
    let staging = tempfile::Builder::new()
        .prefix(STAGING_PREFIX)
        .tempdir_in(parent)
        .with_context(|| format!("cannot write to {}", parent.display()))?;
    let new = staging.path().join("new");
    fs::create_dir(&new)?;
    fill(&new)?;
    for folder in keep {
        let old = output.join(folder);
        if old.is_dir() {
            copy(&old, &new.join(folder))?;
        }
    }
    swap(&new, output, &staging)
}

/// Updates one file of a complete output with a rename. Returns `true` if it changed.
pub(crate) fn update(output: &Path, name: &str, text: &str) -> Result<bool> {
    let path = output.join(name);
    if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    let new = output.join(format!(".{name}"));
    let write = || fs::write(&new, text).and_then(|()| fs::rename(&new, &path));
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}

/// Removes `output` atomically by renaming it first.
pub(crate) fn remove(package: &Path, output: &Path) -> Result<()> {
    if !output.exists() {
        return Ok(());
    }
    let parent = package
        .parent()
        .context("the output has no parent folder")?;
    let staging = tempfile::Builder::new()
        .prefix(STAGING_PREFIX)
        .tempdir_in(parent)?;
    fs::rename(output, staging.path().join("old"))?;
    Ok(())
}

fn swap(new: &Path, output: &Path, staging: &TempDir) -> Result<()> {
    let old = staging.path().join("old");
    match fs::rename(output, &old) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("cannot move the old output"),
    }
    if let Some(parent) = output.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::rename(new, output).with_context(|| {
        // Restore the old output, if there was one.
        let _ = fs::rename(&old, output);
        format!("cannot write {}", output.display())
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            // The time marks compressed files as fresh.
            let time = entry.metadata()?.modified()?;
            File::options()
                .write(true)
                .open(&target)?
                .set_modified(time)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replace_keeps_the_listed_folders() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("pkg");
        fs::create_dir_all(package.join("threads/deep")).unwrap();
        fs::write(package.join("threads/deep/a.js"), "kept").unwrap();
        fs::write(package.join("old.js"), "").unwrap();

        replace(&package, &package, &["threads"], |new| {
            fs::write(new.join("new.js"), "")?;
            Ok(())
        })
        .unwrap();

        assert_eq!(names(&package), ["new.js", "threads"]);
        let kept = fs::read_to_string(package.join("threads/deep/a.js")).unwrap();
        assert_eq!(kept, "kept");
        assert_eq!(names(dir.path()), ["pkg"], "temporary files are left");
    }

    #[test]
    fn failed_build_leaves_the_old_output() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("pkg");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("old.js"), "").unwrap();

        let failed = replace(&package, &package, &[], |_| anyhow::bail!("no"));

        assert!(failed.is_err());
        assert_eq!(names(&package), ["old.js"]);
        assert_eq!(names(dir.path()), ["pkg"]);
    }

    #[test]
    fn update_writes_only_changed_files() {
        let dir = tempfile::tempdir().unwrap();
        assert!(update(dir.path(), "a.json", "1").unwrap());
        assert!(!update(dir.path(), "a.json", "1").unwrap());
        assert!(update(dir.path(), "a.json", "2").unwrap());
        assert_eq!(fs::read_to_string(dir.path().join("a.json")).unwrap(), "2");
        assert_eq!(names(dir.path()), ["a.json"], "temporary files are left");
    }

    #[test]
    fn removing_twice_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("pkg");
        let threads = package.join("threads");
        fs::create_dir_all(&threads).unwrap();
        remove(&package, &threads).unwrap();
        remove(&package, &threads).unwrap();
        assert!(package.is_dir() && !threads.exists());
    }
}
