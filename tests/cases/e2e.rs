//! The page, in a real browser. Run by `cargo run -p tests -- e2e`, which builds
//! the program and the page first.
//!
//! `browser` opens a page and looks into its console, `server` has something to
//! open, `experiment` is what a person does there (`keyboard`: by keys alone),
//! `appearance` how they see it, `axe` whether they can, `verdicts` how it comes out
//! all_browsers; each other module is a group of cases.

mod appearance;
mod axe;
mod browser;
mod console;
mod driver;
mod experiment;
mod firefox;
mod keyboard;
mod native;
mod server;
mod verdicts;

mod all_browsers;
mod challenge;
mod chapters;
mod compare;
mod decoupling;
mod display;
mod errors;
mod file;
mod fuzz;
mod home;
mod keys;
mod native_world;
mod observer;
mod offline;
mod reading;
mod scaling;
mod smoke;
mod streams;
mod timeline;
