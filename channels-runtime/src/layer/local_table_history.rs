//! The methods of the local table for groups with a history: joining with a position, keeping, recalling and expiring.

use std::sync::Arc;

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::event::{Cause, DropHint, History, HistoryLost, Id, Joined, Position, Reign, Since};
use crate::layer::chain::{Chain, Heard, Link, Linked};
use crate::layer::delivery::{Delivery, MailboxKind};
use crate::layer::group_history::{Entries, GroupHistory, KeptMessage, Missed, MissedMessages, deliveries, prepare};
use crate::layer::group_members::GroupMembers;
use crate::layer::histories::{Arrival, Due};
use crate::layer::local_table::LocalTable;
use crate::layer::mailbox::Mailbox;
use crate::layer::prepared::Prepared;
use crate::layer::sharded_map::Shard;
use crate::name::{ChannelName, GroupName};
use crate::websocket::{Compressor, EncodedFrame};

/// The history of a group is not ready: a recall is under way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotReady;

impl LocalTable {
    /// Adds a channel of this process to a group whose history this process keeps itself, and delivers what the channel has
    /// missed. Returns `None` if this process has no such channel.
    pub(crate) fn add_since(
        &self,
        group: &GroupName,
        name: &ChannelName,
        history: History,
        reign: Reign,
        since: &Since,
    ) -> Option<Joined> {
        let make = |now| {
            let chain = Chain::new(history.size, reign, Id::random());
            Some(Box::new(GroupHistory::new(chain, history, true, self.histories.count_bytes(), now)))
        };
        self.join(group, name, since, make).ok()?
    }

    /// Adds a channel of this process to a group whose history a server keeps, like [`Self::add_since`].
    ///
    /// # Errors
    /// [`NotReady`] if the history must be recalled first.
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(crate) fn add_recalled(
        &self,
        group: &GroupName,
        name: &ChannelName,
        since: &Since,
    ) -> Result<Option<Joined>, NotReady> {
        self.join(group, name, since, |_| None)
    }

    /// Between the position of the client and the next message no message is lost or doubled, because the position is looked up
    /// and the member is added under one lock.
    fn join(
        &self,
        group: &GroupName,
        name: &ChannelName,
        since: &Since,
        make: impl FnOnce(Instant) -> Option<Box<GroupHistory>>,
    ) -> Result<Option<Joined>, NotReady> {
        let now = Instant::now();
        let mut operation = self.operation();
        // Dropped after the locks are released: a payload's `Drop` is user code.
        let expired;
        let mut shard = self.channels.of(name.as_str());
        let Some((mailbox, joined_groups)) = shard.get_mut(name.as_str()) else { return Ok(None) };
        let mut groups = self.groups.of(group);
        let (known, members) = groups.get_or_default(group);
        operation.deliver_waiting(members);
        if members.history.is_none() {
            members.history = make(now);
        }
        let is_ready = |history: &GroupHistory| !history.chain.is_waiting();
        if !members.history.as_deref().is_some_and(is_ready) {
            if members.is_empty() && members.history.is_none() {
                groups.remove(group);
            }
            return Err(NotReady);
        }
        let is_new = members.insert(mailbox);
        let history = members.history.as_mut().expect("the history is ready");
        self.histories.release(group, &mut history.retained);
        expired = history.expire(now);
        if !is_new {
            return Ok(Some(Joined::new(history.top(group), 0, None)));
        }
        let missed = history.missed(group, since, mailbox.0.kind());
        let compressor = members.compressor();
        joined_groups.push(known.clone());
        let mailbox = Arc::clone(&mailbox.0);
        drop(groups);
        drop(shard);
        drop(expired);
        // A join may make a history that nobody ever sends to.
        self.sweep_histories(now);
        Ok(Some(self.replay(group, &*mailbox, missed, *since != Since::START, compressor.as_ref())))
    }

    /// Delivers what a new member has missed.
    fn replay(
        &self,
        group: &GroupName,
        mailbox: &dyn Mailbox,
        missed: Missed,
        came_back: bool,
        compressor: Option<&Compressor>,
    ) -> Joined {
        let Missed { at, before, count, messages } = missed;
        let kind = mailbox.kind();
        let replayed = messages.and_then(|messages| {
            let (found, joined) = match messages {
                MissedMessages::Joined(frames) => (Vec::new(), Some(frames)),
                MissedMessages::Entries(mut entries) => {
                    let is_new = prepare(&mut entries, kind, self.counters(), group, compressor);
                    let (found, joined) = deliveries(&entries, kind);
                    if is_new || joined.is_some() {
                        self.remember(group, &entries, kind, joined.as_ref());
                    }
                    (found, joined)
                }
            };
            let one = joined.map(|frames| [Delivery::Frame(frames, DropHint::default().kept())]);
            let missed = one.as_ref().map_or(&*found, |one| one.as_slice());
            mailbox.replay(missed).map_err(|_| Cause::TooMuch)
        });
        match replayed {
            Ok(()) => {
                if came_back {
                    self.counters().count_recovered(count);
                }
                self.counters().count_delivered(count as u64);
                // The client must not have a position behind events that it has not received yet.
                Joined::new(if count == 0 { at } else { before }, count, None)
            }
            Err(cause) => {
                self.counters().count_history_lost(1);
                let lost = Arc::new(HistoryLost::new(group.clone(), cause, at));
                _ = mailbox.replay(&[Delivery::HistoryLost(lost)]);
                Joined::new(Position::NONE, 0, Some(cause))
            }
        }
    }

