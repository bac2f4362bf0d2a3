//! The options of an emitter: failure policies, removals and leaks.

use crate::logged::Log;
use highwater::events::{
    Bus, Emitter, Failure, FailurePolicy, Leak, Options, Removal, WeakEmitter,
};
use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

fn emitter(options: Options) -> (Emitter<u8>, Log) {
    (Emitter::with_options(options), Log::default())
}

fn observe(emitter: &Emitter<u8>, log: &Log) {
    let log = log.clone();
    let observer = move |failure: &Failure| log.add(format!("observed {failure}"));
    emitter.errors().on("observer", observer).detach();
}

fn must_not_run<E>(_: &E) {
    panic!("called");
}

#[test]
fn fail_fast_stops_at_the_first_failure() {
    let (emitter, log) = emitter(Options::new().policy(FailurePolicy::FailFast));
    observe(&emitter, &log);
    let _subscriptions = (
        emitter.on("a", log.listener("a")),
        emitter.on("b", log.failing("b")),
        emitter.on("c", log.failing("c")),
    );
    let error = emitter.emit(&0).unwrap_err();
    assert_eq!(error.delivered(), 2);
    assert_eq!(error.to_string(), "1 of 2 listeners failed: b: b is out");
    assert_eq!(log.take(), ["a", "b"]);
    emitter.raise(Failure::new("job", "is late")).unwrap();
    assert_eq!(log.take(), ["observed job: is late"], "raised ones are");
}

#[test]
fn failed_once_is_removed() {
    let (emitter, log) = emitter(Options::new().policy(FailurePolicy::FailFast));
    emitter.once("a", log.failing("a")).detach();
    let _b = emitter.once("b", log.listener("b"));
    assert_eq!(emitter.emit(&0).unwrap_err().delivered(), 1);
    assert_eq!(emitter.emit(&0).unwrap(), 1, "b has not run");
    assert_eq!(emitter.emit(&0).unwrap(), 0);
    assert_eq!(log.take(), ["a", "b"]);
}

#[test]
fn isolated_failures_are_observed_immediately() {
    let (emitter, log) = emitter(Options::new());
    let _subscriptions = (
        emitter.on("a", log.failing("a")),
        emitter.on("b", log.listener("b")),
        emitter.on("c", log.failing("c")),
    );
    observe(&emitter, &log);
    assert_eq!(emitter.emit(&0).unwrap(), 3, "observed");
    let expected = [
        "a",
        "observed a: a is out",
        "b",
        "c",
        "observed c: c is out",
    ];
    assert_eq!(log.take(), expected);
    assert_eq!(emitter.errors().remove_all(), 1);
    assert_eq!(emitter.emit(&0).unwrap_err().failures().len(), 2);
}

#[test]
fn failing_observer_is_reported_too() {
    let (emitter, log) = emitter(Options::new());
    let _a = emitter.on("a", log.failing("a"));
    let _b = emitter.on("b", log.listener("b"));
    emitter.errors().on("pager", |_| Err("no signal")).detach();
    observe(&emitter, &log);
    let error = emitter.emit(&0).unwrap_err();
    assert_eq!(error.delivered(), 2);
    assert_eq!(
        error.to_string(),
        "1 of 2 listeners failed: a: a is out; observer pager: no signal"
    );
    assert_eq!(log.take(), ["a", "observed a: a is out", "b"]);

    // Observers are listeners, whose failures can be observed too.
    let observers = emitter.errors().errors();
    observers.on("last resort", |_| ()).detach();
    assert_eq!(emitter.emit(&0).unwrap(), 2);
}

#[test]
fn raised_failure_is_observed_or_returned() {
    let (emitter, log) = emitter(Options::new());
    let lost = || Failure::new("job", "lost");
    let unobserved = emitter.raise(lost()).unwrap_err();
    assert_eq!(unobserved.to_string(), "unobserved: job: lost");
    assert_eq!(unobserved.delivered(), 0);
    let returned = unobserved.into_failures();
    assert_eq!((returned.len(), &*returned[0].listener), (1, "job"));

    observe(&emitter, &log);
    emitter.raise(lost()).unwrap();
    assert_eq!(log.take(), ["observed job: lost"]);
    emitter.errors().on("pager", |_| Err("no signal")).detach();
    let error = emitter.raise(lost()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an observer failed: job: lost; observer pager: no signal"
    );
    assert_eq!(error.delivered(), 2, "two observers ran");
}

