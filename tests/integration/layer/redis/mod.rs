//! The Redis layers.

mod core;
mod groups;
mod memberships;
mod pubsub;
mod queue;
mod reconnect;
mod restart;
mod settings;
