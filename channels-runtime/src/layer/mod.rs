//! The channel layer: how a message finds its consumers, in this process and in others.
//!
//! What is promised, whatever is behind it:
//!
//! - A message is delivered at most once to each member. One sender's messages to one group or channel arrive in the
//!   order in which its sends returned.
//! - A send never waits for a slow reader. A mailbox holds `capacity` messages (100); one more is dropped. The sender of
//!   [`ChannelLayer::send`] is told ([`LayerError::ChannelFull`](crate::error::LayerError::ChannelFull)); the sender to a group is not, and the drop is counted
//!   ([`ChannelLayer::stats`]).
//! - A message that waited longer than `expiry` (60 s) in a mailbox is dropped.
//! - A group that has no members is not an error.
//! - A channel is in its groups for as long as it lives, and not a moment longer.

mod aliases;
mod backend;
pub(crate) mod batching;
mod blocking;
mod channel;
mod config;
mod counters;
mod delivery;
mod glob;
mod group_members;
mod handle;
mod mailbox;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod settings;
mod sharded_map;
mod table;
#[cfg(test)]
#[cfg(feature = "redis")]
mod table_model;
mod write_priority;

pub use aliases::channel_layer;
pub(crate) use backend::{Backend, Sent, WorkerQueue};
pub use blocking::BlockingChannelLayer;
pub use channel::Channel;
pub use config::LayerConfig;
pub(crate) use counters::Counters;
pub use counters::LayerStats;
pub use delivery::Gap;
pub(crate) use delivery::{Delivery, Full, Prepare, Undeliverable};
pub use handle::ChannelLayer;
pub(crate) use mailbox::{Batch, DeliveryCount, Mailbox};
#[cfg(feature = "redis")]
pub use redis::RedisHost;
pub use settings::ConfigError;
pub(crate) use table::LocalTable;
pub(crate) use write_priority::{TURN, WritePriority};
#[cfg(all(feature = "redis", any(test, fuzzing)))]
pub(crate) use {redis::Codec, settings::read as read_settings};

pub use crate::codec::Format;
pub use crate::event::{Carries, Handles, JoinedBy, Joins};
pub use crate::name::{GroupName, MAX_NAME_LENGTH, Untyped};
