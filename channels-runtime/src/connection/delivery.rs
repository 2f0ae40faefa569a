//! Delivery to a connection: the path of a message into the outbound queue or the inbox.

use std::sync::Arc;

use tokio::time::Instant;

use crate::connection::inbox::{Event, InboxItem};
use crate::connection::state::{GapState, HandlerState, State};
use crate::connection::state_effects::{Effects, EndRule};
use crate::event::{DropHint, HistoryLost, MailboxPolicy};
use crate::layer::{Batch, Delivery, DeliveryCount, Full, Gap, TooMuch, WritePriority};
use crate::websocket::{CloseCode, EncodedFrame};

impl State {
    /// Returns whether a new frame need not wait, because no handler runs and the inbox is empty.
    fn is_first(&self) -> bool {
        self.handler == HandlerState::Idle && self.inbox.is_empty()
    }

    /// Queues joined frames as one frame, if this has the same result as queueing each of them: they need not wait, and there
    /// is space for all. Returns `None` otherwise.
    fn deliver_joined(&mut self, frames: &EncodedFrame, priority: WritePriority) -> Option<Effects> {
        let (bytes, limit) = (frames.weight(self.outbound.window), self.outbound.limit as usize);
        let fits = bytes <= limit / 2 && self.outbound.weight + bytes <= limit;
        (self.accepts_frames() && self.is_first() && fits).then(|| {
            self.outbound.push(frames);
            Effects::schedule(self.schedule(priority))
        })
    }

    /// Delivers the messages of a batch in order. Messages that they replace are moved to `dropped`, which the caller drops
    /// after unlocking.
    pub(super) fn deliver_all(&mut self, batch: &Batch<'_>, dropped: &mut Vec<InboxItem>) -> (DeliveryCount, Effects) {
        if let Some(frames) = &batch.joined
            && let Some(effects) = self.deliver_joined(frames, batch.priority)
        {
            return (DeliveryCount { delivered: batch.deliveries.len() as u64, full: 0 }, effects);
        }
        let (mut count, mut effects) = (DeliveryCount::default(), Effects::default());
        for (delivery, at) in &batch.deliveries {
            count.add(&self.deliver_into(delivery, *at, batch.priority, dropped, &mut effects));
        }
        (count, effects)
    }

    /// Delivers a message that arrived `now`. Messages that it replaces are moved to `dropped`, which the caller drops after
    /// unlocking. Returns `Ok(false)` if the message itself is dropped by its drop hint.
    pub(super) fn deliver(
        &mut self,
        delivery: &Delivery,
        now: Instant,
        priority: WritePriority,
        dropped: &mut Vec<InboxItem>,
    ) -> (Result<bool, Full>, Effects) {
        let mut effects = Effects::default();
        let delivered = self.deliver_into(delivery, now, priority, dropped, &mut effects);
        (delivered, effects)
    }

    fn deliver_into(
        &mut self,
        delivery: &Delivery,
        now: Instant,
        priority: WritePriority,
        dropped: &mut Vec<InboxItem>,
        effects: &mut Effects,
    ) -> Result<bool, Full> {
        if let Some(key) = delivery.drop_hint().key() {
            dropped.extend(self.take_outdated(key, effects));
        }
        match delivery {
            Delivery::Frame(frame, hint) => Ok(self.deliver_frame(frame, *hint, now, priority, effects)),
            Delivery::Event(event, hint, policy) => self.deliver_event(event, *hint, *policy, now, dropped, effects),
            Delivery::Gap(gap) => {
                self.deliver_gap(*gap, now, effects);
                Ok(true)
            }
            Delivery::HistoryLost(lost) => {
                self.deliver_history_lost(lost, now, effects);
                Ok(true)
            }
            // The layer prepares the messages of a connection, so it does not deliver raw ones.
            Delivery::Raw(_) | Delivery::Nothing => Ok(true),
        }
    }

    fn deliver_frame(
        &mut self,
        frame: &EncodedFrame,
        hint: DropHint,
        now: Instant,
        priority: WritePriority,
        effects: &mut Effects,
    ) -> bool {
        if !self.accepts_frames() {
            return true;
        }
        if hint.is_volatile() && self.outbound.is_slow() {
            effects.dropped.volatile += 1;
            return false;
        }
        if self.outbound.is_over_limit() {
            self.make_space_for_frame(effects);
        }
        if self.outbound.is_over_limit() {
            effects.ended = Some(EndRule::TooSlow);
            self.close_into(CloseCode::TRY_AGAIN_LATER, "you read too slowly", effects);
        } else if !self.is_first() || (self.outbound.is_blocked() && hint.key().is_some()) {
            self.outbound.weight += self.outbound.inbox_weight(frame);
            self.inbox.push_back(now, InboxItem::Frame(frame.clone(), hint));
        } else {
            self.outbound.push(frame);
            effects.schedule |= self.schedule(priority);
        }
        true
    }

