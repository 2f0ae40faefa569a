//! The code that `#[consumer]` generates. The model is valid, so nothing here fails.

mod call;
mod contract;
mod enums;
mod impl_block;
mod implementation;
mod info;
mod items;
mod markers;
mod testing;

pub(super) use impl_block::{emit as block, emit_unread as unread};
pub(super) use items::emit as items;
