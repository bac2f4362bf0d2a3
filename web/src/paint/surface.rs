//! The canvas, and the colours of its two themes.

#[cfg(not(target_arch = "wasm32"))]
use super::recording::Context;
#[cfg(target_arch = "wasm32")]
use {
    wasm_bindgen::{JsCast, JsValue},
    web_sys::{CanvasRenderingContext2d as Context, HtmlCanvasElement},
};

/// The colours of one theme. Failures also differ from successes by shape.
pub(crate) struct Theme {
    pub(crate) background: &'static str,
    pub(crate) panel: &'static str,
    pub(crate) line: &'static str,
    pub(crate) text: &'static str,
    pub(crate) muted: &'static str,
    pub(crate) accent: &'static str,
    pub(crate) good: &'static str,
    pub(crate) bad: &'static str,
}

const LIGHT: Theme = Theme {
    background: "#ffffff",
    panel: "#f2f6f9",
    line: "#6f808d",
    text: "#16222c",
    muted: "#536471",
    accent: "#0b6e99",
    good: "#2f7d4f",
    bad: "#c22f3d",
};

const DARK: Theme = Theme {
    background: "#10181f",
    panel: "#1a252e",
    line: "#627482",
    text: "#e6eef4",
    muted: "#a0b1be",
    accent: "#56b8e0",
    good: "#6cc28c",
    bad: "#ff7f87",
};

/// A canvas measured in CSS pixels, independent of the screen's pixel ratio.
pub(crate) struct Surface {
    context: Context,
    pub(crate) theme: &'static Theme,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// `true` if the user prefers reduced motion: messages are not animated.
    #[allow(dead_code, reason = "pictures of loops have no moving parts")]
    pub(crate) has_reduced_motion: bool,
    /// `true` for a thumbnail, which has no lanes.
    #[allow(dead_code, reason = "pictures of loops have only lanes")]
    pub(crate) is_thumbnail: bool,
}

