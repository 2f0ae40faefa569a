//! The Redis layers.

mod causes;
mod clocks;
mod core;
mod groups;
pub(crate) mod history;
mod memberships;
mod pubsub;
mod queue;
mod reconnect;
mod restart;
mod settings;
mod tls;
mod wrong_server;
