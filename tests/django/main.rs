//! The layers with real Django Channels: channels_redis in Python processes, on the same Redis.
//!
//! `scripts/python-env` makes the virtual environment that these tests need.

#![allow(clippy::unwrap_used, reason = "a test stops at an unexpected result")]

mod backend;
mod chat;
mod contract;
mod groups;
mod history;
mod invalid_messages;
mod limits;
mod matrix;
mod peer;
mod plain;
mod random;
#[path = "../integration/support/records.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod records;
#[path = "../integration/support/redis.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod redis;
mod rig;
mod sessions;
mod settings;
mod shape;
mod shapes;
mod typed;
mod workers;
