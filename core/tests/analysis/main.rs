//! What is made of whole traces.

mod challenges;
mod figures;
mod plot;
