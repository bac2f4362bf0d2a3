//! A context that records the painted shapes, for tests outside a browser.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
};

/// A painted shape that the tests check.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A filled circle: its centre, radius and colour.
    Dot((f64, f64), f64, String),
    /// A circle without a filling.
    Ring((f64, f64), f64, String),
    /// A filled rectangle: its corner, size and colour.
    Rect((f64, f64), (f64, f64), String),
    /// A line, with its colour.
    Line((f64, f64), (f64, f64), String),
    /// A text, with its position.
    Text(String, (f64, f64)),
}

/// A context with the methods of a canvas context that a
/// [`Surface`](super::Surface) calls.
#[derive(Default)]
pub(crate) struct Context {
    shapes: RefCell<Vec<Shape>>,
    circle: Cell<Option<((f64, f64), f64)>>,
    from: Cell<(f64, f64)>,
    to: Cell<Option<(f64, f64)>>,
    fill: RefCell<String>,
    stroke: RefCell<String>,
}

#[allow(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the methods have the signatures of a canvas context"
)]
impl Context {
    /// Removes and returns the shapes painted so far.
    pub(super) fn take(&self) -> Vec<Shape> {
        self.shapes.take()
    }

    fn add(&self, shape: Shape) {
        self.shapes.borrow_mut().push(shape);
    }

    pub(super) fn set_fill_style_str(&self, colour: &str) {
        self.fill.replace(colour.to_owned());
    }

    pub(super) fn set_stroke_style_str(&self, colour: &str) {
        self.stroke.replace(colour.to_owned());
    }

    pub(super) fn begin_path(&self) {
        self.circle.take();
        self.to.take();
    }

    pub(super) fn move_to(&self, x: f64, y: f64) {
        self.from.set((x, y));
    }

    pub(super) fn line_to(&self, x: f64, y: f64) {
        self.to.set(Some((x, y)));
    }

    pub(super) fn arc(&self, x: f64, y: f64, radius: f64, _: f64, _: f64) -> Outcome {
        self.circle.set(Some(((x, y), radius)));
        Ok(())
    }

    pub(super) fn fill(&self) {
        if let Some((at, radius)) = self.circle.get() {
            self.add(Shape::Dot(at, radius, self.fill.borrow().clone()));
        }
    }

    pub(super) fn stroke(&self) {
        let colour = self.stroke.borrow().clone();
        match (self.circle.get(), self.to.get()) {
            (Some((at, radius)), _) => self.add(Shape::Ring(at, radius, colour)),
            (None, Some(to)) => self.add(Shape::Line(self.from.get(), to, colour)),
            (None, None) => {}
        }
    }

    pub(super) fn fill_text_with_max_width(&self, text: &str, x: f64, y: f64, _: f64) -> Outcome {
        self.add(Shape::Text(text.to_owned(), (x, y)));
        Ok(())
    }

    pub(super) fn round_rect_with_f64(&self, _: f64, _: f64, _: f64, _: f64, _: f64) -> Outcome {
        Ok(())
    }

    pub(super) fn fill_rect(&self, x: f64, y: f64, width: f64, height: f64) {
        let colour = self.fill.borrow().clone();
        self.add(Shape::Rect((x, y), (width, height), colour));
    }

    pub(super) fn set_line_width(&self, _: f64) {}

    pub(super) fn set_font(&self, _: &str) {}

    pub(super) fn set_text_align(&self, _: &str) {}

    pub(super) fn set_text_baseline(&self, _: &str) {}
}

type Outcome = Result<(), Infallible>;
