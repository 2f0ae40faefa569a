//! Invalid events and client commands.

mod invalid_commands;
mod invalid_events;
pub(crate) mod invalid_input;
mod nesting;
mod unhandled_events;
