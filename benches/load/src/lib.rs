//! A load generator for the chat workload of the benchmark: raw sockets, one thread, a check of every delivery.
//!
//! `benches/README.md` describes every metric. The parts, from the lowest level up:
//!
//! - [`books`]: the delivery check; [`histogram`]: latencies;
//! - [`wire`]: the client's side of WebSocket and the text of a message; [`process`]: CPU and memory of processes;
//! - [`net`]: many connections on one epoll set; [`play`]: rooms, senders and windows over them;
//! - [`scenario`]: the scenarios, and the resulting line of JSON.

pub mod books;
pub mod histogram;
pub mod net;
pub mod play;
pub mod process;
pub mod scenario;
pub mod wire;
