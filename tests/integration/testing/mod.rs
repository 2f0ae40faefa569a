//! The testing kit.

mod chatter;
mod commands;
mod communicator;
mod probe;
mod recovery;
mod requests;
mod workers;