/// Emits to a listener that runs `first` once, followed by `a` and `b`, and returns
/// the log.
fn emit_after(
    removal: Removal,
    first: impl Fn(&Emitter<u8>) + Send + Sync + 'static,
) -> Vec<String> {
    let (emitter, log) = emitter(Options::new().removal(removal));
    let (weak, own) = (emitter.downgrade(), log.clone());
    let change = move |_: &u8| {
        own.add("first");
        first(&weak.upgrade().unwrap());
    };
    emitter.once("first", change).detach();
    emitter.on("a", log.listener("a")).detach();
    emitter.on("b", log.listener("b")).detach();
    let delivered = emitter.emit(&0).unwrap();
    let lines = log.take();
    assert_eq!(delivered, lines.len(), "each call is counted");
    lines
}

fn turn_off(emitter: &Emitter<u8>, name: &str) {
    let mut listeners = emitter.listeners().into_iter();
    let listener = listeners.find(|listener| &*listener.name == name);
    assert!(emitter.off(listener.unwrap().id));
}

#[test]
fn live_removal_affects_emits_in_progress() {
    let live = |first: fn(&Emitter<u8>)| emit_after(Removal::Live, first);
    assert_eq!(live(|emitter| turn_off(emitter, "a")), ["first", "b"]);
    assert_eq!(live(|emitter| turn_off(emitter, "b")), ["first", "a"]);
    let remove_all = |emitter: &Emitter<u8>| assert_eq!(emitter.remove_all(), 2);
    assert_eq!(live(remove_all), ["first"]);
    let snapshot = emit_after(Removal::Snapshot, remove_all);
    assert_eq!(snapshot, ["first", "a", "b"], "the snapshot includes them");
}

#[test]
fn listener_added_during_an_emit_waits() {
    for removal in [Removal::Live, Removal::Snapshot] {
        let lines = emit_after(removal, |emitter| {
            emitter.prepend("early", must_not_run).detach();
            emitter.on("late", must_not_run).detach();
            turn_off(emitter, "early");
        });
        assert_eq!(lines, ["first", "a", "b"], "and moves no other");
    }
}

#[test]
fn outer_emit_sees_inner_live_removals() {
    let (emitter, log) = emitter(Options::new().removal(Removal::Live));
    let (weak, own) = (emitter.downgrade(), log.clone());
    let first = emitter.on("first", move |depth: &u8| {
        own.add(format!("first {depth}"));
        let emitter = weak.upgrade().unwrap();
        if *depth == 0 {
            assert_eq!(emitter.emit(&1).unwrap(), 2);
        } else {
            turn_off(&emitter, "last");
        }
    });
    let _once = emitter.once("once", log.listener("once"));
    let _last = emitter.on("last", log.listener("last"));
    assert_eq!(
        emitter.emit(&0).unwrap(),
        1,
        "the inner emit called the rest"
    );
    assert_eq!(log.take(), ["first 0", "first 1", "once"]);
    first.cancel();
    assert_eq!(emitter.listener_count(), 0);
}

#[test]
fn once_removed_live_is_never_called() {
    for (removal, expected) in [(Removal::Live, 1), (Removal::Snapshot, 2)] {
        let (emitter, log) = emitter(Options::new().removal(removal));
        let weak = emitter.downgrade();
        let remover = move |_: &u8| turn_off(&weak.upgrade().unwrap(), "once");
        emitter.once("remover", remover).detach();
        let _once = emitter.once("once", log.listener("once"));
        assert_eq!(emitter.emit(&0).unwrap(), expected);
        assert_eq!(emitter.emit(&0).unwrap(), 0);
        assert_eq!(log.take().len(), expected - 1);
    }
}

fn leaks(options: Options) -> (Options, Arc<Mutex<Vec<Leak>>>) {
    let leaks: Arc<Mutex<Vec<Leak>>> = Arc::default();
    let report = Arc::clone(&leaks);
    let options = options.on_leak(move |leak| report.lock().unwrap().push(leak.clone()));
    (options, leaks)
}

#[test]
fn leak_is_reported_once_with_call_sites() {
    let clock = Arc::new(|| Duration::from_millis(1500));
    let (options, leaks) = leaks(Options::new().max_listeners(3).clock(clock));
    let (emitter, _) = emitter(options);
    let _start = emitter.on("start", |_| ());
    let mut requests = Vec::new();
    for number in 0..6 {
        let line = line!() + 1;
        requests.push(emitter.on("request", |_| ()));
        let reported = leaks.lock().unwrap();
        assert_eq!(reported.len(), usize::from(number >= 2), "at the fourth");
        let Some(leak) = reported.first() else {
            continue;
        };
        assert_eq!((leak.max_listeners, leak.listeners.len()), (3, 4));
        assert_eq!(leak.listeners[1].location.line(), line);
        assert_eq!(leak.listeners[1].since, Some(Duration::from_millis(1500)));
        let text = leak.to_string();
        let file = file!();
        let busiest = format!(
            "4 listeners for u8, more than 3: \
             3 by \"request\" at {file}:{line}:31 since 1500 ms, 1 by \"start\" at {file}:"
        );
        assert!(text.contains(&busiest), "{text}");
    }
    requests.clear();
    for _ in 0..6 {
        requests.push(emitter.on("request", |_| ()));
    }
    assert_eq!(leaks.lock().unwrap().len(), 1, "not again");
}

