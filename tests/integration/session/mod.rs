//! The session of one connection, from connect to disconnect.

mod connect;
mod lifecycle;
mod spans;
mod termination;
