//! All chapters and their scenarios, including those not in this build.
//!
//! Two crates include this file: this one, and `web/bundle`, which builds each
//! chapter of the page separately.

/// A group of scenarios about one topic.
///
/// The page downloads a chapter when one of its scenarios is opened. Each
/// chapter is therefore a Cargo feature: `chapter-` followed by its name.
#[derive(Debug)]
pub struct Chapter {
    /// The name, used in features and addresses.
    pub name: &'static str,
    /// The names of its scenarios.
    pub scenarios: &'static [&'static str],
}

/// All chapters, including those disabled in this build.
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
