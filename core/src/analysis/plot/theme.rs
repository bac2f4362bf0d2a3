//! Colours, dashes and markers.

use super::canvas::{Canvas, DrawResult, PIXEL, TITLE};
use plotters::prelude::*;
use plotters_backend::FontStyle;

/// The colours of a plot.
pub(super) struct Theme {
    pub(super) background: RGBColor,
    pub(super) text: RGBColor,
    pub(super) muted: RGBColor,
    pub(super) grid: RGBColor,
    runs: [RGBColor; 6],
}

/// The dash patterns, one per distinguishable run.
const DASHES: [&str; 6] = [
    "",
    "70 40",
    "20 35",
    "120 40 20 40",
    "140 50",
    "50 25 20 25 20 25",
];

impl Theme {
    /// Creates a theme. The hues are distinguishable by colour-blind people (Okabe and
    /// Ito, 2008), each with a contrast of at least 3 to 1 to the background.
    pub(super) fn new(is_dark: bool) -> Self {
        let colour = |(red, green, blue)| RGBColor(red, green, blue);
        if is_dark {
            Theme {
                background: colour((0x10, 0x18, 0x1f)),
                text: colour((0xe6, 0xee, 0xf4)),
                muted: colour((0xa0, 0xb1, 0xbe)),
                grid: colour((0x33, 0x42, 0x4e)),
                runs: [
                    (0x56, 0xb4, 0xe9),
                    (0xf0, 0xa0, 0x35),
                    (0x3e, 0xcf, 0x9f),
                    (0xe7, 0x9a, 0xc5),
                    (0xe6, 0xdb, 0x54),
                    (0xdd, 0xdd, 0xdd),
                ]
                .map(colour),
            }
        } else {
            Theme {
                background: colour((0xff, 0xff, 0xff)),
                text: colour((0x16, 0x22, 0x2c)),
                muted: colour((0x53, 0x64, 0x71)),
                grid: colour((0xd3, 0xdd, 0xe4)),
                runs: [
                    (0x00, 0x72, 0xb2),
                    (0xc8, 0x4e, 0x00),
                    (0x00, 0x7a, 0x5a),
                    (0xb0, 0x50, 0x8a),
                    (0x6a, 0x64, 0x00),
                    (0x44, 0x44, 0x44),
                ]
                .map(colour),
            }
        }
    }

    /// Returns the colour of a run.
    pub(super) fn run(&self, index: usize) -> RGBColor {
        self.runs[index % self.runs.len()]
    }

    pub(super) fn dash(index: usize) -> &'static str {
        DASHES[index % DASHES.len()]
    }

    pub(super) fn title(&self) -> TextStyle<'_> {
        font(TITLE, FontStyle::Bold).color(&self.text)
    }

    pub(super) fn text(&self, size: i32) -> TextStyle<'_> {
        font(size, FontStyle::Normal).color(&self.text)
    }

    pub(super) fn muted(&self, size: i32) -> TextStyle<'_> {
        font(size, FontStyle::Normal).color(&self.muted)
    }

    /// Draws the marker of a run. Each run has a different shape.
    pub(super) fn mark(&self, canvas: &Canvas<'_, '_>, index: usize, at: (i32, i32)) -> DrawResult {
        let colour = self.run(index);
        let (x, y) = at;
        let [r, s] = [4 * PIXEL, 35 * PIXEL / 10];
        let polygon = |points: &[(i32, i32)]| {
            let points: Vec<_> = points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
            canvas.area.draw(&Polygon::new(points, colour.filled()))
        };
        let strokes = |[a, b]: [[(i32, i32); 2]; 2]| {
            for stroke in [a, b] {
                let points: Vec<_> = stroke.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
                canvas.area.draw(&PathElement::new(
                    points,
                    colour.stroke_width(stroke_width(2)),
                ))?;
            }
            Ok(())
        };
        canvas.dash.set("");
        match index % 6 {
            0 => canvas.area.draw(&Circle::new(at, s, colour.filled())),
            1 => polygon(&[(0, -r), (r, s), (-r, s)]),
            2 => polygon(&[(-s, -s), (s, -s), (s, s), (-s, s)]),
            3 => polygon(&[(0, -r - PIXEL), (r, 0), (0, r + PIXEL), (-r, 0)]),
            4 => strokes([[(-s, -s), (s, s)], [(-s, s), (s, -s)]]),
            _ => strokes([[(-r, 0), (r, 0)], [(0, -r), (0, r)]]),
        }
    }
}

/// Converts pixels into the unit of plotters.
pub(super) fn stroke_width(pixels: u32) -> u32 {
    pixels * PIXEL.unsigned_abs()
}

fn font(size: i32, style: FontStyle) -> TextStyle<'static> {
    let font = FontDesc::new(FontFamily::SansSerif, f64::from(size), style);
    TextStyle::from(font)
}
