//! All chapters and their scenarios, whether this build contains them or not.
//!
//! Two crates include this file: this one, and `web/bundle`, which builds each
//! chapter of the page separately.

/// A group of scenarios about one topic.
///
/// The page downloads a chapter when one of its scenarios is opened. Each
/// chapter is therefore a Cargo feature: `chapter-` followed by its name.
#[derive(Debug)]
pub struct Chapter {
    /// The name in features and addresses.
    pub name: &'static str,
    /// The names of its scenarios.
    pub scenarios: &'static [&'static str],
}

/// All chapters, enabled in this build or not.
pub const CHAPTERS: &[Chapter] = &[
    Chapter {
        name: "events",
        scenarios: &["observer", "decoupling"],
    },
    Chapter {
        name: "streams",
        scenarios: &["backpressure", "pipeline"],
    },
    Chapter {
        name: "errors",
        scenarios: &["taxonomy", "handler"],
    },
    Chapter {
        name: "scaling",
        scenarios: &["blocking", "threads", "cluster"],
    },
];
