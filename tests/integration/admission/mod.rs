//! Admission control: who may connect.

pub(crate) mod echo_server;
mod limits;
mod origins;
