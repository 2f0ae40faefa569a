//! The session of one connection, from connect to disconnect.

mod connect;
mod handler_errors;
mod lifecycle;
mod spans;
mod termination;
