//! The user's tokens as a block and its arguments. Their meaning is not checked here.

mod arguments;
mod block;

pub(super) use arguments::{Arguments, List, parse as arguments};
pub(super) use block::{Block, Member, Method, explain};
