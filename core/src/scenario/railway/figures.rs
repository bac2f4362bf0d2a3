//! The numbers of a run about errors, as they are read.

use super::Tally;
use crate::scenario::narrating::tenths;
use std::time::Duration;

impl Tally {
    /// Each number with what it counts, for whoever shows them: the same in
    /// every world. Those about processes are there if processes are, and that of a breaker
    /// if not.
    ///
    /// ```
    /// use highwater::scenario::{self, Tally};
    ///
    /// let trace = scenario::find("taxonomy")?.experiment().simulate();
    /// let figures = Tally::of(&trace).figures();
    /// assert_eq!(figures[0].0, "Available");
    /// assert!(figures[0].1.ends_with(" %"));
    /// # Ok::<(), scenario::InputError>(())
    /// ```
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, String)> {
        let number = |value: u64| value.to_string();
        let mut figures = vec![
            ("Available", self.available()),
            ("Wrong answers", number(self.wrong)),
            ("Answered 2xx", number(self.succeeded)),
            ("Answered 4xx", number(self.client_errors)),
            ("Answered 5xx", number(self.server_errors)),
            ("Lost in flight", number(self.lost)),
            ("Still in flight", number(self.in_flight())),
            ("Attempts a request", self.attempts_a_request()),
            ("Retries", number(self.retries)),
            ("Errors", number(self.errors)),
            ("Log lines", number(self.logged)),
            ("Answers with internal detail", number(self.exposed)),
        ];
        if self.stations().is_empty() {
            figures.push(("Refused by a breaker", number(self.refused)));
        } else {
            figures.extend([
                ("Crashes", number(self.crashes)),
                ("Restarts", self.restarted()),
                ("Longest restart", self.restart_time()),
            ]);
        }
        figures
    }

    /// The [`availability`](Tally::availability) in percent: `95.0 %`.
    #[must_use]
    pub fn available(&self) -> String {
        let share = self.availability();
        share.map_or_else(dash, |share| format!("{}.{} %", share / 10, share % 10))
    }

    fn attempts_a_request(&self) -> String {
        let hundredths = self.amplification();
        hundredths.map_or_else(dash, |hundredths| {
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        })
    }

    fn restarted(&self) -> String {
        let more = if self.has_given_up {
            ", then given up"
        } else {
            ""
        };
        format!("{}{more}", self.restarts)
    }

    fn restart_time(&self) -> String {
        if self.longest_restart == Duration::ZERO {
            return dash();
        }
        tenths(self.longest_restart)
    }
}

fn dash() -> String {
    "–".to_owned()
}
