//! The whole system, through its public API.

mod layers;
mod redis;
