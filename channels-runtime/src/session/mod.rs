//! The session: the loop that runs one consumer for one connection.
//!
//! Files in reading order: `open` (`#[connect]`), `session` (the loop), `turns`, `turn_budget` and `input` (the choice of the
//! next step), `step` (its types), `call` (the handlers), `end` (`#[disconnect]`) and `close` (the close frame). `prepare` prepares messages for all
//! connections of a consumer.

mod close;
mod end;
mod handler_call;
mod input;
mod open;
mod prepare;
mod session;
pub(crate) mod spans;
mod step;
mod turn_budget;
#[cfg(test)]
mod turn_tests;
mod turns;

pub(crate) use end::end;
pub(crate) use open::Opened;
pub(crate) use open::open;
pub(crate) use prepare::{mailbox_kind, prepare, stream_kind};
pub(crate) use session::Registered;
pub(crate) use spans::within;
