//! The page, in a real browser. Run by `cargo run -p tests -- e2e`, which builds
//! the program and the page first.
//!
//! `browser` opens a page and looks into its console, `server` has something to
//! open, `experiment` is what a person does there (`keyboard`: by keys alone),
//! `look` how they see it, `axe` whether they can, `judged` how it comes out
//! everywhere; each other module is a group of cases.

mod axe;
mod browser;
mod console;
mod driver;
mod experiment;
mod firefox;
mod judged;
mod keyboard;
mod look;
mod native;
mod server;

mod challenge;
mod chapters;
mod compare;
mod decoupling;
mod errors;
mod everywhere;
mod file;
mod fuzz;
mod home;
mod keys;
mod observer;
mod offline;
mod reading;
mod scaling;
mod served;
mod smoke;
mod streams;
mod surface;
mod timeline;
