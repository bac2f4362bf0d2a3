//! The list of chapters, in builds with any set of chapter features.

use highwater::scenario::{self, CHAPTERS, InputError};
use std::collections::BTreeSet;

fn built_chapters() -> [(&'static str, bool); 4] {
    [
        ("events", cfg!(feature = "chapter-events")),
        ("streams", cfg!(feature = "chapter-streams")),
        ("errors", cfg!(feature = "chapter-errors")),
        ("scaling", cfg!(feature = "chapter-scaling")),
    ]
}

#[test]
fn build_lists_its_scenarios_in_chapter_order() {
    let names: Vec<_> = CHAPTERS.iter().map(|chapter| chapter.name).collect();
    assert_eq!(names, built_chapters().map(|(name, _)| name));

    let mut expected = Vec::new();
    for (chapter, (_, is_built)) in CHAPTERS.iter().zip(built_chapters()) {
        let scenarios = chapter.scenarios.iter().filter(|_| is_built);
        expected.extend(scenarios.map(|name| (chapter.name, *name)));
    }
    let all = scenario::ALL.iter().map(|it| (it.chapter, it.name));
    assert_eq!(all.collect::<Vec<_>>(), expected);
}

#[test]
fn no_scenario_is_in_two_chapters() {
    let names: Vec<_> = CHAPTERS.iter().flat_map(|it| it.scenarios).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[test]
fn scenarios_of_other_builds_are_not_unknown() {
    for (chapter, (_, is_built)) in CHAPTERS.iter().zip(built_chapters()) {
        for name in chapter.scenarios {
            match scenario::find(name) {
                Ok(found) => assert!(is_built && found.name == *name),
                Err(error) => {
                    assert!(!is_built, "{error}");
                    assert!(matches!(error, InputError::NotInThisBuild { .. }));
                    assert!(error.to_string().contains(chapter.name), "{error}");
                }
            }
        }
    }
}

#[test]
fn unknown_name_error_lists_all_names() {
    let error = scenario::find("decuopling").unwrap_err().to_string();
    assert!(error.contains("did you mean \"decoupling\"?"), "{error}");
    for name in CHAPTERS.iter().flat_map(|chapter| chapter.scenarios) {
        assert!(error.contains(name), "{error}");
    }
}
