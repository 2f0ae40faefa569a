//! The files of a contract, as the tools of other languages judge them: mypy, pyright, and the parser of AsyncAPI. And the clients
//! of the examples, which `CHANNELS_CONTRACT=write cargo test --workspace --test contract examples` writes.
//!
//! `scripts/python-env` and `scripts/node-env` install the tools.

#![allow(clippy::unwrap_used, reason = "a test stops at an unexpected result")]

mod asyncapi;
mod auction;
mod cable;
mod client;
mod contracts;
mod examples;
mod files;
mod python;
mod typescript;
