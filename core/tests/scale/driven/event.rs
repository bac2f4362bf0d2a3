//! What may apply to a supervisor and its workers.

use proptest::prelude::*;

/// What happens. Workers are picked from those that have not exited, by number.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Time passes, and the supervisor is ticked; perhaps late.
    Pass(u64),
    /// Time passes up to the deadline exactly.
    Deadline,
    Ready(usize),
    Heartbeat(usize),
    Retire(usize),
    Exit(usize),
    /// All that can be told of a worker that is gone, or never was.
    Stale(usize),
    Reload,
    /// The supervisor was held up for so long.
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
