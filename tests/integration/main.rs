//! The whole system, through its public API.

mod consumers;
mod layers;
mod redis;
mod sockets;
