//! `#[event("chat.message")]`: serde derives and the `Event` trait.
//!
//! `parse` reads the arguments, `check` reports mistakes, `emit` generates code and cannot fail.

mod check;
mod emit;
mod emit_contract;
mod expand;
mod field_bounds;
mod model;
mod owned;
mod parse;
mod serde_attributes;
#[cfg(test)]
mod tests;

pub(crate) use expand::expand;
