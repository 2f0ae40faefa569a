//! `#[consumer]`: parse -> check -> emit over a model.

mod block;
mod blocking;
mod check;
mod emit;
mod expand;
mod helper;
mod model;
mod names;
mod parse;
mod role;
mod signature;
mod surroundings;
#[cfg(test)]
mod tests;

pub(crate) use expand::expand;
