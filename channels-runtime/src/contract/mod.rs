//! The contract of an application: its messages for other languages.
//!
//! [`contract!`](crate::contract!) describes the consumers and groups of an application, and its test writes a TypeScript client,
//! Python types, an AsyncAPI document, and a lock file that shows which change breaks a deployed client. The whole is in
//! `docs/contract.md`.

mod check;
mod described;
mod schemas;

pub use channels_contract::facts;
pub use channels_contract::{Contract, ContractError, Outputs};
pub use check::{check_address, check_described_consumer, check_described_event, check_described_group};
pub use described::{Described, DescribedEvent, DescribedGroup, FactsOf, JsonOf, SchemaOf};
pub use described::{NotDescribed, NotDescribedEvent, NotJson};
