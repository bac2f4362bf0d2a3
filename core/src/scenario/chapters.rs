//! The table of contents: every scenario there is, in this build or not.
//!
//! This file is a module of two programs: of this crate, and of the page's
//! bundle, which makes a build of each chapter.

/// A pattern, and the scenarios that show it.
///
/// The page downloads a chapter when one of its scenarios is opened, so each is
/// a feature of its own: `chapter-` and its name.
#[derive(Debug)]
pub struct Chapter {
    /// Its name, in features and addresses.
    pub name: &'static str,
    /// The names of its scenarios.
    pub scenarios: &'static [&'static str],
}

/// Every chapter, whether this build has it or not.
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
