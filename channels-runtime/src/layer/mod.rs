//! The channel layer: delivers messages to channels and groups, in this process and in others.
//!
//! Guarantees, for every backend:
//!
//! - A message is delivered at most once to each member. Messages of one sender to one group or channel arrive in the order in
//!   which its sends returned.
//! - A send never waits for a slow reader. A mailbox holds `capacity` messages (default: 100) and drops further ones.
//!   [`ChannelLayer::send`] then returns [`LayerError::ChannelFull`](crate::error::LayerError::ChannelFull), if the layer can
//!   detect the drop. A send to a group does not return an error for a drop: [`ChannelLayer::stats`] counts it.
//! - A message that waits in a mailbox for longer than `expiry` (default: 60 s) is dropped.
//! - A send to a group without members is not an error.
//! - A channel leaves its groups when it is dropped.
//!
//! Files in reading order:
//!
//! - The API: `handle`, `membership`, `readiness`, `channel`, `user`, `blocking` and `aliases`.
//! - The configuration: `config`, `channel_capacity` and `settings`.
//! - The backends: `backend` (the trait), `memory` and `redis`.
//! - The channels and groups of this process: `local_table`, `local_table_gaps`, `local_table_remote` and
//!   `sharded_map`.
//! - The histories of groups: `chain`, `group_history`, `histories`, `local_table_history` and `local_table_recall`.
//! - A send to a group: `group_members`, `readers`, `batching`, `scheduled` and `write_priority`.
//! - The receiver of a message: `mailbox` and `delivery`.
//! - The counters and their log records: `counters`, `counters_remote` and `log_once`.

mod aliases;
mod backend;
pub(crate) mod batching;
mod blocking;
#[cfg_attr(
    not(any(feature = "redis", feature = "testing")),
    expect(dead_code, reason = "only the history of a server is recalled")
)]
mod chain;
#[cfg(test)]
mod chain_model;
mod channel;
mod channel_capacity;
mod config;
mod counters;
#[cfg(feature = "redis")]
mod counters_remote;
mod delivery;
mod for_kinds;
mod group_history;
mod group_members;
mod handle;
mod histories;
mod joined_groups;
mod local_table;
#[cfg(any(feature = "redis", feature = "testing"))]
mod local_table_gaps;
mod local_table_history;
#[cfg(test)]
#[cfg(feature = "redis")]
mod local_table_history_model;
#[cfg(test)]
#[cfg(feature = "redis")]
mod local_table_history_tests;
#[cfg(any(feature = "redis", feature = "testing"))]
mod local_table_recall;
#[cfg(feature = "redis")]
mod local_table_remote;
#[cfg(test)]
#[cfg(feature = "redis")]
mod local_table_tests;
mod log_once;
mod mailbox;
mod membership;
mod memory;
mod prepared;
mod readers;
mod readiness;
#[cfg(feature = "redis")]
mod redis;
mod scheduled;
mod setting_number;
mod settings;
mod sharded_map;
mod user;
mod write_priority;

pub use aliases::channel_layer;
pub(crate) use backend::WorkerQueue;
#[cfg(feature = "testing")]
pub(crate) use backend::{Backend, Jobs, Sent};
pub use blocking::BlockingChannelLayer;
#[cfg(feature = "testing")]
pub(crate) use chain::Link;
pub use channel::Channel;
pub use config::LayerConfig;
pub(crate) use counters::Counters;
pub use counters::LayerStats;
pub use delivery::Gap;
pub(crate) use delivery::{Delivery, Full, MailboxKind, Undeliverable};
pub use handle::ChannelLayer;
#[cfg(feature = "publish")]
pub(crate) use handle::Outgoing;
pub(crate) use mailbox::{Batch, DeliveryCount, Mailbox, TooMuch};
#[cfg(feature = "redis")]
pub use redis::RedisHost;
pub(crate) use scheduled::{OutputQueue, Scheduled, Writable, Writables};
pub use settings::ConfigError;
#[cfg(feature = "publish")]
pub(crate) use user::USER_CLOSE;
pub use user::UserConnections;
pub(crate) use user::{USERS, UserClose};
pub(crate) use write_priority::{TURN, WritePriority};
#[cfg(feature = "testing")]
pub(crate) use {local_table::LocalTable, local_table_history::NotReady};
#[cfg(all(feature = "redis", any(test, fuzzing)))]
pub(crate) use {redis::Codec, settings::read as read_settings};

pub use crate::codec::Format;
pub use crate::event::{Carries, Handles, JoinedBy, Joins, Timer};
pub use crate::name::{GroupName, MAX_NAME_LENGTH, Untyped};
