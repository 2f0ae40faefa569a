//! Logins and users.

pub(crate) mod logins;
mod user;
