//! Each check of `taxonomy` and `handler` can fail: a trace that was tampered
//! with in one place fails the checks that look there, and no other.

mod tampered;

use highwater::trace::{Event, Kind, NameId, Phase, Trace};
use tampered::tampered;

const CATCH_ALL: &[(&str, &str)] = &[("design", "catch_all")];
const SUPERVISE: &[(&str, &str)] = &[];
const SWALLOW: &[(&str, &str)] = &[("policy", "swallow")];
const CRASH: &[(&str, &str)] = &[("policy", "crash")];
const CRASH_LOOP: &[(&str, &str)] = &[("bug_every", "3"), ("restarts", "3")];

/// The place of the first record that is like this.
fn first(trace: &Trace, is_it: impl Fn(&Event) -> bool) -> usize {
    trace.events.iter().position(is_it).unwrap()
}

/// The cause of a record.
fn cause<'a>(trace: &'a Trace, event: &Event) -> &'a str {
    event.failure.map_or("", |cause| trace.name(cause))
}

/// The first end of that kind with that cause: "" if it ended well.
fn ended(trace: &Trace, kind: Kind, with: &str) -> usize {
    first(trace, |it| {
        it.kind == kind && it.phase != Phase::Begin && cause(trace, it) == with
    })
}

/// The id of a name, which is entered into the table if it is not there yet.
fn name(trace: &mut Trace, name: &str) -> Option<NameId> {
    if trace.id(name).is_none() {
        trace.names.push(name.to_owned());
    }
    trace.id(name)
}

fn set_param(trace: &mut Trace, key: &str, value: &str) {
    let mut params = trace.params.iter_mut();
    let (_, param) = params.find(|(known, _)| known == key).unwrap();
    value.clone_into(param);
}

/// Puts a copy of a record behind it, changed.
fn forge(trace: &mut Trace, place: usize, change: impl FnOnce(&mut Event)) {
    let mut copy = trace.events[place];
    change(&mut copy);
    trace.events.insert(place + 1, copy);
}

/// What can be done to a log, in either scenario.
fn tampered_logs(scenario: &str) -> [Vec<&'static str>; 4] {
    let first_line = |trace: &Trace| first(trace, |it| it.kind == Kind::Log);
    let missing = tampered(scenario, &[], |trace| {
        let line = first_line(trace);
        trace.events.remove(line);
    });
    let twice = tampered(scenario, &[], |trace| {
        let line = first_line(trace);
        forge(trace, line, |_| {});
    });
    let without_id = tampered(scenario, &[], |trace| {
        let line = first_line(trace);
        trace.events[line].subject = 0;
    });
    let of_another_code = tampered(scenario, &[], |trace| {
        let line = first_line(trace);
        trace.events[line].failure = trace.id("ErrorHandler");
    });
    [missing, twice, without_id, of_another_code]
}

#[test]
fn a_log_that_is_not_of_each_error_once() {
    for scenario in ["taxonomy", "handler"] {
        for failed in tampered_logs(scenario) {
            assert_eq!(failed, ["logged-once"], "{scenario}");
        }
    }
    let once = tampered("taxonomy", CATCH_ALL, |trace| {
        let line = first(trace, |it| it.kind == Kind::Log);
        trace.events.remove(line);
    });
    assert_eq!(once, ["logged-once"]);
}

#[test]
fn a_request_that_is_answered_never_or_twice() {
    for (scenario, check) in [
        ("taxonomy", "every-request-answered"),
        ("handler", "every-request-accounted"),
    ] {
        let never = tampered(scenario, &[], |trace| {
            let answer = ended(trace, Kind::Request, "");
            trace.events.remove(answer);
        });
        assert_eq!(never, [check]);
        let twice = tampered(scenario, &[], |trace| {
            let answer = ended(trace, Kind::Request, "");
            forge(trace, answer, |_| {});
        });
        assert_eq!(twice, [check]);
    }
}

#[test]
fn an_answer_that_shows_too_much_or_too_little() {
    for (scenario, code) in [
        ("taxonomy", "404 not_found"),
        ("handler", "400 invalid_input"),
    ] {
        let shown = tampered(scenario, &[], |trace| {
            let answer = ended(trace, Kind::Request, code);
            forge(trace, answer, |it| {
                (it.kind, it.phase) = (Kind::Expose, Phase::Instant);
            });
        });
        assert_eq!(shown, ["nothing-exposed"]);
    }
    let hidden = tampered("taxonomy", CATCH_ALL, |trace| {
        let exposed = first(trace, |it| it.kind == Kind::Expose);
        trace.events.remove(exposed);
    });
    assert_eq!(hidden, ["nothing-exposed"]);
}

