//! Whose request it is.

/// Picks who gets a request, of those who take some.
pub(super) struct Balance {
    spares_the_busy: bool,
    /// By places.
    loads: Vec<Load>,
    turn: u64,
}

#[derive(Clone, Copy, Default)]
struct Load {
    /// What it was handed and has not done.
    in_flight: usize,
    /// When it was handed the last one: which it was of all.
    turn: u64,
}

impl Balance {
    /// By what is in flight, or in turn only.
    pub(super) fn new(spares_the_busy: bool) -> Self {
        Balance {
            spares_the_busy,
            loads: Vec::new(),
            turn: 0,
        }
    }

    /// Somebody new is at a place.
    pub(super) fn reset(&mut self, place: usize) {
        *self.load(place) = Load::default();
    }

    /// Hands one to who has the fewest, or to all alike; of equals to who got
    /// none for the longest.
    pub(super) fn pick(&mut self, ready: impl Iterator<Item = usize>) -> Option<usize> {
        let spares_the_busy = self.spares_the_busy;
        let place = ready.min_by_key(|place| {
            let load = self.loads.get(*place).copied().unwrap_or_default();
            let in_flight = if spares_the_busy { load.in_flight } else { 0 };
            (in_flight, load.turn)
        })?;
        self.turn += 1;
        let turn = self.turn;
        let load = self.load(place);
        load.in_flight += 1;
        load.turn = turn;
        Some(place)
    }

    /// Who is there has done one.
    pub(super) fn done(&mut self, place: usize) {
        let load = self.load(place);
        load.in_flight = load.in_flight.saturating_sub(1);
    }

    /// The one of them that has most to do.
    pub(super) fn busiest(&self, ready: impl Iterator<Item = usize>) -> Option<usize> {
        ready.max_by_key(|place| self.loads.get(*place).map_or(0, |load| load.in_flight))
    }

    fn load(&mut self, place: usize) -> &mut Load {
        if self.loads.len() <= place {
            self.loads.resize(place + 1, Load::default());
        }
        &mut self.loads[place]
    }
}
