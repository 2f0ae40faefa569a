//! The user's tokens as a block and its arguments. Their meaning is not checked here.

mod arguments;
mod impl_block;

pub(super) use arguments::{Arguments, List, parse as arguments};
pub(super) use impl_block::{Block, Member, Method, explain};
