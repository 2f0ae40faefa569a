//! The whole system, through its public API.

mod background;
mod bad_input;
mod chat_processes;
mod conformance;
mod consumers;
mod core;
mod door;
mod example;
mod examples;
mod faults;
mod groups;
mod heartbeat;
mod layers;
mod logins;
mod multichat;
mod observability;
mod pressure;
mod raw;
mod redis;
mod refusals;
mod shutdown;
mod sockets;
mod testing;
mod tls;
mod ways_out;
mod workers;
