//! Load balancing between workers.

/// Picks a ready worker for each request.
pub(super) struct LoadBalancer {
    least_busy: bool,
    /// Worker loads, indexed by position.
    loads: Vec<WorkerLoad>,
    turn: u64,
}

#[derive(Clone, Copy, Default)]
struct WorkerLoad {
    /// Requests sent to the worker and not yet completed.
    in_flight: usize,
    /// The sequence number of the worker's last pick.
    turn: u64,
}

impl LoadBalancer {
    /// Balances by requests in flight if `least_busy` is set, otherwise round robin.
    pub(super) fn new(least_busy: bool) -> Self {
        LoadBalancer {
            least_busy,
            loads: Vec::new(),
            turn: 0,
        }
    }

    /// Resets the load of a position that has a new worker.
    pub(super) fn reset(&mut self, position: usize) {
        *self.load(position) = WorkerLoad::default();
    }

    /// Picks the worker with the fewest requests in flight, or any when balancing round
    /// robin. Ties go to the worker whose last request is the oldest.
    pub(super) fn pick(&mut self, ready: impl Iterator<Item = usize>) -> Option<usize> {
        let least_busy = self.least_busy;
        let position = ready.min_by_key(|position| {
            let load = self.loads.get(*position).copied().unwrap_or_default();
            let in_flight = if least_busy { load.in_flight } else { 0 };
            (in_flight, load.turn)
        })?;
        self.turn += 1;
        let turn = self.turn;
        let load = self.load(position);
        load.in_flight += 1;
        load.turn = turn;
        Some(position)
    }

    /// Counts a completed request.
    pub(super) fn on_completed(&mut self, position: usize) {
        let load = self.load(position);
        load.in_flight = load.in_flight.saturating_sub(1);
    }

    /// Returns the worker with the most requests in flight.
    pub(super) fn busiest(&self, ready: impl Iterator<Item = usize>) -> Option<usize> {
        ready.max_by_key(|position| self.loads.get(*position).map_or(0, |load| load.in_flight))
    }

    fn load(&mut self, position: usize) -> &mut WorkerLoad {
        if self.loads.len() <= position {
            self.loads.resize(position + 1, WorkerLoad::default());
        }
        &mut self.loads[position]
    }
}
