//! Overflow: drops messages when a mailbox is full, or when the client reads slowly.
//!
//! Outdated items are dropped first: older ones with the same key as the new one. Volatile items are dropped next. Only then
//! does the consumer's policy apply. The other items keep their order, and a newer item does not take the position of an older
//! one.

use std::num::NonZeroU64;

use crate::connection::inbox::InboxItem;
use crate::connection::state::State;
use crate::connection::state_effects::Effects;
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::Full;

/// The number of latest items that are searched for an older item with the same key.
///
/// An inbox of frames may be long, so a sender does not search all of it. An outdated item that is not found is sent, which is
/// harmless.
const MAX_SEARCHED: usize = 1024;

impl State {
    /// Removes the outdated item: the one with the same key as a new item.
    pub(super) fn take_outdated(&mut self, key: NonZeroU64, effects: &mut Effects) -> Option<InboxItem> {
        let from = self.inbox.len().saturating_sub(MAX_SEARCHED);
        let at = self.inbox.range(from..).rposition(|(_, item)| item.hint().key() == Some(key))?;
        effects.dropped.coalesced += 1;
        Some(self.take(from + at, effects))
    }

    /// Removes the oldest event whose hint matches.
    fn take_oldest_event(&mut self, matches: impl Fn(DropHint) -> bool, effects: &mut Effects) -> Option<InboxItem> {
        let is_match = |(_, item): &_| matches!(item, InboxItem::Event(_, hint) if matches(*hint));
        let at = self.inbox.iter().position(is_match)?;
        Some(self.take(at, effects))
    }

    fn take(&mut self, at: usize, effects: &mut Effects) -> InboxItem {
        let taken = self.inbox.remove(at).expect("the position was found in the inbox");
        match &taken {
            InboxItem::Event(..) => self.events -= 1,
            InboxItem::Frame(frame, _) => {
                self.outbound.weight -= self.outbound.inbox_weight(frame);
                effects.wake_waiter |= self.has_space();
            }
            InboxItem::Gap(_) | InboxItem::HistoryLost(_) => {}
        }
        taken
    }

    /// Returns whether the frames stay in the inbox, so that newer frames can replace them. They do if the socket is full, a
    /// newer frame with the same key could replace the first one, and the inbox does not contain events.
    pub(super) fn holds_back(&self) -> bool {
        let is_replaceable = || self.inbox.front().is_some_and(|(_, first)| first.hint().key().is_some());
        self.outbound.is_blocked() && self.events == 0 && is_replaceable()
    }

    /// Moves the frames at the front of the inbox to the outbound queue. Called while no handler runs, so they need not wait.
    pub(super) fn release_frames(&mut self) {
        while let Some((_, InboxItem::Frame(frame, _))) = self.inbox.front() {
            self.outbound.weight -= self.outbound.inbox_weight(frame);
            self.outbound.push(frame);
            self.inbox.pop_front();
        }
    }

    /// Makes space for a frame when the limit is exceeded, by dropping the volatile frames of the inbox.
    pub(super) fn make_space_for_frame(&mut self, effects: &mut Effects) {
        let Self { inbox, outbound, .. } = self;
        inbox.retain(|item| match item {
            InboxItem::Frame(frame, hint) if hint.is_volatile() => {
                outbound.weight -= outbound.inbox_weight(frame);
                effects.dropped.volatile += 1;
                false
            }
            _ => true,
        });
        effects.wake_waiter |= self.has_space();
    }

    /// Makes space for an event in a full mailbox, and moves the event that it replaces to `dropped`. Returns `false` if the
    /// new event itself is dropped.
    pub(super) fn make_space_for_event(
        &mut self,
        hint: DropHint,
        policy: MailboxPolicy,
        dropped: &mut Vec<InboxItem>,
        effects: &mut Effects,
    ) -> Result<bool, Full> {
        if let Some(volatile) = self.take_oldest_event(DropHint::is_volatile, effects) {
            effects.dropped.volatile += 1;
            dropped.push(volatile);
            return Ok(true);
        }
        if hint.is_volatile() {
            effects.dropped.volatile += 1;
            return Ok(false);
        }
        let full = Full { capacity: self.capacity as usize };
        // The client must not miss a kept event without notice. It reconnects, and receives the event then.
        let policy = if hint.is_kept() { MailboxPolicy::Disconnect } else { policy };
        match policy {
            MailboxPolicy::DropNewest => Err(full),
            MailboxPolicy::DropOldest => {
                // A mailbox with a capacity of 0 holds no event to drop, and a kept event is not dropped.
                dropped.push(self.take_oldest_event(|hint| !hint.is_kept(), effects).ok_or(full)?);
                effects.dropped.oldest += 1;
                Ok(true)
            }
            MailboxPolicy::Disconnect => {
                self.close_behind("too many events wait for this connection", effects);
                Err(full)
            }
        }
    }
}
