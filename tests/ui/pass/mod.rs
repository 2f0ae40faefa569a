//! Programs that must compile, and do what they say.

// A user has other lints than we have.
#![allow(dead_code, missing_debug_implementations, unreachable_pub, clippy::needless_pass_by_value)]

mod addresses;
mod application;
mod as_users_write;
mod attributes_carried;
mod cfg;
mod chat;
mod close_codes;
mod commands_are_no_events;
mod defaults;
mod event_names;
mod fallback;
mod groups;
mod history;
mod layer_gap;
mod names_of_the_attributes;
mod names_of_the_user;
mod no_serde_in_the_crate;
mod private_and_nested;
mod serde_of_the_user;
mod what_may_be_lost;
