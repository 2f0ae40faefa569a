//! `#[consumer]`: parse -> check -> emit over a model.

mod blocking;
mod check;
mod emit;
mod expand;
mod model;
mod names;
mod parse;
mod role;
mod signature;
mod surroundings;
#[cfg(test)]
mod tests;
mod unread;

pub(crate) use expand::expand;
