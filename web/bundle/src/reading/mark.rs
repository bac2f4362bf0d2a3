//! Marks that link source lines to the records they write.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use syn::Item;

use super::text::read_text;

/// The file that defines the record kinds, in numeric order.
const KINDS_FILE: &str = "core/src/trace/event.rs";

/// The names of the record kinds, indexed by number.
pub(super) struct RecordKinds(Vec<String>);

impl RecordKinds {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let file = syn::parse_file(&read_text(&root.join(KINDS_FILE))?)
            .with_context(|| format!("cannot parse {KINDS_FILE}"))?;
        let kinds = file.items.into_iter().find_map(|item| match item {
            Item::Enum(kinds) if kinds.ident == "RecordKind" => Some(kinds),
            _ => None,
        });
        let kinds = kinds.with_context(|| format!("{KINDS_FILE} has no enum RecordKind"))?;
        let names = kinds.variants.iter();
        Ok(RecordKinds(
            names
                .map(|it| it.ident.to_string().to_lowercase())
                .collect(),
        ))
    }
}

/// A source line and the records it writes.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Mark {
    /// Number of criteria. More specific marks come first, because the page uses the
    /// first match.
    #[serde(skip)]
    specificity: std::cmp::Reverse<usize>,
    kind: usize,
    /// 0 begin, 1 end, 2 instant, 3 failed end.
    phase: Option<usize>,
    /// Name of the source; a trailing `*` matches any suffix.
    by: Option<String>,
    failure: Option<String>,
    /// Line within the excerpt, from 0.
    pub(super) line: usize,
}

const PHASES: [&str; 4] = ["begin", "end", "instant", "failed"];

impl Mark {
    /// Parses `kind[ phase][ by NAME][: failure]`.
    pub(super) fn read(record: &str, kinds: &RecordKinds, line: usize) -> Result<Self> {
        let (rest, failure) = split_suffix(record, ": ");
        let (rest, by) = split_suffix(rest, " by ");
        let (kind, phase) = split_suffix(rest, " ");
        let Some(number) = kinds.0.iter().position(|known| *known == kind) else {
            bail!(
                "unknown record kind {kind:?}: choose one of {}",
                kinds.0.join(", ")
            );
        };
        let phase = phase.map(|phase| {
            let index = PHASES.iter().position(|known| *known == phase);
            index.with_context(|| {
                format!(
                    "unknown phase {phase:?}: choose one of {}",
                    PHASES.join(", ")
                )
            })
        });
        let phase = phase.transpose()?;
        let criteria = [
            phase.is_some(),
            by.is_some(),
            failure.is_some(),
            phase == Some(3),
        ];
        Ok(Mark {
            specificity: std::cmp::Reverse(criteria.into_iter().filter(|it| *it).count()),
            kind: number,
            phase,
            by: by.map(str::to_owned),
            failure: failure.map(str::to_owned),
            line,
        })
    }
}

fn split_suffix<'a>(text: &'a str, at: &str) -> (&'a str, Option<&'a str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_matches_kind_phase_source_and_failure() {
        let kinds = RecordKinds(vec!["start".to_owned(), "handle".to_owned()]);
        let read = |record| Mark::read(record, &kinds, 7);
        let mark = read("handle failed by Worker *: a bug").unwrap();
        assert_eq!((mark.kind, mark.phase, mark.line), (1, Some(3), 7));
        assert_eq!(mark.by.as_deref(), Some("Worker *"));
        assert_eq!(mark.failure.as_deref(), Some("a bug"));
        assert!(
            mark < read("handle end").unwrap(),
            "the more specific mark sorts first"
        );
        assert!(read("handel").is_err() && read("handle before").is_err());
    }

    #[test]
    fn kinds_are_read_from_the_trace_module() {
        let root = crate::layout::Layout::new(None).unwrap().root;
        assert_eq!(
            RecordKinds::read(&root).unwrap().0[..2],
            ["start", "depend"]
        );
    }
}
