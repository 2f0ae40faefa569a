//! The server: heartbeat, login expiry, draining and restarts.

mod backend;
pub(crate) mod drain;
mod heartbeat;
mod login_expiry;
mod reauth;
mod restart;
mod user_close;
