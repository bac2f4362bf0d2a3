//! What became of every request.

use std::fmt;

use crate::client::Client;
use crate::tally::{FailedRequest, Tally};

/// What became of every request of a load.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(crate) tallies: Vec<(Client, Tally)>,
    /// Requests that were due in an open loop and for which no client was free
    /// before it was over: they were never sent.
    pub never_sent: u64,
}

impl Ledger {
    /// Of the clients of each kind, in the order they were asked for.
    pub fn by_client(&self) -> impl Iterator<Item = (Client, &Tally)> {
        self.tallies.iter().map(|(client, tally)| (*client, tally))
    }

    /// Of all of them together.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for (_, tally) in &self.tallies {
            total.add(tally);
        }
        total
    }

    /// Whether every request that was sent was either answered or failed. It
    /// holds once the load has stopped; while it runs some are under way.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.tallies
            .iter()
            .all(|(_, tally)| tally.sent == tally.answered() + tally.failures())
    }

    /// The failures one by one.
    pub fn failed(&self) -> impl Iterator<Item = &FailedRequest> {
        self.tallies.iter().flat_map(|(_, tally)| &tally.failed)
    }

    pub(crate) fn new(clients: impl Iterator<Item = Client>) -> Self {
        Ledger {
            tallies: clients.map(|client| (client, Tally::default())).collect(),
            never_sent: 0,
        }
    }
}

/// A line for each kind of client.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (client, tally) in &self.tallies {
            writeln!(f, "{client}: {tally}")?;
        }
        if self.never_sent > 0 {
            writeln!(f, "{} never sent: no client was free", self.never_sent)?;
        }
        Ok(())
    }
}
