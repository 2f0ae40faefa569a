//! A consumer as code. Whatever is here can be written down, so nothing fails.

mod block;
mod call;
mod enums;
mod implementation;
mod info;
mod items;
mod markers;

pub(super) use block::{emit as block, emit_unread as unread};
pub(super) use items::emit as items;
