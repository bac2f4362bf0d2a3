//! Analysis of whole traces.

mod challenges;
mod figures;
mod plot;
mod theory;
