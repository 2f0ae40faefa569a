//! The checks of a consumer. Every mistake is reported, and everything that is valid goes into the model.

mod arguments;
mod block;
mod blocking;
mod conflicts;
mod duplicates;
mod known_types;
mod methods;
mod role;
mod signature;

pub(super) use block::check;