    /// Keeps what was prepared for a replay.
    fn remember(
        &self,
        group: &GroupName,
        entries: &[Linked<KeptMessage>],
        kind: &'static MailboxKind,
        joined: Option<&EncodedFrame>,
    ) {
        if let Some((_, members)) = self.groups.of(group).get_mut(group)
            && let Some(history) = &mut members.history
        {
            history.remember(kind, entries, joined);
        }
    }

    /// Tells a member that its layer keeps no history.
    pub(crate) fn tell_not_kept(&self, group: &GroupName, name: &ChannelName) {
        let mailbox = self.operation().mailbox(name.as_str());
        if let Some(mailbox) = mailbox {
            self.counters().count_history_lost(1);
            let lost = Arc::new(HistoryLost::new(group.clone(), Cause::NotKept, Position::NONE));
            _ = mailbox.replay(&[Delivery::HistoryLost(lost)]);
        }
    }

    /// Sends a message to a group whose history this process keeps itself, and keeps it.
    pub(crate) fn record(&self, group: &GroupName, envelope: &Envelope, history: History, reign: Reign) {
        let arrival = Arrival::Sent { id: Id::random(), history, reign };
        self.send_to_members(group, envelope, None, Some(&arrival));
    }

    /// Returns the kinds of the members and the position of a kept message, before it is prepared.
    ///
    /// # Errors
    /// The message is not delivered now: it is a double, or it is held. `true` if the history must be recalled.
    pub(super) fn look_for_history(
        &self,
        hash: u64,
        group: &GroupName,
        envelope: &Envelope,
        arrival: &Arrival,
    ) -> Result<(Prepared, Option<Position>), bool> {
        match arrival {
            Arrival::Sent { id, reign, .. } => {
                let shard = self.groups.at(hash);
                let kinds = shard.get(group).map_or_else(Prepared::default, |(_, members)| members.kinds(None));
                Ok((kinds, Some(Position::new(group, *reign, *id))))
            }
            Arrival::Linked(link) => {
                let mut shard = self.groups.at(hash);
                let Some((_, members)) = shard.get_mut(group) else { return Err(false) };
                let Some(history) = &mut members.history else {
                    // Members that joined without a position receive the message, but nobody asks for it again.
                    return Ok((members.kinds(None), None));
                };
                match history.chain.hear(*link) {
                    Heard::Next => {
                        let position = history.reign().map(|reign| Position::new(group, reign, link.at));
                        Ok((members.kinds(None), position))
                    }
                    Heard::Double => Err(false),
                    Heard::Held => {
                        let message = KeptMessage { envelope: envelope.clone(), prepared: Prepared::default() };
                        Err(history.hold(Linked { link: *link, message }))
                    }
                }
            }
        }
    }

