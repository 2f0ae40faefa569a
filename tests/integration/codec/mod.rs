//! Invalid events and client commands.

mod invalid_input;
mod nesting;
mod unhandled_events;
