//! The checks of a consumer. Every mistake is reported, and everything that is valid goes into the model.

mod arguments;
mod blocking;
mod conflicts;
mod duplicates;
mod impl_block;
mod known_types;
mod methods;
mod role;
mod signature;

pub(super) use impl_block::check;
