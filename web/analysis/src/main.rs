//! The library as a binary. The bundle exports its functions to JavaScript.

use highwater_analysis as _;

fn main() {}
