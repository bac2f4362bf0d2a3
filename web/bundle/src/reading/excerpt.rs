//! Excerpts of source files, found by the name of an item.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use syn::spanned::Spanned as _;
use syn::{Attribute, File, ImplItem, Item, Type};

use super::mark::{Mark, RecordKinds};
use super::table::ExcerptSpec;
use super::text::read_text;

/// Maximum number of lines that fit beside the picture.
const MAX_LINES: usize = 36;

/// Lines of a file, and the records that mark them.
#[derive(Serialize)]
pub(super) struct Excerpt {
    title: String,
    file: String,
    /// Line number of the first line.
    line: usize,
    when: String,
    code: String,
    marks: Vec<Mark>,
}

impl Excerpt {
    pub(super) fn find(root: &Path, entry: &ExcerptSpec, kinds: &RecordKinds) -> Result<Self> {
        let text = read_text(&root.join(&entry.file))?;
        let file =
            syn::parse_file(&text).with_context(|| format!("cannot parse {}", entry.file))?;
        let (first, last) = item_lines(&file, &entry.item)?;
        let lines: Vec<&str> = text
            .lines()
            .skip(first - 1)
            .take(last + 1 - first)
            .collect();
        let position = |text: &Option<String>| {
            text.as_ref()
                .map(|text| unique_line(&lines, text))
                .transpose()
        };
        let from = position(&entry.from)?.unwrap_or(0);
        let to = position(&entry.to)?.unwrap_or(lines.len() - 1);
        ensure!(from <= to, "`to` is before `from`");
        let lines = &lines[from..=to];
        ensure!(
            lines.len() <= MAX_LINES,
            "the excerpt has {} lines, more than {MAX_LINES}",
            lines.len()
        );
        let marks = entry.marks.iter();
        let marks =
            marks.map(|(record, text)| Mark::read(record, kinds, unique_line(lines, text)?));
        let mut marks = marks.collect::<Result<Vec<_>>>()?;
        marks.sort();
        Ok(Excerpt {
            title: entry.title.clone(),
            file: entry.file.clone(),
            line: first + from,
            when: entry.when.clone(),
            code: dedent(lines),
            marks,
        })
    }
}

/// Returns the index of the only line that contains `text`.
fn unique_line(lines: &[&str], text: &str) -> Result<usize> {
    let mut found = (0..lines.len()).filter(|position| lines[*position].contains(text));
    let position = found
        .next()
        .with_context(|| format!("no line contains {text:?}"))?;
    ensure!(
        found.next().is_none(),
        "more than one line contains {text:?}"
    );
    Ok(position)
}

/// Removes the common indentation.
fn dedent(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let nonblank = lines.iter().filter(|line| !line.trim().is_empty());
    let min_indent = nonblank.map(indent).min().unwrap_or(0);
    let lines = lines
        .iter()
        .map(|line| line.get(min_indent..).unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the first and last line of an item, without its docs and attributes.
fn item_lines(file: &File, name: &str) -> Result<(usize, usize)> {
    let mut found = Vec::new();
    let mut add = |attributes: &[Attribute], all: proc_macro2::Span| {
        let after = attributes.last().map(|it| it.span().end().line + 1);
        found.push((after.unwrap_or(all.start().line), all.end().line));
    };
    for item in &file.items {
        match (item, name.split_once("::")) {
            (Item::Fn(it), None) if it.sig.ident == name => add(&it.attrs, it.span()),
            (Item::Impl(it), Some((of, name))) if is_named(&it.self_ty, of) => {
                for item in &it.items {
                    if let ImplItem::Fn(it) = item
                        && it.sig.ident == name
                    {
                        add(&it.attrs, it.span());
                    }
                }
            }
            _ => {}
        }
    }
    match found[..] {
        [lines] => Ok(lines),
        [] => bail!("the file has no such item"),
        _ => bail!("the file has {} items of that name", found.len()),
    }
}

fn is_named(it: &Type, name: &str) -> bool {
    match it {
        Type::Path(it) => it.path.segments.last().is_some_and(|it| it.ident == name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
/// One.
fn one() {
    two()
}

impl<'a> Thing<'a> {
    /// Two,
    /// in lines.
    #[must_use]
    pub(super) fn two(&self) -> u8 {
        let one = 1;

        one + 1
    }
}
";

    fn find(entry: &str) -> Result<Excerpt> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("core/src/trace")).unwrap();
        std::fs::write(
            folder.path().join("core/src/trace/event.rs"),
            "enum RecordKind { Call }",
        )
        .unwrap();
        std::fs::write(folder.path().join("a.rs"), SOURCE).unwrap();
        let kinds = RecordKinds::read(folder.path()).unwrap();
        let entry = toml::from_str(&format!("title = ''\nfile = 'a.rs'\n{entry}")).unwrap();
        Excerpt::find(folder.path(), &entry, &kinds)
    }

    #[test]
    fn item_is_found_by_name() {
        let one = find("item = 'one'").unwrap();
        assert_eq!(
            (one.line, one.code.as_str()),
            (2, "fn one() {\n    two()\n}")
        );
        let two = find("item = 'Thing::two'\nmarks = [['call', 'let one']]").unwrap();
        assert_eq!(two.line, 10);
        assert!(two.code.starts_with("pub(super) fn two") && two.code.ends_with("\n}"));
        assert_eq!(two.marks[0].line, 1);
        let part = find("item = 'Thing::two'\nfrom = 'let one'\nto = 'one + 1'").unwrap();
        assert_eq!(
            (part.line, part.code.as_str()),
            (11, "let one = 1;\n\none + 1")
        );
    }

    #[test]
    fn missing_or_ambiguous_items_are_errors() {
        for (entry, expected) in [
            ("item = 'Thing::three'", "no such item"),
            ("item = 'two'", "no such item"),
            (
                "item = 'one'\nmarks = [['call', 'three']]",
                "no line contains",
            ),
            (
                "item = 'Thing::two'\nmarks = [['call', 'one']]",
                "more than one line",
            ),
            (
                "item = 'one'\nmarks = [['cry', 'two']]",
                "unknown record kind",
            ),
        ] {
            let error = find(entry).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
