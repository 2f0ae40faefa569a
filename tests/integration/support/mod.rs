//! Helpers that the tests share.

pub(crate) mod app;
pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod deflate_client;
pub(crate) mod echo;
pub(crate) mod example;
pub(crate) mod gate;
pub(crate) mod layers;
pub(crate) mod log;
pub(crate) mod recorder;
pub(crate) mod records;
pub(crate) mod redis;
pub(crate) mod until;