    /// Prepares a kept message for the kinds that have joined since it was prepared: their members joined before it is appended,
    /// so they must receive it. Returns the locked shard.
    pub(super) fn prepare_for_all(
        &self,
        hash: u64,
        group: &GroupName,
        envelope: &Envelope,
        prepared: &mut Prepared,
    ) -> Shard<'_, GroupName, GroupMembers> {
        loop {
            let mut shard = self.groups.at(hash);
            let joined = shard.get_mut(group).map(|(_, members)| members.kinds(None).without(prepared));
            let Some(mut joined) = joined.filter(|joined| !joined.is_empty()) else { return shard };
            drop(shard);
            // Not under the lock, because the user's code runs here.
            joined.prepare(self.counters(), envelope, group.as_str());
            prepared.append(joined);
        }
    }

    /// Appends a message that is about to be delivered to the history of its group, under the lock of the group. Returns the
    /// messages that the history no longer keeps.
    ///
    /// # Errors
    /// The message is not delivered now, as in [`Self::look_for_history`].
    pub(super) fn keep(
        &self,
        known: &GroupName,
        members: &mut GroupMembers,
        arrival: &Arrival,
        envelope: &Envelope,
        prepared: &Prepared,
        now: Instant,
    ) -> Result<Entries, bool> {
        let mut dropped = Entries::new();
        let (history, link) = match arrival {
            Arrival::Sent { id, history, reign } => {
                let has_members = !members.is_empty();
                let kept = members.history.get_or_insert_with(|| {
                    let chain = Chain::new(history.size, *reign, Id::random());
                    Box::new(GroupHistory::new(chain, *history, true, self.histories.count_bytes(), now))
                });
                dropped = kept.expire(now);
                kept.last_message = now;
                if !has_members {
                    let due = kept.due();
                    self.histories.retain(known, due, &mut kept.retained);
                }
                let (_, prev) = kept.chain.top().expect("an own history is never recalled");
                (kept, Link { prev, at: *id })
            }
            Arrival::Linked(link) => {
                let Some(kept) = &mut members.history else { return Ok(dropped) };
                // The message is rendered with its position. Another server may have taken over since.
                let is_current =
                    kept.reign().is_some_and(|reign| *envelope.position() == Position::new(known, reign, link.at));
                match kept.chain.hear(*link) {
                    Heard::Next if is_current => {}
                    Heard::Double => return Err(false),
                    Heard::Next | Heard::Held => {
                        let message = KeptMessage { envelope: envelope.clone(), prepared: Prepared::default() };
                        return Err(kept.hold(Linked { link: *link, message }));
                    }
                }
                kept.last_message = now;
                (kept, *link)
            }
        };
        let message = KeptMessage { envelope: envelope.clone(), prepared: prepared.clone() };
        dropped.extend(history.append(Linked { link, message }));
        Ok(dropped)
    }

    /// Forgets histories without members whose time is over, and the least recently used ones beyond the limit of the memory.
    pub(super) fn sweep_histories(&self, now: Instant) {
        // At most two, so that the cost of a send is constant.
        for _ in 0..2 {
            let Some(due) = self.histories.take_due(now) else { break };
            self.forget_unused(&due, now);
        }
        if self.histories.bytes() > self.histories.limit() {
            self.evict_histories();
        }
    }

    fn forget_unused(&self, Due { group, is_excess }: &Due, now: Instant) {
        let removed;
        {
            let mut shard = self.groups.of(group);
            let Some((_, members)) = shard.get_mut(group) else { return };
            let is_empty = members.is_empty();
            let Some(history) = members.history.as_mut() else { return };
            history.retained = None;
            let due = history.due();
            if !is_empty {
                return;
            }
            if due > now && !is_excess {
                // A message was sent since the group was listed.
                return self.histories.retain(group, due, &mut history.retained);
            }
            removed = shard.remove(group);
        }
        drop(removed);
    }

    /// Removes the messages of the least recently used histories, until a tenth of the memory is free. Their positions stay
    /// valid for clients that have missed nothing.
    #[cold]
    fn evict_histories(&self) {
        let mut used = Vec::new();
        self.groups.each(|group, members| {
            // A join needs what was recalled for it.
            let is_idle = |history: &&GroupHistory| !history.chain.kept().is_empty() && history.joining == 0;
            if let Some(history) = members.history.as_deref().filter(is_idle) {
                used.push((history.last_message, group.clone()));
            }
        });
        used.sort_unstable_by_key(|(at, _)| *at);
        for (_, group) in used {
            if self.histories.bytes() <= self.histories.limit() / 10 * 9 {
                break;
            }
            // A server still has the messages of its histories.
            self.remove_kept(&group, |history| if history.is_own { history.forget() } else { history.cut() });
        }
    }

    /// Removes the kept messages of a group.
    pub(crate) fn forget_history(&self, group: &GroupName) {
        self.remove_kept(group, GroupHistory::forget);
    }

    pub(super) fn remove_kept(&self, group: &GroupName, remove: impl FnOnce(&mut GroupHistory) -> Entries) {
        let forgotten = {
            let mut shard = self.groups.of(group);
            shard.get_mut(group).and_then(|(_, members)| members.history.as_deref_mut()).map(remove)
        };
        // Without the lock: a payload's `Drop` is user code.
        drop(forgotten);
    }

    /// Returns the kept messages of a group, the oldest first.
    pub(crate) fn kept(&self, group: &GroupName) -> Vec<Envelope> {
        let now = Instant::now();
        let expired;
        let kept = {
            let mut shard = self.groups.of(group);
            let Some(history) = shard.get_mut(group).and_then(|(_, members)| members.history.as_mut()) else {
                return Vec::new();
            };
            expired = history.expire(now);
            history.chain.kept().iter().map(|entry| entry.message.envelope.clone()).collect()
        };
        drop(expired);
        kept
    }
}
