//! Parses guides: Markdown with a few extensions, one section per step.
//!
//! ```text
//! ## [A full inbox](inbox=3)
//! {overflow} {inbox}
//!
//! What happens in this step.
//!
//! ? How many mails are sent? {=EmailService: Succeeded}
//! - ( ) all of them | 12..
//! - (x) some of them | ..11
//!
//! The explanation: {=EmailService: Succeeded} are sent.
//!
//! = Mails sent {=EmailService: Succeeded}, sign-up p50 {=UserService: p50}
//! ```
//!
//! - The heading links to the step's settings, with defaults for the others.
//! - The line of `{key}` lists the inputs beside the step.
//! - `{=Row: Column}` is a number from the run: row and column of a table, or only the
//!   row if it has one number.
//! - `?` asks for a prediction of a number, with two or three choices. Each choice ends
//!   with the range of numbers for which it is right; `(x)` marks the choice that is
//!   right by default.
//! - `=` is the finding: names and numbers, which are compared between steps.
//!
//! Compiling `highwater-web`, which has the schema, checks the keys and values.

use anyhow::{Context as _, Result, bail, ensure};
use pulldown_cmark::{CowStr, Event, Parser, TextMergeStream, html};
use pulldown_cmark_escape::escape_html;
use serde::Serialize;

/// Maximum number of inputs beside a step.
const MAX_KNOBS: usize = 3;

/// One step of a guide.
#[derive(Debug, Default, Serialize)]
pub(super) struct Step {
    title: String,
    /// Settings that differ from their defaults, `key=value&…`.
    set: String,
    knobs: Vec<String>,
    /// HTML shown before the run.
    text: String,
    question: String,
    /// The number to predict.
    number: String,
    pub(super) choices: Vec<Choice>,
    /// HTML shown after the run.
    reveal: String,
    /// Name and number of each finding.
    findings: Vec<(String, String)>,
}

/// A choice, right if the number is in the range.
#[derive(Debug, Serialize)]
pub(super) struct Choice {
    text: String,
    min: Option<f64>,
    max: Option<f64>,
    /// The choice is right by default.
    expected: bool,
}

/// Parses the guide of a scenario.
///
/// # Errors
///
/// Fails with the number of the first line that is invalid.
pub(super) fn parse(guide: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut start = 1;
    for (number, line) in (1..).zip(guide.lines()) {
        let context = || format!("line {number}: {line}");
        if let Some(heading) = line.strip_prefix("## ") {
            if let Some(step) = steps.last_mut() {
                step.finish().with_context(|| format!("line {start}"))?;
            }
            steps.push(Step::new(heading).with_context(context)?);
            start = number;
        } else {
            let step = steps.last_mut().context("line 1: expected a heading")?;
            step.add(line).with_context(context)?;
        }
    }
    let last = steps.last_mut().context("the guide has no steps")?;
    last.finish().with_context(|| format!("line {start}"))?;
    Ok(steps)
}

impl Step {
    fn new(heading: &str) -> Result<Self> {
        let link = heading
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(')'));
        let (title, set) = link
            .and_then(|it| it.split_once("]("))
            .context("expected `## [title](settings)`")?;
        Ok(Step {
            title: title.to_owned(),
            set: set.to_owned(),
            ..Step::default()
        })
    }

    fn add(&mut self, line: &str) -> Result<()> {
        if let Some(question) = line.strip_prefix("? ") {
            ensure!(self.question.is_empty(), "the step has a question already");
            let numbers = split_numbers(question)?;
            let [(question, number)] = numbers.as_slice() else {
                bail!("a question predicts one number");
            };
            self.question.clone_from(question);
            self.number.clone_from(number);
        } else if line.starts_with("- (") {
            self.choices.push(Choice::new(line)?);
        } else if let Some(findings) = line.strip_prefix("= ") {
            self.findings = split_numbers(findings)?;
        } else if line.starts_with('{') && !line.starts_with("{=") {
            let keys = line.split_whitespace().map(|it| {
                let key = it.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
                key.map(str::to_owned).context("expected only {key}")
            });
            self.knobs = keys.collect::<Result<_>>()?;
        } else {
            let text = if self.question.is_empty() {
                &mut self.text
            } else {
                &mut self.reveal
            };
            text.push_str(line);
            text.push('\n');
        }
        Ok(())
    }

    /// Checks that the step is complete, and converts its texts to HTML.
    fn finish(&mut self) -> Result<()> {
        ensure!(!self.question.is_empty(), "the step has no question");
        let count = self.choices.len();
        ensure!(matches!(count, 2 | 3), "{count} choices, expected 2 or 3");
        ensure!(!self.findings.is_empty(), "the step has no finding");
        let count = self.knobs.len();
        let is_valid = (1..=MAX_KNOBS).contains(&count);
        ensure!(is_valid, "{count} inputs, expected 1 to {MAX_KNOBS}");
        // Nothing is expected from a machine that is not simulated.
        let expected = usize::from(!self.set.contains("world="));
        let count = self.choices.iter().filter(|it| it.expected).count();
        ensure!(
            count == expected,
            "{count} choices have an (x), expected {expected}"
        );
        for text in [&mut self.text, &mut self.reveal] {
            *text = to_html(text);
        }
        Ok(())
    }
}

