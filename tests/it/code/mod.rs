//! Tests of the code itself.

mod build_script;
mod circles;
pub(crate) mod layers;
mod parameters;
mod states;
mod tables;
