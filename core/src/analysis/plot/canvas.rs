//! The drawing area, with lengths and texts.

use super::svg::{Dash, Svg};
use plotters::{coord::Shift, prelude::*};
use std::fmt;

/// All lengths are tenths of a pixel, since plotters supports whole numbers only.
pub(super) const PIXEL: i32 = 10;

pub(super) const MARGIN: i32 = 12 * PIXEL;
/// The sizes of the title and of other texts.
pub(super) const TITLE: i32 = 17 * PIXEL;
pub(super) const TEXT: i32 = 13 * PIXEL;
/// The height of the heading of a chart.
pub(super) const HEADING_HEIGHT: i32 = 46 * PIXEL;

/// The drawing area and its current dash.
pub(super) struct Canvas<'a, 'svg> {
    pub(super) area: &'a DrawingArea<Svg<'svg>, Shift>,
    pub(super) dash: Dash,
}

pub(super) type DrawResult = Result<(), DrawingAreaErrorKind<fmt::Error>>;

/// Truncates a text to the available room. Its width depends on an unknown font: on
/// average, letters are a little more than half as wide as high.
pub(super) fn shorten(text: &str, size: i32, room: i32) -> String {
    let most = usize::try_from(room * 100 / (size * 55)).unwrap_or(0);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}
