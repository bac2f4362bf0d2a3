//! What the page weighs, and what it may weigh.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::layout::{Flavour, Layout, Part, chapters};

/// Brotli's best and slowest setting: what a careful host serves.
const QUALITY: u32 = 11;
const WINDOW_BITS: u32 = 22;

/// One file that the page downloads.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its path, relative to the page's folder or the package's.
    pub file: String,
    /// Its size.
    pub raw_bytes: usize,
    /// Its size after compression.
    pub brotli_bytes: usize,
}

/// A limit that some of the files have to stay within, together.
#[derive(Clone, Debug)]
pub struct Budget {
    /// What is limited.
    pub what: String,
    /// What it weighs, compressed.
    pub brotli_bytes: usize,
    /// What it may weigh.
    pub limit_bytes: usize,
}

impl Budget {
    /// Whether it is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.brotli_bytes <= self.limit_bytes
    }
}

/// Of the page's sources, those that come with a part and not with the page: what
/// takes a visitor's own file, when its scenario is opened, and what compares runs,
/// after the first one. They count with their part.
fn folder_of(part: Part) -> Option<&'static str> {
    match part {
        Part::File => Some("file/"),
        Part::Analysis => Some("analysis/"),
        Part::Chapter(..) => None,
    }
}

/// Every file of the page and the budgets they count towards.
///
/// The glue that wasm-bindgen writes and what there is to read are listed, but count
/// towards no budget: the wasm budgets are about the `.wasm` files, the other is
/// about the sources.
#[derive(Clone, Debug)]
pub struct Report {
    /// The files, sources first.
    pub rows: Vec<Row>,
    /// The limits.
    pub budgets: Vec<Budget>,
}

impl Report {
    /// Weighs the page of `layout`. Takes a moment: it compresses everything.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn new(layout: &Layout) -> Result<Self> {
        let page = layout.page();
        let mut rows = weigh(&page, &page.join("pkg"), &["html", "css", "js"])?;
        let comes_with = |part, row: &Row| {
            folder_of(part).is_some_and(|folder: &str| row.file.starts_with(folder))
        };
        let comes_later = |row: &Row| limits().any(|(part, _)| comes_with(part, row));
        let (later, sources): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(comes_later);
        let mut budgets = vec![budget("HTML + CSS + JS", 25_000, &sources)];
        for (part, limit_bytes) in limits() {
            let output = layout.output_of(part);
            // The threaded build lies within the other.
            let threads = output.join("threads");
            let files = weigh(&output, &threads, &["js", "json", "wasm"])?;
            let mut counted = wasm_only(&files);
            counted.extend(later.iter().filter(|row| comes_with(part, row)).cloned());
            let with = folder_of(part).map_or("", |_| " + JS");
            let what = format!("{part} wasm{with}");
            budgets.push(budget(&what, limit_bytes, &counted));
            let folder = output.strip_prefix(&layout.package).unwrap_or(&output);
            rows.extend(prefixed(&format!("pkg/{}", folder.display()), files));
        }
        Ok(Self { rows, budgets })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .rows
            .iter()
            .map(|row| row.file.chars().count())
            .chain(self.budgets.iter().map(|budget| budget.what.len()))
            .max()
            .unwrap_or(0);
        writeln!(f, "{:width$}  {:>10}  {:>10}", "file", "bytes", "brotli")?;
        for row in &self.rows {
            writeln!(
                f,
                "{:width$}  {:>10}  {:>10}",
                row.file, row.raw_bytes, row.brotli_bytes
            )?;
        }
        writeln!(
            f,
            "\n{:width$}  {:>10}  {:>10}",
            "budget", "limit", "brotli"
        )?;
        for budget in &self.budgets {
            let verdict = if budget.is_kept() { "ok" } else { "OVER" };
            writeln!(
                f,
                "{:width$}  {:>10}  {:>10}  {verdict}",
                budget.what, budget.limit_bytes, budget.brotli_bytes
            )?;
        }
        Ok(())
    }
}

/// What each part may weigh.
fn limits() -> impl Iterator<Item = (Part, usize)> {
    let flavours = [(Flavour::Single, 100_000), (Flavour::Threads, 150_000)];
    chapters()
        .flat_map(move |chapter| {
            flavours.map(|(flavour, limit)| (Part::Chapter(chapter, flavour), limit))
        })
        .chain([(Part::File, 60_000), (Part::Analysis, 100_000)])
}

