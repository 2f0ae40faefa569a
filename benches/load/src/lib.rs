//! A load generator for the chat job of the benchmark: raw sockets, one thread, exact books.
//!
//! `benches/README.md` says what every figure means. The parts, from the ground up:
//!
//! - [`books`]: who was sent what and who received it; [`histogram`]: latencies;
//! - [`wire`]: the client's side of WebSocket and the text of a message; [`process`]: CPU and memory of processes;
//! - [`net`]: many connections on one epoll set; [`play`]: rooms, senders and windows over them;
//! - [`scenario`]: what is played, and the line of JSON that comes out.

pub mod books;
pub mod histogram;
pub mod net;
pub mod play;
pub mod process;
pub mod scenario;
pub mod wire;
