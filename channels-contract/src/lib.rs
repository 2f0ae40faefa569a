//! The contract of a `channels-runtime` application, for other languages.
//!
//! An application describes itself with `channels_runtime::contract!`, behind the feature `contract`. The [`Contract`] writes a
//! TypeScript client, Python types, an AsyncAPI document, and a lock file that shows what a change breaks. Depend on
//! `channels-runtime`, which re-exports it with its documentation.
#![deny(clippy::print_stdout, clippy::unwrap_used)]

mod asyncapi;
mod changes;
mod compatibility;
mod contract;
mod discriminator;
pub mod facts;
mod field_schema;
#[cfg(test)]
mod fixtures;
mod lock;
mod outputs;
mod python;
mod schema;
mod shape;
mod shape_reader;
mod types;
mod typescript;

pub use contract::Contract;
pub use outputs::{ContractError, Outputs};
pub use schemars;
