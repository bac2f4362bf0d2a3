//! The library as a program, for the bundle: its exports are what JavaScript calls.

use highwater_file as _;

fn main() {}
