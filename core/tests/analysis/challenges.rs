//! Every challenge is failed as it starts, and can be met.

use highwater::{
    analysis::{Challenge, Goal},
    scenario::{self, CHAPTERS, Experiment},
    trace::Trace,
};

type Settings = &'static [(&'static str, &'static str)];

/// What meets each of them.
const SOLUTIONS: [(&str, Settings); 9] = [
    ("observer", &[("policy", "isolate"), ("errors", "observed")]),
    (
        "decoupling",
        &[
            ("design", "events"),
            ("listeners", "async"),
            ("inbox", "32"),
        ],
    ),
    ("backpressure", &[("heed", "wait"), ("mark", "256")]),
    ("pipeline", &[("window", "8"), ("mark", "4")]),
    ("taxonomy", &[("design", "classified"), ("breaker", "on")]),
    ("handler", &[("policy", "supervise"), ("restarts", "15")]),
    ("blocking", &[("run", "offloaded"), ("queue", "20")]),
    ("threads", &[("threads", "4"), ("jobs", "24")]),
    ("cluster", &[("restart", "rolling"), ("workers", "4")]),
];

fn experiment(challenge: &Challenge, more: &[(&str, &str)]) -> Experiment {
    let mut experiment = scenario::find(challenge.scenario).unwrap().experiment();
    for (key, value) in [challenge.load, challenge.start, more].concat() {
        experiment.set(key, value).unwrap();
    }
    experiment
}

fn unmet(challenge: &Challenge, trace: &Trace) -> Vec<Goal> {
    let goals = challenge.judge(trace).into_iter();
    goals.filter(|goal| !goal.is_met).collect()
}

#[test]
fn there_is_one_for_each_scenario() {
    let challenges: Vec<_> = Challenge::ALL.iter().map(|it| it.scenario).collect();
    let scenarios: Vec<_> = CHAPTERS
        .iter()
        .flat_map(|it| it.scenarios)
        .copied()
        .collect();
    assert_eq!(challenges, scenarios);
    for name in scenarios {
        assert_eq!(Challenge::of(name).unwrap().scenario, name);
    }
    assert!(Challenge::of("clusters").is_none());
}

#[test]
fn each_is_failed_by_what_it_starts_with() {
    for challenge in Challenge::ALL {
        let trace = experiment(challenge, &[]).simulate();
        let unmet = unmet(challenge, &trace);
        assert!(!unmet.is_empty(), "{}", challenge.scenario);
        let load = challenge.judge(&trace).swap_remove(0);
        assert!(load.is_met, "{}: {load:?}", challenge.scenario);
    }
}

#[test]
fn each_can_be_met_with_several_seeds() {
    for (name, solution) in SOLUTIONS {
        let challenge = Challenge::of(name).unwrap();
        let mut experiment = experiment(challenge, solution);
        for seed in ["1", "2", "3"] {
            experiment.set("seed", seed).unwrap();
            let unmet = unmet(challenge, &experiment.simulate());
            assert!(unmet.is_empty(), "{name}, seed {seed}: {unmet:#?}");
        }
    }
}

/// Nothing that a solution sets is for show.
#[test]
fn each_part_of_a_solution_is_needed() {
    for (name, solution) in SOLUTIONS {
        let challenge = Challenge::of(name).unwrap();
        for left_out in 0..solution.len() {
            let mut rest = solution.to_vec();
            let (key, _) = rest.remove(left_out);
            let trace = experiment(challenge, &rest).simulate();
            let is_met = unmet(challenge, &trace).is_empty();
            assert!(!is_met, "{name} is met without {key}");
        }
    }
}

