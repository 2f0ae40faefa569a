//! The whole system, through its public API.

mod chat_processes;
mod conformance;
mod consumers;
mod core;
mod example;
mod faults;
mod heartbeat;
mod layers;
mod multichat;
mod pressure;
mod redis;
mod refusals;
mod sockets;
mod workers;
