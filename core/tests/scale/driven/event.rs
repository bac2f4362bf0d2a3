//! The events of a supervisor and its workers.

use proptest::prelude::*;

/// An event. Numbers pick one of the workers that have not exited.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Time passes, and the supervisor is ticked, perhaps late.
    Pass(u64),
    /// Time passes exactly up to the deadline.
    Deadline,
    Ready(usize),
    Heartbeat(usize),
    Retire(usize),
    Exit(usize),
    /// Reports about workers that have exited or never existed.
    Stale(usize),
    Reload,
    /// The supervisor was suspended for this long.
    Resumed(u64),
    Scale(usize),
    Shutdown,
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3000_u64).prop_map(Event::Pass),
        8 => Just(Event::Deadline),
        20 => any::<usize>().prop_map(Event::Ready),
        10 => any::<usize>().prop_map(Event::Heartbeat),
        5 => any::<usize>().prop_map(Event::Retire),
        2 => (0..20_000_u64).prop_map(Event::Resumed),
        10 => any::<usize>().prop_map(Event::Exit),
        2 => any::<usize>().prop_map(Event::Stale),
        8 => Just(Event::Reload),
        3 => (0..4_usize).prop_map(Event::Scale),
        1 => Just(Event::Shutdown),
    ]
}
