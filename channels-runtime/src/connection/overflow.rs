//! Overflow: what is dropped when a mailbox is full, or when the client reads slowly.
//!
//! Outdated items are dropped first (an older event with the same key), then volatile ones, and only then does the consumer's
//! policy apply. All others keep their order: a newer event never takes the position of an older one.

use std::num::NonZeroU64;

use crate::connection::effects::{Effects, EndRule};
use crate::connection::inbox::InboxItem;
use crate::connection::state::State;
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::Full;
use crate::websocket::CloseCode;

/// How many of the latest items are searched for an older event with the same key. An inbox of frames may be long, and a
/// sender must not have to search all of it. An outdated event that is not found is only sent in vain.
const SEARCHED: usize = 1024;

impl State {
    /// Removes the item that a newer one with the same key makes outdated.
    pub(super) fn take_outdated(&mut self, key: NonZeroU64, effects: &mut Effects) -> Option<InboxItem> {
        let from = self.inbox.len().saturating_sub(SEARCHED);
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
                effects.wake_room |= self.has_room();
            }
            InboxItem::Gap(_) => {}
        }
        taken
    }

    /// Returns whether the frames of the inbox stay there, so that newer ones can replace them: the first of them is worth
    /// nothing once there is a newer one, the socket takes no more bytes, and no event follows them.
    pub(super) fn holds_back(&self) -> bool {
        let is_replaceable = || self.inbox.front().is_some_and(|(_, first)| first.hint().key().is_some());
        self.outbound.is_blocked() && self.events == 0 && is_replaceable()
    }

    /// Moves the frames at the front of the inbox to the outbound queue. No handler runs for which they would wait.
    pub(super) fn release_frames(&mut self) {
        while let Some((_, InboxItem::Frame(frame, _))) = self.inbox.front() {
            self.outbound.weight -= self.outbound.inbox_weight(frame);
            self.outbound.push(frame);
            self.inbox.pop_front();
        }
    }

    /// Makes space for a frame when the limit is reached: drops the volatile frames of the inbox.
    pub(super) fn make_room_for_frame(&mut self, effects: &mut Effects) {
        let Self { inbox, outbound, .. } = self;
        inbox.retain(|item| match item {
            InboxItem::Frame(frame, hint) if hint.is_volatile() => {
                outbound.weight -= outbound.inbox_weight(frame);
                effects.dropped.volatile += 1;
                false
            }
            _ => true,
        });
        effects.wake_room |= self.has_room();
    }

    /// Makes space for an event in a full mailbox, and moves the event that it replaces to `dropped`. Returns `false` if the
    /// new event itself is dropped.
    pub(super) fn make_room_for_event(
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
        match policy {
            MailboxPolicy::DropNewest => Err(full),
            MailboxPolicy::DropOldest => {
                // A mailbox with a capacity of 0 holds no event to drop.
                dropped.push(self.take_oldest_event(|_| true, effects).ok_or(full)?);
                effects.dropped.oldest += 1;
                Ok(true)
            }
            MailboxPolicy::Disconnect => {
                if self.accepts_frames() {
                    effects.ended = Some(EndRule::Behind);
                    self.close_into(CloseCode::TRY_AGAIN_LATER, "too many events wait for this connection", effects);
                }
                Err(full)
            }
        }
    }
}
