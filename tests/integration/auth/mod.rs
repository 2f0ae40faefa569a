//! Logins and users.

mod forward;
pub(crate) mod logins;
mod tickets;
mod user;
