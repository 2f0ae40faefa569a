//! Helpers that the tests share.

pub(crate) mod client;
pub(crate) mod example;
pub(crate) mod layers;
pub(crate) mod log;
pub(crate) mod redis;