fn budget(what: &str, limit_bytes: usize, rows: &[Row]) -> Budget {
    Budget {
        what: what.to_owned(),
        brotli_bytes: rows.iter().map(|row| row.brotli_bytes).sum(),
        limit_bytes,
    }
}

fn wasm_only(rows: &[Row]) -> Vec<Row> {
    let is_wasm = |row: &&Row| has_extension(Path::new(&row.file), &["wasm"]);
    rows.iter().filter(is_wasm).cloned().collect()
}

fn prefixed(folder: &str, rows: Vec<Row>) -> impl Iterator<Item = Row> {
    rows.into_iter().map(move |row| Row {
        file: format!("{folder}/{}", row.file),
        ..row
    })
}

/// Every file below `root` with one of `extensions`, except below `skip`.
fn weigh(root: &Path, skip: &Path, extensions: &[&str]) -> Result<Vec<Row>> {
    let mut files = Vec::new();
    find(root, skip, extensions, &mut files)?;
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.strip_prefix(root).unwrap_or(&path);
            Ok(Row {
                file: name.display().to_string(),
                raw_bytes: bytes.len(),
                brotli_bytes: brotli_len(&bytes)?,
            })
        })
        .collect()
}

fn find(dir: &Path, skip: &Path, extensions: &[&str], into: &mut Vec<PathBuf>) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() && path != skip {
            find(&path, skip, extensions, into)?;
        } else if has_extension(&path, extensions) {
            into.push(path);
        }
    }
    Ok(())
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| extensions.contains(&extension))
}

fn brotli_len(bytes: &[u8]) -> Result<usize> {
    let mut compressed = Vec::new();
    let mut input = brotli::CompressorReader::new(bytes, 1 << 16, QUALITY, WINDOW_BITS);
    std::io::copy(&mut input, &mut compressed)?;
    Ok(compressed.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_counts_towards_one_budget() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout {
            root: dir.path().to_owned(),
            target: dir.path().join("target"),
            package: dir.path().join("www/pkg"),
        };
        fs::create_dir_all(dir.path().join("www/pkg/events/threads")).unwrap();
        fs::create_dir_all(dir.path().join("www/pkg/file")).unwrap();
        fs::create_dir_all(dir.path().join("www/file")).unwrap();
        fs::create_dir_all(dir.path().join("www/pkg/analysis")).unwrap();
        fs::create_dir_all(dir.path().join("www/analysis")).unwrap();
        for (file, bytes) in [
            ("analysis/compare.js", 300),
            ("file/file.js", 900),
            ("index.html", 400),
            ("pkg/events/a.js", 30),
            ("pkg/events/a.wasm", 5_000),
            ("pkg/events/threads/a.wasm", 70),
            ("pkg/file/a.wasm", 600),
            ("pkg/analysis/a.wasm", 4_000),
            ("notes.txt", 9_000),
        ] {
            fs::write(dir.path().join("www").join(file), vec![b' '; bytes]).unwrap();
        }

        let report = Report::new(&layout).unwrap();

        let files: Vec<_> = report.rows.iter().map(|row| row.file.as_str()).collect();
        assert_eq!(
            files,
            [
                "analysis/compare.js",
                "file/file.js",
                "index.html",
                "pkg/events/a.js",
                "pkg/events/a.wasm",
                "pkg/events/threads/a.wasm",
                "pkg/file/a.wasm",
                "pkg/analysis/a.wasm"
            ]
        );
        let weighed: Vec<_> = report.rows.iter().map(|row| row.brotli_bytes).collect();
        let counted: Vec<_> = report.budgets.iter().map(|b| b.brotli_bytes).collect();
        assert_eq!(counted[..3], [weighed[2], weighed[4], weighed[5]]);
        let later = [weighed[1] + weighed[6], weighed[0] + weighed[7]];
        assert_eq!(counted[counted.len() - 2..], later);
        assert!(report.to_string().contains("ok"));
    }

    #[test]
    fn budget_is_kept_up_to_its_limit() {
        let budget = |brotli_bytes| Budget {
            what: "x".to_owned(),
            brotli_bytes,
            limit_bytes: 10,
        };
        assert!(budget(10).is_kept());
        assert!(!budget(11).is_kept());
    }
}
