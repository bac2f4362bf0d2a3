//! Prepares the page's files for delivery: compresses them, and lists them with their
//! hashes for offline use.
//!
//! A compressed file has the modification time of its source. After a change to the
//! source, the two times differ, and `highwater serve` sends the source instead.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest as _, Sha256};

use crate::stage;

/// The list of files, in the package. The page's service worker reads it.
const LIST_FILE: &str = "files.json";

/// Brotli's best and slowest setting, for files compressed ahead of time.
const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW_BITS: u32 = 22;

/// Files of these types are compressed and kept for offline use.
const EXTENSIONS: [&str; 6] = ["html", "css", "js", "json", "svg", "wasm"];

/// Compresses the stale files below `page`, and updates the list in `package`.
pub(crate) fn prepare(page: &Path, package: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    for path in files_below(page)? {
        let Some(source) = source_of(&path) else {
            let bytes = compress(&path)?;
            let name = path.strip_prefix(page).unwrap_or(&path);
            // The browser keeps the service worker itself.
            if name != Path::new("sw.js") && path != package.join(LIST_FILE) {
                files.insert(address_of(name), hex(&Sha256::digest(bytes)));
            }
            continue;
        };
        if !source.is_file() {
            fs::remove_file(&path)?;
        }
    }
    let list = serde_json::to_string_pretty(&files)?;
    stage::update(package, LIST_FILE, &list)?;
    compress(&package.join(LIST_FILE))?;
    Ok(())
}

/// Returns the size of a file after brotli, as it is sent.
pub(crate) fn brotli_len(path: &Path) -> Result<usize> {
    let compressed = with_suffix(path, "br");
    if is_fresh(&compressed, modified(path)?) {
        return Ok(usize::try_from(fs::metadata(&compressed)?.len())?);
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(brotli(&bytes)?.len())
}

/// Writes the compressed versions of a file, unless they are fresh, and returns the file.
fn compress(path: &Path) -> Result<Vec<u8>> {
    let error_context = || format!("cannot compress {}", path.display());
    // The time is read first: a change during the compression makes the result stale.
    let time = modified(path)?;
    let bytes = fs::read(path).with_context(error_context)?;
    let [br, gz] = ["br", "gz"].map(|suffix| with_suffix(path, suffix));
    if !is_fresh(&br, time) {
        let compressed = brotli(&bytes)?;
        // An entity tag is made of the time and the size, so two sizes must not be equal.
        let gzipped = gzip(&bytes)?;
        let gzipped = (gzipped.len() != compressed.len()).then_some(gzipped);
        replace(&gz, gzipped.as_deref(), &bytes, time).with_context(error_context)?;
        replace(&br, Some(&compressed), &bytes, time).with_context(error_context)?;
    }
    Ok(bytes)
}

/// Writes a compressed file with a rename. Removes it if it is not smaller than the source.
fn replace(path: &Path, compressed: Option<&[u8]>, source: &[u8], time: SystemTime) -> Result<()> {
    let Some(compressed) = compressed.filter(|it| it.len() < source.len()) else {
        if path.exists() {
            fs::remove_file(path)?;
        }
        return Ok(());
    };
    let new = path.with_file_name(format!(
        ".{}",
        path.file_name().unwrap_or_default().display()
    ));
    fs::write(&new, compressed)?;
    File::options().write(true).open(&new)?.set_modified(time)?;
    Ok(fs::rename(&new, path)?)
}

fn is_fresh(compressed: &Path, time: SystemTime) -> bool {
    modified(compressed).is_ok_and(|found| found == time)
}

fn modified(path: &Path) -> Result<SystemTime> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(metadata.modified()?)
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let mut input =
        brotli::CompressorReader::new(bytes, 1 << 16, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
    std::io::copy(&mut input, &mut compressed)?;
    Ok(compressed)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut compressor = Compressor::new(CompressionLvl::best());
    let mut compressed = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let size = compressor.gzip_compress(bytes, &mut compressed)?;
    compressed.truncate(size);
    Ok(compressed)
}

/// Returns the source of a compressed file, or `None` for other files.
fn source_of(path: &Path) -> Option<PathBuf> {
    let is_compressed = path.extension().is_some_and(|it| it == "br" || it == "gz");
    is_compressed.then(|| path.with_extension(""))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.extend([OsStr::new("."), OsStr::new(suffix)]);
    name.into()
}

/// Returns the files with one of the [`EXTENSIONS`], and compressed ones. Skips hidden
/// files and folders.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
        if path.file_name().is_some_and(is_hidden) {
            continue;
        }
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            let source = source_of(&path).unwrap_or_else(|| path.clone());
            let extension = source.extension().and_then(OsStr::to_str);
            if extension.is_some_and(|it| EXTENSIONS.contains(&it)) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// Returns a relative address of a file.
fn address_of(name: &Path) -> String {
    let names: Vec<_> = name
        .iter()
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    names.join("/")
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    const TEXT: &str = "Numbers, numbers, numbers, numbers and numbers.";

    fn page() -> (tempfile::TempDir, PathBuf) {
        let page = tempfile::tempdir().unwrap();
        let package = page.path().join("pkg");
        fs::create_dir(&package).unwrap();
        for file in ["index.html", "sw.js", "pkg/a.js", "pkg/.stamp", "home.png"] {
            fs::write(page.path().join(file), TEXT).unwrap();
        }
        (page, package)
    }

    fn decompressed(path: &Path) -> String {
        let mut text = String::new();
        let file = File::open(path).unwrap();
        brotli::Decompressor::new(file, 4096)
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn sources_are_compressed_with_their_time() {
        let (page, package) = page();
        prepare(page.path(), &package).unwrap();
        for file in ["index.html", "sw.js", "pkg/a.js"] {
            let path = page.path().join(file);
            assert_eq!(decompressed(&with_suffix(&path, "br")), TEXT);
            let gz = fs::read(with_suffix(&path, "gz")).unwrap();
            assert_eq!(gz[..2], [0x1f, 0x8b]);
            for suffix in ["br", "gz"] {
                assert!(is_fresh(
                    &with_suffix(&path, suffix),
                    modified(&path).unwrap()
                ));
            }
        }
        for file in ["pkg/.stamp.br", "home.png.br", "pkg/.files.json.br"] {
            assert!(!page.path().join(file).exists(), "{file}");
        }
    }

    #[test]
    fn changed_and_removed_sources_are_updated() {
        let (page, package) = page();
        prepare(page.path(), &package).unwrap();
        let path = page.path().join("index.html");
        let changed = TEXT.repeat(2);
        fs::write(&path, &changed).unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(1);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        fs::remove_file(package.join("a.js")).unwrap();
        prepare(page.path(), &package).unwrap();
        assert_eq!(decompressed(&with_suffix(&path, "br")), changed);
        assert!(!package.join("a.js.br").exists());
    }

    #[test]
    fn list_has_the_hash_of_every_file() {
        let (page, package) = page();
        for _ in 0..2 {
            prepare(page.path(), &package).unwrap();
            let text = fs::read_to_string(package.join(LIST_FILE)).unwrap();
            let list: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
            let names: Vec<_> = list.keys().map(String::as_str).collect();
            assert_eq!(names, ["index.html", "pkg/a.js"]);
            assert_eq!(list["pkg/a.js"], hex(&Sha256::digest(TEXT)));
        }
    }
}
