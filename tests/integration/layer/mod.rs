//! The channel layer.

mod aliases;
mod batching;
pub(crate) mod contract;
mod groups;
mod memory;
mod redis;
mod requests;
