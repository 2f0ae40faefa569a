//! The session of one connection, from connect to disconnect.

mod connect;
mod handler_errors;
mod large_frames;
mod lifecycle;
mod spans;
mod termination;
