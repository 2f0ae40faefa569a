//! `#[consumer]`: parse -> check -> emit over a model.
//!
//! `parse` reads tokens and does not check their meaning. `check` reports every mistake, puts everything that is valid
//! into the model, and does not change tokens. `emit` writes the block and the generated items, and cannot fail.

mod check;
mod emit;
mod expand;
mod method_attribute;
mod model;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use expand::expand;
