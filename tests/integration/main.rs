//! The whole system, through its public API.

mod bad_input;
mod chat_processes;
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
