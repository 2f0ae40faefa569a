//! What users write: handlers, timers, tasks and blocking methods.

mod answers;
mod blocking;
pub(crate) mod chat;
mod clippy;
mod commands;
mod info;
mod rendering;
mod tasks;
mod timers;
