//! The library as a binary for the bundle, which exports its functions to JavaScript.

use highwater_analysis as _;

fn main() {}