/// What meets a challenge but for some of its goals: those with these words.
const NEARLY: [(&str, Settings, &str); 7] = [
    (
        "decoupling",
        &[("overflow", "drop-oldest"), ("inbox", "4")],
        "gets a mail",
    ),
    ("pipeline", &[("mark", "5")], "4 KiB"),
    ("backpressure", &[("mark", "320")], "256 KiB"),
    ("backpressure", &[("overflow", "drop-oldest")], "all 60"),
    ("blocking", &[("queue", "2")], "is rejected"),
    ("taxonomy", &[("design", "catch_all")], "internals"),
    ("taxonomy", &[("attempts", "1")], "are retried"),
];

#[test]
fn a_near_miss_is_one() {
    for (name, more, words) in NEARLY {
        let challenge = Challenge::of(name).unwrap();
        let (_, solution) = SOLUTIONS.iter().find(|it| it.0 == name).unwrap();
        let trace = experiment(challenge, &[solution, more].concat()).simulate();
        let unmet = unmet(challenge, &trace);
        let mut claims = unmet.iter().map(|goal| goal.claim);
        assert!(claims.any(|it| it.contains(words)), "{name}: {unmet:?}");
    }
}

/// Whatever is set, these are so, unless the library is wrong: that is the lesson.
const LESSONS: [&str; 2] = ["the run takes at most 3.2 s", "every batch is written"];

#[test]
fn each_goal_is_missed_by_some_run() {
    for challenge in Challenge::ALL {
        let (name, solution) = SOLUTIONS
            .iter()
            .find(|it| it.0 == challenge.scenario)
            .unwrap();
        let parts = (0..solution.len()).map(|left_out| {
            let mut rest = solution.to_vec();
            rest.remove(left_out);
            rest
        });
        let nearly = NEARLY.iter().filter(|it| it.0 == *name);
        let nearly = nearly.map(|it| [*solution, it.1].concat());
        let tries = [Vec::new()].into_iter().chain(parts).chain(nearly);
        let missed: Vec<_> = tries
            .flat_map(|more| unmet(challenge, &experiment(challenge, &more).simulate()))
            .map(|goal| goal.claim)
            .collect();
        for claim in challenge.claims().skip(1) {
            let is_lesson = LESSONS.contains(&claim);
            assert!(is_lesson != missed.contains(&claim), "{name}: {claim}");
        }
    }
}

#[test]
fn a_lighter_load_is_no_way_out() {
    for challenge in Challenge::ALL {
        let (_, solution) = SOLUTIONS
            .iter()
            .find(|it| it.0 == challenge.scenario)
            .unwrap();
        let trace = experiment(challenge, solution).simulate();
        for (key, given) in challenge.load {
            let other_value = if *given == "0" { "1" } else { "0" };
            let mut other = trace.clone();
            let param = other.params.iter_mut().find(|it| it.0 == *key).unwrap();
            other_value.clone_into(&mut param.1);
            let [goal] = unmet(challenge, &other).try_into().unwrap();
            assert_eq!(goal.claim, challenge.claims().next().unwrap());
            assert!(
                goal.evidence
                    .starts_with(&format!("{key} is {other_value}, not "))
            );
            // Nor to lighten it half way.
            let mut later = trace.clone();
            later.params.push((format!("{key}@1500"), "0".to_owned()));
            let [goal] = unmet(challenge, &later).try_into().unwrap();
            assert_eq!(goal.evidence, format!("{key} changed during the run"));
        }
    }
}

#[test]
fn a_run_that_is_not_whole_meets_nothing() {
    let challenge = Challenge::of("backpressure").unwrap();
    let whole = experiment(challenge, SOLUTIONS[2].1).simulate();
    let died = Trace {
        died: Some("a bug".to_owned()),
        ..whole.clone()
    };
    let lossy = Trace {
        dropped: 3,
        ..whole.clone()
    };
    for (trace, evidence) in [
        (died, "not shown: the run died (a bug)"),
        (lossy, "not shown: 3 records lost"),
    ] {
        let goals = challenge.judge(&trace);
        assert_eq!(goals.len(), challenge.claims().count());
        assert!(goals.iter().all(|it| !it.is_met && it.evidence == evidence));
    }
}