#[test]
fn an_answer_of_another_class() {
    let other = tampered("taxonomy", &[], |trace| {
        let answer = ended(trace, Kind::Request, "404 not_found");
        trace.events[answer].failure = trace.id("500 internal_error");
    });
    assert_eq!(other, ["answer-by-class"]);
    let right = tampered("taxonomy", CATCH_ALL, |trace| {
        let answer = ended(trace, Kind::Request, "500 error");
        trace.events[answer].failure = trace.id("CatchAll");
    });
    assert_eq!(right, ["answer-by-class"]);
}

#[test]
fn a_retry_beyond_what_is_allowed() {
    let budget = tampered("taxonomy", &[], |trace| {
        set_param(trace, "budget", "0");
    });
    assert_eq!(budget, ["retry-what-may-help"]);
    let attempts = tampered("taxonomy", &[], |trace| {
        set_param(trace, "attempts", "1");
    });
    assert_eq!(attempts, ["retry-what-may-help"]);
    // To make a payment must not be done twice.
    let not_idempotent = tampered("taxonomy", &[], |trace| {
        let retry = trace.events[first(trace, |it| it.kind == Kind::Retry)];
        let create = trace.id("CreatePayment").unwrap();
        for event in &mut trace.events {
            if event.kind == Kind::Handle && event.subject == retry.subject {
                event.source = create;
            }
        }
    });
    assert_eq!(not_idempotent, ["retry-what-may-help"]);
    let unasked = tampered("taxonomy", &[], |trace| {
        let retry = first(trace, |it| it.kind == Kind::Retry);
        trace.events.remove(retry);
    });
    assert_eq!(unasked, ["retry-what-may-help"]);
}

/// A whole attempt more, and the retry that asked for it.
fn attempt_again(trace: &mut Trace, number: u64) {
    let of_it = |it: &Event| it.subject == number;
    let again: Vec<Event> = trace
        .events
        .iter()
        .filter(|it| of_it(it) && matches!(it.kind, Kind::Handle | Kind::Call | Kind::Log))
        .copied()
        .collect();
    let log = trace
        .events
        .iter()
        .rposition(|it| of_it(it) && it.kind == Kind::Log);
    let log = log.unwrap();
    trace.events.splice((log + 1)..=log, again);
    forge(trace, log, |it| it.kind = Kind::Retry);
}

#[test]
fn a_bug_that_is_retried_in_spite_of_its_class() {
    let retried = tampered("taxonomy", &[], |trace| {
        let bug = ended(trace, Kind::Handle, "a bug in the receipt");
        attempt_again(trace, trace.events[bug].subject);
    });
    assert_eq!(retried, ["retry-what-may-help", "bugs-and-load"]);
    let given_up = tampered("taxonomy", CATCH_ALL, |trace| {
        let bug = ended(trace, Kind::Handle, "a bug in the receipt");
        let number = trace.events[bug].subject;
        let retry = |it: &Event| it.kind == Kind::Retry && it.subject == number;
        let retry = first(trace, retry);
        let (mut place, mut attempts) = (0, 0);
        trace.events.remove(retry);
        trace.events.retain(|it| {
            let is_later = place >= retry && it.subject == number && it.kind == Kind::Handle;
            place += 1;
            attempts += usize::from(is_later);
            !is_later || attempts > 2
        });
        let logs = |it: &Event| it.kind == Kind::Log && it.subject == number;
        for _floor in 0..2 {
            let log = first(trace, logs);
            trace.events.remove(log);
        }
    });
    assert_eq!(given_up, ["retry-what-may-help", "bugs-and-load"]);
}

#[test]
fn a_breaker_that_lets_too_much_through_or_too_little() {
    let to = |trace: &Trace, state: &str| {
        let state = trace.id(state);
        first(trace, |it| it.kind == Kind::Switch && it.target == state)
    };
    for (state, calls) in [("open", 1), ("half-open", 3)] {
        let through = tampered("taxonomy", &[], |trace| {
            let call = trace.events[first(trace, |it| it.kind == Kind::Call)];
            let switch = to(trace, state);
            let number = trace.events[switch].subject;
            for _ in 0..calls {
                forge(trace, switch, |it| {
                    *it = call;
                    it.subject = number;
                });
            }
        });
        assert_eq!(through, ["breaker-probes"], "{state}");
    }
    let refused = tampered("taxonomy", &[], |trace| {
        let refusal = first(trace, |it| it.kind == Kind::Refuse);
        let refusal = trace.events.remove(refusal);
        trace.events.insert(0, refusal);
    });
    assert_eq!(refused, ["breaker-probes"]);
}

