//! Overflow settings: the drop hint of an event, and the policy of a full mailbox.

use std::fmt::Debug;
use std::num::NonZeroU64;

use crate::event::event::Event;

/// The drop hint of one event: its `volatile` and its `coalesce`.
///
/// Each queued message holds a hint, so it takes only eight bytes. The lowest bit is set if the event is volatile, the next one
/// if a history keeps it. The other bits are the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropHint(u64);

/// The bit of an event that a history keeps.
const KEPT: u64 = 2;

/// The bits of the key.
const KEY: u64 = !3;

impl DropHint {
    /// Makes the drop hint of an event.
    pub(crate) fn of<E: Event>(event: &E) -> Self {
        let key = event.key().map_or(0, |key| (key.get() & KEY).max(!KEY + 1));
        Self(key | u64::from(E::VOLATILE))
    }

    /// Marks the event as kept. A client must not miss it without notice, so the connection is closed instead.
    #[must_use]
    pub(crate) fn kept(self) -> Self {
        Self(self.0 | KEPT)
    }

    /// Returns whether a history keeps the event.
    pub fn is_kept(self) -> bool {
        self.0 & KEPT != 0
    }

    /// Returns whether the event is never dropped for another one.
    pub(crate) fn is_undroppable(self) -> bool {
        self.0 & !KEPT == 0
    }

    /// Returns the key of the event. A newer event with the same key replaces it.
    pub fn key(self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0 & KEY)
    }

    /// Returns whether the event is dropped before other events.
    pub fn is_volatile(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The overflow policy of a full mailbox, for a new event when the mailbox already holds `capacity` events: `mailbox` of
/// `#[consumer]`.
///
/// With every policy, outdated and volatile events are dropped first (see [`Event`](crate::Event)). The policy applies to
/// events for handlers with `&mut self`. A frame from a handler without `self` waits for the client instead of the consumer,
/// and counts against the outbound queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MailboxPolicy {
    /// `"drop_newest"`, as in Django Channels: the new event is dropped, and its sender gets an error if the layer can return
    /// one.
    #[default]
    DropNewest,
    /// `"drop_oldest"`: the oldest event is dropped. For a consumer that shows the current state.
    DropOldest,
    /// `"disconnect"`: the connection is closed with 1013, so that its client reconnects. For a consumer that must not miss an
    /// event.
    Disconnect,
}
