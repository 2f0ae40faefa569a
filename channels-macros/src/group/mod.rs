//! `#[group("chat_{room}", events(ChatMessage))]`: a group's name and the events that it carries.
//!
//! `parse` reads the arguments and the pattern, `check` reports mistakes, `emit` generates code and cannot fail.

mod check;
mod emit;
mod emit_by_name;
mod emit_contract;
mod emit_history;
mod expand;
mod history;
mod model;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use expand::expand;
