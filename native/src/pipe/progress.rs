//! How far it is, where somebody looks.

use super::counters::Counters;
use futures::future::{self, Either};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::{
    convert::Infallible,
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};

/// How often the bar is painted.
const PERIOD: Duration = Duration::from_millis(100);

/// Runs a pipeline and shows on the terminal how far it is; `len` is how many
/// bytes are to be read, if known. What is printed to a terminal itself is not
/// disturbed.
pub(crate) async fn watch<T>(
    len: Option<u64>,
    prints_output: bool,
    counters: &Counters,
    run: impl Future<Output = T>,
) -> T {
    let is_in_the_way = prints_output && io::stdout().is_terminal();
    if !io::stderr().is_terminal() || is_in_the_way {
        return run.await;
    }
    let (bar, template) = match len {
        Some(len) => (
            ProgressBar::new(len),
            "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {bytes} in {elapsed}, {bytes_per_sec}",
        ),
    };
    // Also if the run is interrupted.
    let bar = bar.with_finish(ProgressFinish::AndClear).with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let paint = async || -> Infallible {
        loop {
            tokio::time::sleep(PERIOD).await;
            bar.set_position(counters.read());
            bar.tick();
        }
    };
    match future::select(pin!(run), pin!(paint())).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((never, _)) => match never {},
    }
}
