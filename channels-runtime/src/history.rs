//! Histories: a client that comes back gets the events that it missed, or is told that it cannot.
//!
//! A group with `history(..)` keeps its newest events. [`Context::group_add_since`](crate::Context::group_add_since) joins it and
//! sends the events after the [`Position`] that the client has seen last. If they are not all kept, the consumer's
//! `#[history_lost]` runs with the [`Cause`].

pub use crate::event::{Cause, History, HistoryLost, Joined, NotAPosition, Position, Since};
pub use crate::event::{HandlesAt, HandlesHistoryLost, Kept, Plain, ReachesOthers, Recoverable, Volatile};
