//! The testing kit.

mod chatter;
mod communicator;
mod probe;
mod recovery;
mod requests;
mod workers;
