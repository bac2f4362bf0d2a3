//! The library as a binary for the bundle, which exports its functions to JavaScript.

use highwater_file as _;

fn main() {}
