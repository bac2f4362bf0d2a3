//! An SVG backend for plotters.
//!
//! The backend that plotters provides has no dashes. In a browser it measures texts
//! with an element inserted into the page, with a style that a strict policy forbids,
//! and a Worker has no document. This one measures nothing.

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontStyle, FontTransform,
    text_anchor::{HPos, VPos},
};
use std::{
    cell::Cell,
    fmt::{self, Write},
    rc::Rc,
};

/// The dash pattern of the next lines, as an SVG attribute, or empty.
pub(super) type Dash = Rc<Cell<&'static str>>;

/// A writer of SVG elements.
pub(super) struct Svg<'a> {
    out: &'a mut String,
    size: (i32, i32),
    dash: Dash,
}

impl<'a> Svg<'a> {
    /// Begins a document of this size, in tenths of a pixel.
    pub(super) fn new(out: &'a mut String, size: (i32, i32), title: &str) -> Self {
        let (width, height) = size;
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" viewBox="0 0 {width} {height}" role="img" font-family="system-ui, sans-serif"><title>{}</title>"#,
            width / 10,
            height / 10,
            XmlEscaped(title),
        );
        let dash = Dash::default();
        Svg { out, size, dash }
    }

    pub(super) fn dash(&self) -> Dash {
        Rc::clone(&self.dash)
    }

    fn points(&mut self, points: impl IntoIterator<Item = BackendCoord>) -> fmt::Result {
        let mut separator = "";
        for (x, y) in points {
            write!(self.out, "{separator}{x},{y}")?;
            separator = " ";
        }
        Ok(())
    }

    fn stroke<S: BackendStyle>(&mut self, style: &S) -> fmt::Result {
        let width = style.stroke_width();
        write!(
            self.out,
            r#" fill="none" stroke="{}""#,
            Colour(style.color())
        )?;
        opacity(self.out, "stroke", style.color())?;
        // Hairlines: the unit of plotters is a tenth of a pixel here.
        write!(self.out, r#" stroke-width="{}""#, width.max(10))?;
        if !self.dash.get().is_empty() {
            write!(self.out, r#" stroke-dasharray="{}""#, self.dash.get())?;
        }
        self.out.write_str(r#" stroke-linejoin="round""#)
    }

    fn fill(&mut self, colour: BackendColor) -> fmt::Result {
        write!(self.out, r#" fill="{}""#, Colour(colour))?;
        opacity(self.out, "fill", colour)
    }

    fn paint<S: BackendStyle>(&mut self, style: &S, is_filled: bool) -> fmt::Result {
        if is_filled {
            self.fill(style.color())
        } else {
            self.stroke(style)
        }
    }

    fn path<S: BackendStyle>(
        &mut self,
        path: impl IntoIterator<Item = BackendCoord>,
        style: &S,
    ) -> fmt::Result {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        self.out.write_str(r#"<polyline points=""#)?;
        self.points(path)?;
        self.out.write_str("\"")?;
        self.stroke(style)?;
        self.out.write_str("/>")
    }

    fn text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> fmt::Result {
        if text.is_empty() {
            return Ok(());
        }
        let anchor = style.anchor();
        let along = match anchor.h_pos {
            HPos::Left => "start",
            HPos::Center => "middle",
            HPos::Right => "end",
        };
        // The baseline offset in hundredths of the size, as in most fonts.
        let down = match anchor.v_pos {
            VPos::Top => 80,
            VPos::Center => 35,
            VPos::Bottom => -20,
        };
        #[expect(clippy::cast_possible_truncation, reason = "sizes are small")]
        let size = style.size() as i32;
        write!(
            self.out,
            r#"<text x="{x}" y="{y}" dy="{}" font-size="{size}" text-anchor="{along}""#,
            size * down / 100,
        )?;
        if let FontStyle::Bold = style.style() {
            self.out.write_str(r#" font-weight="bold""#)?;
        }
        let turned = match style.transform() {
            FontTransform::None => 0,
            FontTransform::Rotate90 => 90,
            FontTransform::Rotate180 => 180,
            FontTransform::Rotate270 => 270,
        };
        if turned != 0 {
            write!(self.out, r#" transform="rotate({turned} {x} {y})""#)?;
        }
        self.fill(style.color())?;
        write!(self.out, ">{}</text>", XmlEscaped(text))
    }
}

impl DrawingBackend for Svg<'_> {
    type ErrorType = fmt::Error;

    fn get_size(&self) -> (u32, u32) {
        (self.size.0.unsigned_abs(), self.size.1.unsigned_abs())
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<fmt::Error>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<fmt::Error>> {
        Ok(())
    }

    fn draw_pixel(
        &mut self,
        (x, y): BackendCoord,
        colour: BackendColor,
    ) -> Result<(), DrawingErrorKind<fmt::Error>> {
        self.draw_rect((x, y), (x + 1, y + 1), &colour, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Result<(), DrawingErrorKind<fmt::Error>> {
        self.path([from, to], style)
            .map_err(DrawingErrorKind::DrawingError)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        is_filled: bool,
    ) -> Result<(), DrawingErrorKind<fmt::Error>> {
        let (width, height) = (right - left, bottom - top);
        let mut draw = || {
            write!(
                self.out,
                r#"<rect x="{left}" y="{top}" width="{width}" height="{height}""#
            )?;
            self.paint(style, is_filled)?;
            self.out.write_str("/>")
        };
        draw().map_err(DrawingErrorKind::DrawingError)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<fmt::Error>> {
        self.path(path, style)
            .map_err(DrawingErrorKind::DrawingError)
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        is_filled: bool,
    ) -> Result<(), DrawingErrorKind<fmt::Error>> {
        let mut draw = || {
            write!(self.out, r#"<circle cx="{x}" cy="{y}" r="{radius}""#)?;
            self.paint(style, is_filled)?;
            self.out.write_str("/>")
        };
        draw().map_err(DrawingErrorKind::DrawingError)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<fmt::Error>> {
        let draw = || {
            self.out.write_str(r#"<polygon points=""#)?;
            self.points(corners)?;
            self.out.write_str("\"")?;
            self.fill(style.color())?;
            self.out.write_str("/>")
        };
        draw().map_err(DrawingErrorKind::DrawingError)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        at: BackendCoord,
    ) -> Result<(), DrawingErrorKind<fmt::Error>> {
        self.text(text, style, at)
            .map_err(DrawingErrorKind::DrawingError)
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<fmt::Error>> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes are small, and of texts of some length"
        )]
        let size = style.size() as u32;
        let count = u32::try_from(text.chars().count()).unwrap_or(0);
        Ok((size * count * 55 / 100, size))
    }
}

fn opacity(out: &mut String, of: &str, colour: BackendColor) -> fmt::Result {
    if colour.alpha < 1.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1"
        )]
        let percent = (colour.alpha * 100.0) as u32;
        write!(out, r#" {of}-opacity="{percent}%""#)?;
    }
    Ok(())
}

struct Colour(BackendColor);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (red, green, blue) = self.0.rgb;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Text with markup escaped. Characters that XML forbids become blanks.
struct XmlEscaped<'a>(&'a str);

impl fmt::Display for XmlEscaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '\u{fffe}' | '\u{ffff}' => f.write_char(' ')?,
                other if other.is_control() => f.write_char(' ')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
