//! The code that `#[consumer]` generates. The model is valid, so nothing here fails.

mod block;
mod call;
mod enums;
mod implementation;
mod info;
mod items;
mod markers;

pub(super) use block::{emit as block, emit_unread as unread};
pub(super) use items::emit as items;
