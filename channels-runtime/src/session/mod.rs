//! The session: the loop that runs one consumer for one connection.

mod end;
mod open;
mod prepare;
mod session;
pub(crate) mod spans;

pub(crate) use end::end;
pub(crate) use open::Opened;
pub(crate) use open::open;
pub(crate) use prepare::prepare;
pub(crate) use spans::within;
