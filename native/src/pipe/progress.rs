//! The progress bar on the terminal.

use super::counters::Counters;
use futures::future::{self, Either};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::{
    convert::Infallible,
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};

/// The redraw interval.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Runs a pipeline with a progress bar on the terminal. `len` is the number of bytes to
/// read, if known. Shows no bar if the output itself goes to a terminal.
pub(crate) async fn run_with_bar<T>(
    len: Option<u64>,
    is_stdout: bool,
    counters: &Counters,
    run: impl Future<Output = T>,
) -> T {
    let prints_to_terminal = is_stdout && io::stdout().is_terminal();
    if !io::stderr().is_terminal() || prints_to_terminal {
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
    // The bar is also cleared if the run is interrupted.
    let bar = bar.with_finish(ProgressFinish::AndClear).with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let redraw = async || -> Infallible {
        loop {
            tokio::time::sleep(REDRAW_INTERVAL).await;
            bar.set_position(counters.read());
            bar.tick();
        }
    };
    match future::select(pin!(run), pin!(redraw())).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((never, _)) => match never {},
    }
}
