//! The whole system, through its public API.

mod chat_processes;
mod conformance;
mod consumers;
mod core;
mod example;
mod faults;
mod layers;
mod multichat;
mod redis;
mod refusals;
mod sockets;
mod workers;