    fn deliver_event(
        &mut self,
        event: &Event,
        hint: DropHint,
        policy: MailboxPolicy,
        now: Instant,
        dropped: &mut Vec<InboxItem>,
        effects: &mut Effects,
    ) -> Result<bool, Full> {
        if self.events >= self.capacity && !self.make_space_for_event(hint, policy, dropped, effects)? {
            return Ok(false);
        }
        self.events += 1;
        self.inbox.push_back(now, InboxItem::Event(Arc::clone(event), hint));
        effects.wake_task |= self.handler == HandlerState::Idle;
        Ok(true)
    }

    /// Bound: for each group, one notice waits behind each message, the newest one. A notice keeps its place before later
    /// messages, because there is a gap between them and the earlier ones.
    fn deliver_history_lost(&mut self, lost: &Arc<HistoryLost>, now: Instant, effects: &mut Effects) {
        let last = self.inbox.iter().rposition(|(_, item)| !matches!(item, InboxItem::HistoryLost(_)));
        let first = last.map_or(0, |last| last + 1);
        let is_same = |(_, item): &_| matches!(item, InboxItem::HistoryLost(known) if known.group == lost.group);
        if let Some(same) = self.inbox.range(first..).position(is_same) {
            self.inbox.remove(first + same);
        }
        self.inbox.push_back(now, InboxItem::HistoryLost(Arc::clone(lost)));
        effects.wake_task |= self.handler == HandlerState::Idle;
    }

    /// Puts messages that the client missed before all others. The handler that has joined their group is running, so later
    /// messages of the group are behind them.
    ///
    /// # Errors
    /// They are more than half of the outbound limit, or more than the mailbox's capacity. Then the inbox does not change.
    pub(super) fn replay(&mut self, missed: &[Delivery], now: Instant) -> Result<Effects, TooMuch> {
        if !self.accepts_frames() {
            return Ok(Effects::default());
        }
        let (mut bytes, mut events) = (0, 0);
        for delivery in missed {
            match delivery {
                Delivery::Frame(frame, _) => bytes += self.outbound.inbox_weight(frame),
                Delivery::Event(..) => events += 1,
                _ => {}
            }
        }
        let limit = self.outbound.limit as usize;
        let is_too_much =
            bytes > limit / 2 || self.outbound.weight + bytes > limit || self.events + events > self.capacity;
        // A notice always has space.
        if is_too_much && bytes + events as usize > 0 {
            return Err(TooMuch);
        }
        self.outbound.weight += bytes;
        self.events += events;
        let item = |delivery: &Delivery| match delivery {
            Delivery::Frame(frame, hint) => Some(InboxItem::Frame(frame.clone(), *hint)),
            Delivery::Event(event, hint, _) => Some(InboxItem::Event(Arc::clone(event), *hint)),
            Delivery::HistoryLost(lost) => Some(InboxItem::HistoryLost(Arc::clone(lost))),
            Delivery::Raw(_) | Delivery::Gap(_) | Delivery::Nothing => None,
        };
        self.inbox.push_front(now, missed.iter().filter_map(item));
        Ok(Effects { wake_task: self.handler == HandlerState::Idle, ..Effects::default() })
    }

    fn deliver_gap(&mut self, gap: Gap, now: Instant, effects: &mut Effects) {
        self.gaps = match (self.gaps, gap) {
            (GapState::NoGap, Gap::Lost) => GapState::Lost,
            (GapState::Lost, Gap::Restored) => GapState::Restoring,
            (GapState::Restoring, Gap::Lost) => {
                // The consumer has not handled the end of the gap yet. The two gaps become one.
                self.inbox.retain(|item| !matches!(item, InboxItem::Gap(Gap::Restored)));
                self.gaps = GapState::Lost;
                return;
            }
            // For example, the end of a gap that began before the connection existed. The connection was not in a group then.
            _ => return,
        };
        self.inbox.push_back(now, InboxItem::Gap(gap));
        effects.wake_task |= self.handler == HandlerState::Idle;
    }
}