#[test]
fn a_request_that_is_lost_by_who_lives() {
    let lost = tampered("handler", CRASH, |trace| {
        let answer = ended(trace, Kind::Request, "");
        let lost = name(trace, "lost");
        let number = trace.events[answer].subject;
        let worker = |it: &Event| it.kind == Kind::Call && it.subject == number;
        let worker = trace.events[first(trace, worker)].target;
        trace.events[answer].failure = lost;
        // As if that worker had come to its own end.
        for event in &mut trace.events {
            if event.kind == Kind::Exit && Some(event.source) == worker {
                event.failure = None;
            }
        }
    });
    assert!(lost.contains(&"every-request-accounted"), "{lost:?}");
    let vanished = tampered("handler", CRASH, |trace| {
        let lost = ended(trace, Kind::Request, "lost");
        trace.events.remove(lost);
    });
    assert_eq!(vanished, ["every-request-accounted"]);
}

/// The last exit of a worker: at its own end.
fn last_exit(trace: &Trace) -> usize {
    let mut events = trace.events.iter();
    events.rposition(|it| it.kind == Kind::Exit).unwrap()
}

#[test]
fn an_operational_error_that_ends_a_worker() {
    let ended = tampered("handler", &[("bug_every", "0")], |trace| {
        let exit = last_exit(trace);
        trace.events[exit].failure = name(trace, "a bug");
    });
    assert_eq!(ended, ["operational-restarts-nothing"]);
}

#[test]
fn a_bug_that_ends_too_few_or_too_many() {
    // Somebody new, without need.
    for pairs in [SUPERVISE, SWALLOW, CRASH] {
        let one_more = tampered("handler", pairs, |trace| {
            let exit = last_exit(trace);
            forge(trace, exit, |it| {
                (it.kind, it.subject, it.failure) = (Kind::Start, 99, None);
            });
        });
        assert_eq!(one_more, ["bug-and-restart"], "{pairs:?}");
    }
    let survived = tampered("handler", CRASH, |trace| {
        let exit = ended(trace, Kind::Exit, "a bug");
        trace.events[exit].failure = None;
    });
    assert!(survived.contains(&"bug-and-restart"), "{survived:?}");
    let ended_by_it = tampered("handler", SWALLOW, |trace| {
        let exit = last_exit(trace);
        trace.events[exit].failure = name(trace, "a bug");
    });
    assert_eq!(ended_by_it, ["bug-and-restart"]);
    // After it was given up.
    let too_many = tampered("handler", CRASH_LOOP, |trace| {
        let exit = last_exit(trace);
        forge(trace, exit, |it| {
            (it.kind, it.subject, it.failure) = (Kind::Start, 99, None);
        });
    });
    assert_eq!(too_many, ["bug-and-restart", "gives-up"]);
}

#[test]
fn the_same_process_again() {
    let same = tampered("handler", SUPERVISE, |trace| {
        let is_start = |it: &Event| it.kind == Kind::Start && it.subject > 0;
        let id = trace.events[first(trace, is_start)].subject;
        let last = trace.events.iter().rposition(is_start).unwrap();
        trace.events[last].subject = id;
    });
    assert_eq!(same, ["another-process"]);
}

#[test]
fn an_answer_that_is_wrong_or_right_against_all_odds() {
    let right = tampered("handler", SWALLOW, |trace| {
        let wrong = first(trace, |it| it.kind == Kind::Wrong);
        trace.events.remove(wrong);
    });
    assert_eq!(right, ["wrong-answers"]);
    for pairs in [SUPERVISE, SWALLOW, CRASH] {
        let wrong = tampered("handler", pairs, |trace| {
            let answer = ended(trace, Kind::Request, "");
            forge(trace, answer, |it| {
                (it.kind, it.phase) = (Kind::Wrong, Phase::Instant);
            });
        });
        assert_eq!(wrong, ["wrong-answers"], "{pairs:?}");
    }
}

#[test]
fn a_bug_that_is_retried_or_is_not() {
    let retried = tampered("handler", SUPERVISE, |trace| {
        let bug = ended(trace, Kind::Handle, "a bug in the fees");
        forge(trace, bug, |it| {
            (it.kind, it.phase) = (Kind::Retry, Phase::Instant);
        });
    });
    assert_eq!(retried, ["retrying-a-bug"]);
    let is_not = tampered("handler", SUPERVISE, |trace| {
        set_param(trace, "retry", "everything");
    });
    assert_eq!(is_not, ["retrying-a-bug"]);
}

#[test]
fn a_supervisor_that_gives_up_too_early_or_not_at_all() {
    let early = tampered("handler", CRASH_LOOP, |trace| {
        set_param(trace, "restarts", "4");
    });
    assert_eq!(early, ["gives-up"]);
    let served = tampered("handler", CRASH_LOOP, |trace| {
        let mut events = trace.events.iter();
        let last = events.rposition(|it| it.kind == Kind::Request);
        trace.events[last.unwrap()].failure = None;
    });
    assert_eq!(served, ["gives-up"]);
    let unsaid = tampered("handler", CRASH_LOOP, |trace| {
        let given_up = ended(trace, Kind::Exit, "too many restarts");
        trace.events.remove(given_up);
    });
    assert!(unsaid.contains(&"bug-and-restart"), "{unsaid:?}");
}
