//! Overflow: what may be dropped when a queue is full.

use std::fmt::Debug;
use std::num::NonZeroU64;

use crate::event::event::Event;

/// What may be lost of one event on its way: its `volatile` and `coalesce`.
///
/// Eight bytes, because each message that waits carries it: the lowest bit says whether it is volatile, the others are its
/// key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropHint(u64);

impl DropHint {
    pub(crate) fn of<E: Event>(event: &E) -> Self {
        let key = event.key().map_or(0, |key| (key.get() & !1).max(2));
        Self(key | u64::from(E::VOLATILE))
    }

    /// What a newer event must share with it to take its place.
    pub fn key(self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0 & !1)
    }

    /// Whether it goes first where there is no room.
    pub fn is_volatile(self) -> bool {
        self.0 & 1 == 1
    }
}

/// What gives way when an event comes and `capacity` of them wait for the consumer already: `mailbox` of `#[consumer]`.
///
/// Outdated and volatile events go first, whatever the policy (see [`Event`](crate::Event)). It is about events for handlers
/// with `&mut self`; a frame that is rendered without `self` waits for the client, not for the consumer, and counts as bytes
/// in its outbound queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MailboxPolicy {
    /// `"drop_newest"`, as in Django Channels: the new event is dropped, and its sender told where it can be.
    #[default]
    DropNewest,
    /// `"drop_oldest"`: the event that has waited longest is dropped. For a consumer that shows what is now.
    DropOldest,
    /// `"disconnect"`: the connection is closed with 1013, so that its client begins anew. For one that may miss nothing.
    Disconnect,
}
