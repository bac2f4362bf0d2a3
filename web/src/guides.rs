//! Checks at compile time that guides use only valid parameters and values of their
//! scenario. The bundle parses the guides, but only this crate has the
//! schema.

use highwater::scenario::{self, Param, ParamKind};

macro_rules! check {
    ($($chapter:literal: $($name:literal)+;)+) => {
        $($(
            #[cfg(feature = $chapter)]
            const _: () = check($name, include_bytes!(concat!("../guides/", $name, ".md")));
        )+)+
        const CHECKED_GUIDES: &[&str] = &[$($(#[cfg(feature = $chapter)] $name),+),+];
    };
}

check! {
    "events": "observer" "decoupling";
    "streams": "backpressure" "pipeline";
    "errors": "taxonomy" "handler";
    "scaling": "blocking" "threads" "cluster";
}

const _: () = assert!(
    CHECKED_GUIDES.len() == scenario::ALL.len(),
    "a scenario has no checked guide"
);

/// Checks every `[words](key=value&…)` and `{key}`, and panics with the first one that
/// is not valid for the scenario. `{=…}` is not a setting, and `world=tab` ends them.
const fn check(name: &str, guide: &[u8]) {
    let params = params_of(name);
    let mut at = 0;
    while at + 2 < guide.len() {
        match (guide[at], guide[at + 1], guide[at + 2]) {
            (b'{', b'=', _) => {}
            (b']', b'(', _) => check_settings(params, until(guide, at + 2, b')')),
            (b'{', ..) => discard(param(params, until(guide, at + 1, b'}'))),
            _ => {}
        }
        at += 1;
    }
}

const fn check_settings(params: &[Param], mut rest: &[u8]) {
    while !rest.is_empty() {
        let setting = until(rest, 0, b'&');
        let key = until(setting, 0, b'=');
        if is_same(setting, b"world=tab") {
            return;
        }
        let value = skip(setting, key.len() + 1);
        if !accepts(param(params, key), value) {
            fail(setting);
        }
        rest = skip(rest, setting.len() + 1);
    }
}

const fn accepts(param: &Param, value: &[u8]) -> bool {
    match param.kind {
        ParamKind::Integer { min, max, .. } => match u64::from_str_radix(text(value), 10) {
            Ok(number) => min <= number && number <= max,
            Err(_) => false,
        },
        ParamKind::Decimal { min, max, .. } => {
            let number = hundredths(value);
            min.hundredths() <= number && number <= max.hundredths()
        }
        ParamKind::Choice { options, .. } => {
            let mut at = 0;
            while at < options.len() {
                if is_same(options[at].as_bytes(), value) {
                    return true;
                }
                at += 1;
            }
            false
        }
    }
}

/// Returns a decimal number in hundredths.
const fn hundredths(value: &[u8]) -> u64 {
    let whole = until(value, 0, b'.');
    let decimals = skip(value, whole.len() + 1);
    let scale = match decimals.len() {
        0 => return 100 * number(whole),
        1 => 10,
        2 => 1,
        _ => fail(value),
    };
    100 * number(whole) + scale * number(decimals)
}

const fn number(digits: &[u8]) -> u64 {
    match u64::from_str_radix(text(digits), 10) {
        Ok(number) => number,
        Err(_) => fail(digits),
    }
}

const fn params_of(name: &str) -> &'static [Param] {
    let mut at = 0;
    while at < scenario::ALL.len() {
        if is_same(scenario::ALL[at].name.as_bytes(), name.as_bytes()) {
            return scenario::ALL[at].params;
        }
        at += 1;
    }
    panic!("a guide has no scenario")
}

const fn param<'a>(params: &'a [Param], key: &[u8]) -> &'a Param {
    let mut at = 0;
    while at < params.len() {
        if is_same(params[at].key.as_bytes(), key) {
            return &params[at];
        }
        at += 1;
    }
    fail(key)
}

/// Returns the bytes from `at` to the next `end`, or to the end of `from`.
const fn until(from: &[u8], at: usize, end: u8) -> &[u8] {
    let rest = skip(from, at);
    let mut length = 0;
    while length < rest.len() && rest[length] != end {
        length += 1;
    }
    rest.split_at(length).0
}

const fn skip(from: &[u8], count: usize) -> &[u8] {
    let count = if count < from.len() {
        count
    } else {
        from.len()
    };
    from.split_at(count).1
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

const fn text(bytes: &[u8]) -> &str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

const fn fail(what: &[u8]) -> ! {
    panic!("{}", text(what))
}

const fn discard(_: &Param) {}