#[test]
fn leak_groups_listeners_by_line() {
    let (options, leaks) = leaks(Options::new().max_listeners(2));
    let (emitter, _) = emitter(options);
    for connection in 0..3 {
        emitter
            .on(format!("connection {connection}"), |_| ())
            .detach();
    }
    let text = leaks.lock().unwrap()[0].to_string();
    assert!(text.contains(": 3 by \"connection 0\" at "), "{text}");
    // Reported again after all were removed.
    emitter.remove_all();
    for _ in 0..3 {
        emitter.on("again", |_| ()).detach();
    }
    assert_eq!(leaks.lock().unwrap().len(), 2);
}

#[test]
fn observers_have_the_same_options() {
    let (options, leaks) = leaks(Options::new().max_listeners(1));
    let (emitter, _) = emitter(options);
    for _ in 0..2 {
        emitter.errors().on("observer", |_| ()).detach();
    }
    assert_eq!(leaks.lock().unwrap().len(), 1);
}

#[test]
fn leak_names_the_two_busiest_lines() {
    let (options, leaks) = leaks(Options::new().max_listeners(4));
    let (emitter, _) = emitter(options);
    let add = [
        |emitter: &Emitter<u8>| emitter.on("a", |_| ()).detach(),
        |emitter: &Emitter<u8>| emitter.on("b", |_| ()).detach(),
        |emitter: &Emitter<u8>| emitter.on("c", |_| ()).detach(),
    ];
    for line in [0, 1, 2, 1, 2] {
        add[line](&emitter);
    }
    let text = leaks.lock().unwrap()[0].to_string();
    let (b, c) = (
        text.find("2 by \"b\"").unwrap(),
        text.find("2 by \"c\"").unwrap(),
    );
    assert!(b < c, "the earliest comes first: {text}");
    assert!(
        text.ends_with(", and 1 more") && !text.contains("since"),
        "{text}"
    );
}

#[test]
fn listener_limit_defaults_to_ten() {
    for (options, expected) in [
        (Options::new().max_listeners(0), None),
        (Options::new(), Some(11)),
        (Options::default(), Some(11)),
    ] {
        let (options, leaks) = leaks(options);
        let (emitter, _) = emitter(options);
        for _ in 0..30 {
            emitter.on("request", |_| ()).detach();
        }
        let reported = leaks.lock().unwrap();
        let listeners = reported.first().map(|leak| leak.listeners.len());
        assert_eq!(listeners, expected);
    }
}

#[test]
fn leak_callback_can_use_the_emitter() {
    let slot: Arc<OnceLock<WeakEmitter<u8>>> = Arc::default();
    let own = Arc::clone(&slot);
    let options = Options::new().max_listeners(1).on_leak(move |leak| {
        let emitter = own.get().unwrap().upgrade().unwrap();
        assert_eq!(emitter.remove_all(), leak.listeners.len());
        emitter.on("the last", |_| ()).detach();
    });
    let emitter = Emitter::<u8>::with_options(options);
    slot.set(emitter.downgrade()).unwrap();
    emitter.on("a", |_| ()).detach();
    emitter.on("b", |_| ()).detach();
    assert_eq!(format!("{emitter:?}"), r#"["the last"]"#);
}

#[test]
fn bus_options_apply_to_its_emitters() {
    let clock = Arc::new(|| Duration::from_secs(9));
    let options = Options::new()
        .policy(FailurePolicy::FailFast)
        .removal(Removal::Live)
        .max_listeners(2)
        .clock(clock);
    let (options, leaks) = leaks(options);
    let bus = Bus::with_options(options);
    bus.on("a", |_: &u8| Err("out")).detach();
    bus.on("b", |_: &u8| ()).detach();
    assert_eq!(bus.emit(&0_u8).unwrap_err().delivered(), 1, "it fails fast");

    let later = bus.on("later", must_not_run::<char>);
    let slot = Mutex::new(Some(later));
    let remover = move |_: &char| drop(slot.lock().unwrap().take());
    bus.emitter().prepend("remover", remover).detach();
    assert_eq!(bus.emit(&'x').unwrap(), 1);

    assert!(
        leaks.lock().unwrap().is_empty(),
        "each type has its own count"
    );
    bus.on("c", |_: &u8| ()).detach();
    let reported = leaks.lock().unwrap();
    assert_eq!((reported.len(), reported[0].event), (1, "u8"));
    let listener = &bus.emitter::<char>().listeners()[0];
    assert_eq!(listener.since, Some(Duration::from_secs(9)));
}
