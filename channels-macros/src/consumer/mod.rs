//! `#[consumer]`: parse -> check -> emit over a model.

mod check;
mod emit;
mod expand;
mod helper;
mod model;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use expand::expand;
