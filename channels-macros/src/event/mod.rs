//! `#[event("chat.message")]`: serde in the flat shape of Channels, and `Event`.

mod check;
mod emit;
mod expand;
mod field_bounds;
mod model;
mod owned;
mod parse;
mod serde_attributes;
#[cfg(test)]
mod tests;

pub(crate) use expand::expand;
