//! The legend.

use super::{
    PlotRun,
    canvas::{Canvas, DrawResult, PIXEL, TEXT, shorten},
    theme::{Theme, stroke_width},
};
use plotters::prelude::*;

/// The legend, with an entry per run: its line, label, world and seed.
pub(super) struct Legend<'a> {
    runs: &'a [PlotRun<'a>],
    at: (i32, i32),
    room: i32,
}

const LINE_HEIGHT: i32 = 17 * PIXEL;
const GAP: i32 = 10 * PIXEL;
/// The maximum number of lines of a label.
const MAX_LINES: usize = 6;
const SAMPLE_WIDTH: i32 = 38 * PIXEL;
const SMALL: i32 = 12 * PIXEL;

impl<'a> Legend<'a> {
    pub(super) fn new(runs: &'a [PlotRun<'a>]) -> Self {
        Legend {
            runs,
            at: (0, 0),
            room: 0,
        }
    }

    /// Sets its position and returns its bottom edge.
    pub(super) fn place(&mut self, at: (i32, i32), room: i32) -> i32 {
        self.at = at;
        self.room = room - SAMPLE_WIDTH;
        let height = |run| {
            let lines = self.label(run).len() + 1;
            LINE_HEIGHT * i32::try_from(lines).unwrap_or(0) + GAP
        };
        at.1 + self.runs.iter().map(height).sum::<i32>()
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_, '_>, theme: &Theme) -> DrawResult {
        let (left, mut top) = self.at;
        let x = left + SAMPLE_WIDTH;
        for (index, run) in self.runs.iter().enumerate() {
            let middle = top + 8 * PIXEL;
            let colour = theme.run(index);
            canvas.dash.set(Theme::dash(index));
            let line = vec![(left, middle), (left + 30 * PIXEL, middle)];
            let style = colour.stroke_width(stroke_width(2));
            canvas.area.draw(&PathElement::new(line, style))?;
            theme.mark(canvas, index, (left + 15 * PIXEL, middle))?;
            for line in self.label(run) {
                canvas.area.draw_text(&line, &theme.text(TEXT), (x, top))?;
                top += LINE_HEIGHT;
            }
            let text = shorten(&run.description(), SMALL, self.room);
            canvas
                .area
                .draw_text(&text, &theme.muted(SMALL), (x, top))?;
            top += LINE_HEIGHT + GAP;
        }
        Ok(())
    }

    /// Breaks the label of a run into lines.
    fn label(&self, run: &PlotRun<'_>) -> Vec<String> {
        let mut lines: Vec<String> = vec![String::new()];
        for word in run.label.split_whitespace() {
            let last = lines.len() - 1;
            let longer = match lines[last].as_str() {
                "" => word.to_owned(),
                line => [line, " ", word].concat(),
            };
            let is_full = longer != shorten(&longer, TEXT, self.room);
            if !is_full || lines[last].is_empty() || lines.len() == MAX_LINES {
                lines[last] = longer;
            } else {
                lines.push(word.to_owned());
            }
        }
        let shortened = lines.iter().map(|line| shorten(line, TEXT, self.room));
        shortened.collect()
    }
}
