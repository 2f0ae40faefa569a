//! The tokens of the user as a block and its arguments. Their meaning is not looked at.

mod arguments;
mod block;

pub(super) use arguments::{Arguments, List, parse as arguments};
pub(super) use block::{Block, Member, Method, explain};
