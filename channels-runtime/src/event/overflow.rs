//! Overflow: which events may be dropped when a queue is full.

use std::fmt::Debug;
use std::num::NonZeroU64;

use crate::event::event::Event;

/// The drop hint of one event: its `volatile` and its `coalesce`.
///
/// Eight bytes, because each waiting message holds it. The lowest bit is set if the event is volatile; the other bits are its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropHint(u64);

impl DropHint {
    /// Makes the drop hint of an event.
    pub(crate) fn of<E: Event>(event: &E) -> Self {
        let key = event.key().map_or(0, |key| (key.get() & !1).max(2));
        Self(key | u64::from(E::VOLATILE))
    }

    /// Returns the key that a newer event must share to replace this one.
    pub fn key(self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0 & !1)
    }

    /// Returns whether the event is dropped first.
    pub fn is_volatile(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The overflow policy of a mailbox that holds `capacity` events when another one arrives: `mailbox` of `#[consumer]`.
///
/// Outdated and volatile events are dropped first, with every policy (see [`Event`](crate::Event)). The policy applies to events for
/// handlers with `&mut self`. A frame from a handler without `self` waits for the client, not for the consumer, and counts against
/// the outbound queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MailboxPolicy {
    /// `"drop_newest"`, as in Django Channels: the new event is dropped, and its sender gets an error if the layer can return one.
    #[default]
    DropNewest,
    /// `"drop_oldest"`: the event that has waited longest is dropped. For a consumer that shows the current state.
    DropOldest,
    /// `"disconnect"`: the connection is closed with 1013, so that its client starts again. For a consumer that must not miss an
    /// event.
    Disconnect,
}
