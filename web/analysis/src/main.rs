//! The library as a program, for the bundle: its exports are what JavaScript calls.

use highwater_analysis as _;

fn main() {}
