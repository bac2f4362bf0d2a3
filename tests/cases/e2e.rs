//! End-to-end cases of the page in real browsers. Run them with `cargo run -p tests --
//! e2e`, which builds the program and the page first.
//!
//! `browser` opens pages and reads the console, `server` serves them, `experiment` and
//! `keyboard` operate the page, `appearance` sets the display, `axe` checks
//! accessibility, and `verdicts` compares the worlds. The other modules contain the
//! cases.

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
mod delivery;
mod display;
mod errors;
mod file;
mod fuzz;
mod home;
mod interference;
mod keys;
mod lanes;
mod layout;
mod native_world;
mod offline;
mod reading;
mod scaling;
mod smoke;
mod streams;
mod timeline;
