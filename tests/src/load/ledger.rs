//! The outcomes of all requests of a load test.

use std::fmt;

use crate::client::Client;
use crate::tally::{FailedRequest, Tally};

/// The outcomes of all requests of a load test, by kind of client.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(crate) tallies: Vec<(Client, Tally)>,
    /// Requests of an open loop that were due but never sent, because no client was
    /// free before the load test stopped.
    pub never_sent: u64,
}

impl Ledger {
    /// Returns the tally of each kind of client, in the order in which the kinds were
    /// added.
    pub fn by_client(&self) -> impl Iterator<Item = (Client, &Tally)> {
        self.tallies.iter().map(|(client, tally)| (*client, tally))
    }

    /// Returns the sum of all tallies.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for (_, tally) in &self.tallies {
            total.merge(tally);
        }
        total
    }

    /// Returns whether every request was either answered or failed. This must hold once
    /// the load test has stopped; before that, some requests are in flight.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.tallies
            .iter()
            .all(|(_, tally)| tally.sent == tally.answered() + tally.failures())
    }

    /// Returns the failed requests one by one.
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

/// Prints one line for each kind of client.
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
