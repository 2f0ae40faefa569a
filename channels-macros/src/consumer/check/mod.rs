//! The checks of a consumer. Every mistake is reported, and everything that is valid goes into the model.

mod arguments;
mod blocking;
mod calls_of_context;
mod duplicates;
mod impl_block;
mod known_types;
mod methods;
mod position;
mod role;
mod second_block;
mod signature;

pub(super) use impl_block::check;