impl Choice {
    fn new(line: &str) -> Result<Self> {
        let expected = line.starts_with("- (x) ");
        let text = line.strip_prefix(if expected { "- (x) " } else { "- ( ) " });
        let (text, range) = text
            .and_then(|it| it.rsplit_once(" | "))
            .context("expected `- ( ) choice | min..max`")?;
        let (min, max) = range.split_once("..").unwrap_or((range, range));
        let bound = |text: &str| (!text.is_empty()).then(|| text.parse()).transpose();
        Ok(Choice {
            text: text.to_owned(),
            min: bound(min)?,
            max: bound(max)?,
            expected,
        })
    }
}

/// Splits `name {=number}, name {=number}` into pairs.
fn split_numbers(text: &str) -> Result<Vec<(String, String)>> {
    let parts = text
        .strip_suffix('}')
        .context("expected a {=number} at the end")?;
    let parts = parts.split('}').map(|part| {
        let (name, number) = part.split_once("{=").context("expected {=number}")?;
        let name = name.trim_start_matches(',').trim();
        Ok((name.to_owned(), number.to_owned()))
    });
    parts.collect()
}

fn to_html(text: &str) -> String {
    let events = TextMergeStream::new(Parser::new(text)).flat_map(|event| match event {
        Event::Text(text) => replace_numbers(&text),
        other => vec![other],
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// Replaces `{=…}` in a text with placeholders.
fn replace_numbers(text: &str) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{=")
        && let Some((number, after)) = after.split_once('}')
    {
        events.push(text_event(before));
        let number = escape(number);
        let html = format!("<b data-number=\"{number}\"></b>");
        events.push(Event::InlineHtml(html.into()));
        rest = after;
    }
    events.push(text_event(rest));
    events
}

fn text_event(text: &str) -> Event<'static> {
    Event::Text(CowStr::from(text.to_owned()))
}

fn escape(text: &str) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = escape_html(&mut html, text);
    html
}

#[cfg(test)]
mod tests {
    use super::parse;

    const GUIDE: &str = "\
## [One](work=9&fail=none)
{work} {fail}

Text, *here*.

? How many? {=Bus: p99}
- ( ) none | 0
- (x) some | 1..20.5

Because {=Bus: p99}, {.

= p99 {=Bus: p99}, lost {=Lost}
";

    #[test]
    fn step_has_all_parts() {
        let [step] = &parse(GUIDE).unwrap()[..] else {
            panic!("expected one step")
        };
        assert_eq!((&*step.title, &*step.set), ("One", "work=9&fail=none"));
        assert_eq!(step.knobs, ["work", "fail"]);
        assert_eq!(step.text, "<p>Text, <em>here</em>.</p>\n");
        assert_eq!((&*step.question, &*step.number), ("How many?", "Bus: p99"));
        let ranges: Vec<_> = step
            .choices
            .iter()
            .map(|it| (it.min, it.max, it.expected))
            .collect();
        assert_eq!(
            ranges,
            [(Some(0.0), Some(0.0), false), (Some(1.0), Some(20.5), true)]
        );
        assert_eq!(
            step.reveal,
            "<p>Because <b data-number=\"Bus: p99\"></b>, {.</p>\n"
        );
        let findings = [("p99", "Bus: p99"), ("lost", "Lost")];
        assert_eq!(
            step.findings,
            findings.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }

    #[test]
    fn errors_name_the_line() {
        for (from, to, line, expected) in [
            (
                "## [One](work=9&fail=none)",
                "# One",
                1,
                "expected a heading",
            ),
            ("## [One](work=9&fail=none)", "## One", 1, "expected `## ["),
            ("{work} {fail}", "", 1, "0 inputs"),
            ("? How many? {=Bus: p99}", "? How many?", 6, "{=number}"),
            (" | 0", "", 7, "expected `- ( ) choice"),
            (" | 0", " | none", 7, "invalid float"),
            ("- (x)", "- ( )", 1, "0 choices have an (x)"),
            ("= p99 {=Bus: p99}, lost {=Lost}", "", 1, "no finding"),
        ] {
            let error = format!("{:#}", parse(&GUIDE.replace(from, to)).unwrap_err());
            assert!(error.starts_with(&format!("line {line}: ")), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}
