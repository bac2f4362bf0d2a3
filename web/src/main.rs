//! The library as a binary. The bundle exports its functions to JavaScript.

#![no_main]

use highwater_web as _;