impl Surface {
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn new(
        canvas: &HtmlCanvasElement,
        width: f64,
        height: f64,
        ratio: f64,
        is_dark: bool,
        has_reduced_motion: bool,
    ) -> Result<Self, JsValue> {
        let ratio = clamp(ratio, 0.5, 4.0);
        let pixels = (to_pixels(width * ratio), to_pixels(height * ratio));
        if (canvas.width(), canvas.height()) != pixels {
            canvas.set_width(pixels.0);
            canvas.set_height(pixels.1);
        }
        let context = canvas
            .get_context("2d")?
            .ok_or("this browser has no 2D canvas")?
            .unchecked_into::<Context>();
        context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0)?;
        Ok(Surface {
            context,
            theme: if is_dark { &DARK } else { &LIGHT },
            width,
            height,
            has_reduced_motion,
            is_thumbnail: false,
        })
    }

    /// Creates a surface that records what is painted.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn recording(width: f64, height: f64) -> Self {
        Surface {
            context: Context::default(),
            theme: &LIGHT,
            width,
            height,
            has_reduced_motion: false,
            is_thumbnail: false,
        }
    }

    /// Removes and returns the recorded shapes.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn take_shapes(&self) -> Vec<super::recording::Shape> {
        self.context.take()
    }

    /// Turns the surface into a thumbnail.
    pub(crate) fn into_thumbnail(mut self) -> Self {
        self.is_thumbnail = true;
        self
    }

    /// Returns the height above the lanes: `share` of the canvas, or all of it in a
    /// thumbnail.
    #[allow(dead_code, reason = "pictures of loops have only lanes")]
    pub(crate) fn above_lanes(&self, share: f64) -> f64 {
        let share = if self.is_thumbnail { 1.0 } else { share };
        (self.height * share).round()
    }

    pub(crate) fn clear(&self) {
        self.fill_rect(0.0, 0.0, self.width, self.height, self.theme.background);
    }

    pub(crate) fn fill_rect(&self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        self.context.set_fill_style_str(colour);
        self.context.fill_rect(x, y, width, height);
    }

    /// Paints a rounded panel with a border.
    pub(crate) fn panel(&self, x: f64, y: f64, width: f64, height: f64, border: &str, weight: f64) {
        let context = &self.context;
        context.begin_path();
        // Fails only for a negative radius.
        let _ = context.round_rect_with_f64(x, y, width, height, 8.0);
        context.set_fill_style_str(self.theme.panel);
        context.fill();
        context.set_stroke_style_str(border);
        context.set_line_width(weight);
        context.stroke();
    }

    pub(crate) fn line(&self, from: (f64, f64), to: (f64, f64), colour: &str, weight: f64) {
        let context = &self.context;
        context.begin_path();
        context.move_to(from.0, from.1);
        context.line_to(to.0, to.1);
        context.set_stroke_style_str(colour);
        context.set_line_width(weight);
        context.stroke();
    }

    /// Paints lines from each point to the next.
    #[cfg(feature = "errors")]
    pub(crate) fn path(&self, points: &[(f64, f64)], colour: &str, weight: f64) {
        for pair in points.windows(2) {
            self.line(pair[0], pair[1], colour, weight);
        }
    }

    pub(crate) fn dot(&self, at: (f64, f64), radius: f64, colour: &str) {
        let context = &self.context;
        context.begin_path();
        // Fails only for a negative radius.
        let _ = context.arc(at.0, at.1, radius, 0.0, std::f64::consts::TAU);
        context.set_fill_style_str(colour);
        context.fill();
    }

    /// Paints a hollow dot.
    pub(crate) fn ring(&self, at: (f64, f64), radius: f64, colour: &str) {
        let context = &self.context;
        context.begin_path();
        // Fails only for a negative radius.
        let _ = context.arc(at.0, at.1, radius, 0.0, std::f64::consts::TAU);
        context.set_stroke_style_str(colour);
        context.set_line_width(2.0);
        context.stroke();
    }

    /// Paints a cross, the sign of a failure.
    pub(crate) fn cross(&self, at: (f64, f64), size: f64, colour: &str) {
        let (x, y) = at;
        self.line((x - size, y - size), (x + size, y + size), colour, 2.0);
        self.line((x - size, y + size), (x + size, y - size), colour, 2.0);
    }

    /// Paints text aligned at `at`, vertically centred and condensed to `max_width` if
    /// it is longer.
    pub(crate) fn text(&self, text: &str, at: (f64, f64), style: Text, max_width: f64) {
        let context = &self.context;
        let weight = if style.bold { "600" } else { "400" };
        context.set_font(&format!("{weight} {}px system-ui, sans-serif", style.size));
        context.set_text_align(style.align);
        context.set_text_baseline("middle");
        context.set_fill_style_str(style.colour);
        let _ = context.fill_text_with_max_width(text, at.0, at.1, max_width.max(1.0));
    }
}

/// A text style.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    /// Font size in CSS pixels.
    pub(crate) size: u32,
    pub(crate) bold: bool,
    pub(crate) colour: &'a str,
    pub(crate) align: &'static str,
}

impl<'a> Text<'a> {
    pub(crate) fn small(colour: &'a str, bold: bool, align: &'static str) -> Self {
        Text {
            size: 11,
            bold,
            colour,
            align,
        }
    }
}

/// Clamps `value` to `min..=max`; `NaN` becomes `min`. `f64::clamp` can panic and
/// formats its bounds, which costs 5 KB of wasm.
pub(crate) fn clamp(value: f64, min: f64, max: f64) -> f64 {
    value.max(min).min(max)
}

#[cfg(target_arch = "wasm32")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the size limits of a canvas"
)]
fn to_pixels(length: f64) -> u32 {
    clamp(length.round(), 1.0, 16_384.0) as u32
}
