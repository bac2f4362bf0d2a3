//! Converts guides from Markdown with two extensions to HTML.
//!
//! - `[make email slow](email_latency=200)` links to the experiment with these settings
//!   and defaults for the others. `[the defaults]()` sets nothing.
//! - `{email_latency}` is an input for that parameter. `{=EmailService: p99}` is a number
//!   from the run: row and column of a table, or only the row if it has one number.
//!
//! Compiling `highwater-web`, which has the schema, checks the keys and values.

use pulldown_cmark::{CowStr, Event, Parser, Tag, TextMergeStream, html};
use pulldown_cmark_escape::escape_html;

/// Converts the guide of the scenario `name` to HTML. Links with settings have the
/// attribute `data-set`. Placeholders have `data-knob` for an input or `data-number`
/// for a number.
pub(super) fn to_html(name: &str, guide: &str) -> String {
    let events = TextMergeStream::new(Parser::new(guide)).flat_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) if !dest_url.starts_with('#') => {
            let set = escape(&dest_url);
            vec![raw(format!(
                "<a href=\"#/{name}?{set}\" data-set=\"{set}\">"
            ))]
        }
        Event::Text(text) => replace_placeholders(&text),
        other => vec![other],
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// Replaces `{…}` in a text with placeholders.
fn replace_placeholders(text: &str) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((placeholder, after)) = after.split_once('}')
    {
        events.push(text_event(before));
        events.push(raw(match placeholder.strip_prefix('=') {
            Some(number) => format!("<b data-number=\"{}\">…</b>", escape(number)),
            None => format!("<span data-knob=\"{}\"></span>", escape(placeholder)),
        }));
        rest = after;
    }
    events.push(text_event(rest));
    events
}

fn text_event(text: &str) -> Event<'static> {
    Event::Text(CowStr::from(text.to_owned()))
}

fn raw(html: String) -> Event<'static> {
    Event::InlineHtml(html.into())
}

fn escape(text: &str) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = escape_html(&mut html, text);
    html
}

#[cfg(test)]
mod tests {
    use super::to_html;

    #[test]
    fn link_carries_its_settings() {
        let html = to_html("observer", "Now [make it slow](work=9&fail=none).");
        let set = "work=9&amp;fail=none";
        let link = format!("<a href=\"#/observer?{set}\" data-set=\"{set}\">make it slow</a>");
        assert_eq!(
            html,
            format!(
                "<p>Now {link}.</p>
"
            )
        );
        assert!(to_html("observer", "[home](#/)").contains("<a href=\"#/\">home</a>"));
        assert!(to_html("observer", "[as it was]()").contains("data-set=\"\""));
    }

    #[test]
    fn knobs_and_numbers_become_placeholders() {
        assert_eq!(
            to_html("observer", "{fail_rate} % and {=Bus: p99}, {"),
            "<p><span data-knob=\"fail_rate\"></span> % and <b data-number=\"Bus: p99\">…</b>, {</p>\n"
        );
    }
}
