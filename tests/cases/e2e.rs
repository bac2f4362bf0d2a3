//! The page, in a real browser. Run by `cargo run -p tests -- e2e`, which builds
//! the program and the page first.
//!
//! `browser` opens a page and looks into its console, `server` has something to
//! open, `experiment` is what a person does there, `judged` how it comes out
//! everywhere; each other module is a group of cases.

mod browser;
mod console;
mod driver;
mod experiment;
mod judged;
mod native;
mod server;

mod chapters;
mod decoupling;
mod errors;
mod file;
mod observer;
mod scaling;
mod smoke;
mod streams;
