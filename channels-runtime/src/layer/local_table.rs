//! The local table: the channels and groups of this process. It is synchronous, and every layer has one.
//!
//! A layer transports messages between processes. The table delivers a message that has arrived to the mailboxes of this
//! process. It prepares (decodes or renders) each message once per kind of mailbox, not once per member. The cost of adding or
//! removing a member does not depend on the size of the group or of the table, nor on the number of the channel's groups.
//!
//! A payload's `Drop` is user code. A panic in it does not leave the table: its callers are the tasks that receive for this process.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::layer::batching;
use crate::layer::batching::OpenBatch;
use crate::layer::counters::{Counters, LayerStats};
use crate::layer::delivery::Full;
use crate::layer::group_members::{DeliveredMessages, GroupMembers, Groups, Message};
use crate::layer::histories::{Arrival, Histories};
use crate::layer::joined_groups::JoinedGroups;
use crate::layer::mailbox::{Mailbox, NamedMailbox};
use crate::layer::prepared::{Prepared, caught};
use crate::layer::sharded_map::ShardedMap;
use crate::name::{ChannelName, GroupName};
use crate::support::lock;
use crate::websocket::Compressor;

/// The channels and groups of this process.
///
/// Lock order: `lost`, then a shard of `channels`, then a shard of `groups`. A send to a group holds the group's shard, so that
/// all members here receive the group's messages in one order. It never waits while it holds the lock.
pub(crate) struct LocalTable {
    pub(super) channels: ShardedMap<NamedMailbox, JoinedGroups>,
    pub(super) groups: Arc<Groups>,
    counters: Arc<Counters>,
    closed: AtomicBool,
    /// The number of servers that this process cannot reach. The in-memory layer has no servers.
    pub(super) lost: Mutex<usize>,
    pub(super) histories: Histories,
}

/// The effect of a membership change on the group as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MembershipChange {
    /// The first member in this process joined, or the last one left.
    OfGroup,
    /// Another member joined or left.
    OfMember,
    /// Nothing changed: the channel was already a member, or was not one.
    None,
}

/// An operation on the table that is neither a send to a group nor a query.
///
/// Only [`LocalTable::operation`] makes one, and first delivers the waiting messages of this thread. Declare it before taking a
/// lock: it drops the delivered messages, which must happen after the lock is released.
pub(super) struct Operation<'a> {
    table: &'a LocalTable,
    /// The waiting messages of groups that this operation changes.
    delivered: Vec<DeliveredMessages>,
    /// The groups that this operation removes, with their histories.
    removed: Vec<GroupMembers>,
}

impl LocalTable {
    /// Makes an empty table. `peer` is the source of its messages in log records.
    pub(crate) fn new(peer: impl Into<Cow<'static, str>>) -> Self {
        Self {
            channels: ShardedMap::new(),
            groups: Arc::new(ShardedMap::new()),
            counters: Arc::new(Counters::new(peer)),
            closed: AtomicBool::new(false),
            lost: Mutex::default(),
            histories: Histories::default(),
        }
    }

    /// Begins an operation: delivers the waiting messages of this thread.
    pub(super) fn operation(&self) -> Operation<'_> {
        batching::flush();
        Operation { table: self, delivered: Vec::new(), removed: Vec::new() }
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(crate) fn histories(&self) -> &Histories {
        &self.histories
    }

    pub(crate) fn stats(&self) -> LayerStats {
        self.counters.stats()
    }

    /// Registers a mailbox under its name, which must be unused.
    pub(crate) fn register(&self, mailbox: &Arc<dyn Mailbox>) {
        let is_new = self.register_new(mailbox);
        debug_assert!(is_new, "each name is used once");
    }

    /// Registers a mailbox under its name. Returns `false` if the name is in use; then nothing changes.
    pub(crate) fn register_new(&self, mailbox: &Arc<dyn Mailbox>) -> bool {
        let mut shard = self.channels.of(mailbox.name().as_str());
        if !shard.insert_new(NamedMailbox(Arc::clone(mailbox)), JoinedGroups::default()) {
            return false;
        }
        drop(shard);
        // Checked after the insertion: otherwise `close` could run in between, and this mailbox would never be notified.
        if self.closed.load(Relaxed) {
            mailbox.layer_closed();
        }
        true
    }

    /// Removes a channel from the table and from all its groups. Returns these groups and the change of each, or `None` if
    /// this process has no such channel.
    pub(crate) fn remove(&self, name: &ChannelName) -> Option<Vec<(GroupName, MembershipChange)>> {
        let mut operation = self.operation();
        let mut shard = self.channels.of(name.as_str());
        let groups = shard.remove(name.as_str())?;
        let left = groups.into_iter().map(|group| {
            let change = operation.leave(&group, name);
            (group, change)
        });
        Some(left.collect())
    }

    /// Adds a channel of this process to a group. Returns `None` if this process has no such channel.
    pub(crate) fn add(&self, group: &GroupName, name: &ChannelName) -> Option<MembershipChange> {
        let mut operation = self.operation();
        let mut shard = self.channels.of(name.as_str());
        let (mailbox, joined) = shard.get_mut(name.as_str())?;
        let mut groups = self.groups.of(group);
        let (known, members) = groups.get_or_default(group);
        operation.deliver_waiting(members);
        let was_empty = members.is_empty();
        if !members.insert(mailbox) {
            return Some(MembershipChange::None);
        }
        // A clone of the table's name, so that all members share its memory.
        joined.push(known.clone());
        Some(if was_empty { MembershipChange::OfGroup } else { MembershipChange::OfMember })
    }

    /// Removes a channel from a group.
    pub(crate) fn discard(&self, group: &GroupName, name: &ChannelName) -> MembershipChange {
        let mut operation = self.operation();
        let mut shard = self.channels.of(name.as_str());
        if let Some((_, groups)) = shard.get_mut(name.as_str()) {
            groups.remove(group);
        }
        operation.leave(group, name)
    }

    /// Calls `look` with the members of a group, under the lock of its shard. Returns `None` if the group has no members here.
    fn with_members<T>(&self, hash: u64, group: &GroupName, look: impl FnOnce(&GroupMembers) -> T) -> Option<T> {
        self.groups.at(hash).get(group).map(|(_, members)| look(members))
    }

    /// Calls `look` with the members of a group, like [`Self::with_members`].
    pub(super) fn members_of<T>(&self, group: &GroupName, look: impl FnOnce(&GroupMembers) -> T) -> Option<T> {
        self.with_members(self.groups.hash(group), group, look)
    }

    /// Calls `look` with each group that has a member here, under the lock of its shard.
    pub(super) fn each_group(&self, mut look: impl FnMut(&GroupName, &GroupMembers)) {
        self.groups.each(|group, members| {
            // A history may outlive its members.
            if !members.is_empty() {
                look(group, members);
            }
        });
    }

    /// Returns the number of members of a group in this process.
    pub(crate) fn members(&self, group: &GroupName) -> usize {
        self.members_of(group, GroupMembers::len).unwrap_or(0)
    }

    /// Returns the members of a group in this process.
    pub(crate) fn member_names(&self, group: &GroupName) -> Vec<ChannelName> {
        self.members_of(group, |members| members.names().cloned().collect()).unwrap_or_default()
    }

    /// Returns the number of channels.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Returns whether this process has a channel of this name.
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(crate) fn has_channel(&self, name: &ChannelName) -> bool {
        self.channels.of(name.as_str()).get(name.as_str()).is_some()
    }

    /// Returns the number of groups that have a member here.
    pub(crate) fn group_count(&self) -> usize {
        let mut count = 0;
        self.each_group(|_, _| count += 1);
        count
    }

    /// Returns the groups with the most members here, at most `limit`, the largest first. Groups of the same size are sorted by
    /// name.
    pub(crate) fn largest_groups(&self, limit: usize) -> Vec<(GroupName, usize)> {
        // Sorted with the largest group first, so the last group is the one to drop.
        let mut largest = BTreeSet::new();
        self.each_group(|group, members| {
            // Most groups are too small for the list. Their names are not copied.
            if largest.len() == limit && largest.last().is_some_and(|(Reverse(least), _)| members.len() < *least) {
                return;
            }
            largest.insert((Reverse(members.len()), group.clone()));
            if largest.len() > limit {
                largest.pop_last();
            }
        });
        largest.into_iter().map(|(Reverse(members), group)| (group, members)).collect()
    }

    /// Returns whether this process is connected to all servers of the layer, as far as it knows.
    pub(crate) fn is_whole(&self) -> bool {
        *lock(&self.lost) == 0
    }

    /// Delivers a message to each member of the group in this process. A member whose mailbox is full misses the message, which
    /// is counted.
    pub(crate) fn group_send(&self, group: &GroupName, envelope: &Envelope) {
        self.send_to_members(group, envelope, None, None);
    }

    /// Delivers a message to each member of the group in this process except one. A member whose mailbox is full misses the
    /// message, which is counted.
    pub(crate) fn group_send_others(&self, group: &GroupName, envelope: &Envelope, excluded: &ChannelName) {
        self.send_to_members(group, envelope, Some(excluded), None);
    }

    /// Delivers a message to the members of a group. A message with an `arrival` is kept in the group's history. Returns whether
    /// the history must be recalled, because the message is not the next one.
    pub(super) fn send_to_members(
        &self,
        group: &GroupName,
        envelope: &Envelope,
        excluded: Option<&ChannelName>,
        arrival: Option<&Arrival>,
    ) -> bool {
        // Taken first, so that it does not apply to a send of the user's code below, for example in a `Serialize`.
        let more = batching::take_more();
        let hash = self.groups.hash(group);
        let looked = match arrival {
            None => self.with_members(hash, group, |members| (members.kinds(excluded), None)),
            Some(arrival) => match self.look_for_history(hash, group, envelope, arrival) {
                Ok(looked) => Some(looked),
                Err(recall) => return recall,
            },
        };
        let Some((mut prepared, position)) = looked else { return false };
        let positioned;
        let envelope = match position {
            None => envelope,
            Some(position) => {
                positioned = envelope.clone().at(position);
                &positioned
            }
        };
        // Not under the lock, because the user's code runs here and may use the layer. A member that joins meanwhile gets the
        // message only if its kind is already listed. Both are correct: it was not a member when the message was sent.
        prepared.prepare(&self.counters, envelope, group.as_str());
        let open = batching::flush_others(&self.groups, hash, group);
        let now = Instant::now();
        // Like `prepared`, dropped after the lock is released: a payload's `Drop` is user code.
        let delivered;
        let forgotten;
        let mut shard = match arrival {
            None => self.groups.at(hash),
            Some(_) => self.prepare_for_all(hash, group, envelope, &mut prepared),
        };
        let entry = match arrival {
            Some(Arrival::Sent { .. }) => Some(shard.get_or_default(group)),
            _ => shard.get_mut(group),
        };
        let Some((known, members)) = entry else { return false };
        if let Some(arrival) = arrival {
            match self.keep(known, members, arrival, envelope, &prepared, now) {
                Ok(dropped) => forgotten = Some(dropped),
                Err(recall) => {
                    delivered = members.deliver_waiting();
                    drop(shard);
                    if let Some(delivered) = &delivered {
                        delivered.count(&self.counters);
                    }
                    return recall;
                }
            }
        } else {
            forgotten = None;
        }
        let is_unrecorded = arrival.is_none() && members.history.is_some() && prepared.is_lasting();
        let may_wait = more && !members.has_waited_long(now);
        if excluded.is_none() && (may_wait || members.has_waiting()) {
            members.push(Message { prepared, at: now, envelope: envelope.clone() });
            if may_wait {
                let group = known.clone();
                drop(shard);
                if is_unrecorded {
                    self.counters.count_unrecorded(&group, envelope);
                }
                let (groups, counters) = (Arc::clone(&self.groups), Arc::clone(&self.counters));
                batching::open(open.unwrap_or(OpenBatch { groups, counters, hash, group }));
                return false;
            }
            delivered = members.deliver_waiting();
            drop(shard);
        } else {
            delivered = members.deliver_waiting();
            let count = members.deliver(&prepared, now, excluded);
            drop(shard);
            self.counters.count_deliveries(count, Some(envelope));
        }
        if let Some(delivered) = &delivered {
            delivered.count(&self.counters);
        }
        if is_unrecorded {
            self.counters.count_unrecorded(group, envelope);
        }
        if forgotten.is_some() {
            self.sweep_histories(now);
        }
        false
    }

    /// Delivers a message to one channel. Returns `Ok(false)` if this process has no such channel, which is counted.
    pub(crate) fn send(&self, name: &ChannelName, envelope: &Envelope) -> Result<bool, Full> {
        let Some(mailbox) = self.operation().mailbox(name.as_str()) else {
            self.counters.count_unread(1);
            return Ok(false);
        };
        let compressor = mailbox.compression().map(|compression| Compressor::new(Arc::clone(compression), false));
        let mut prepared = Prepared::for_kinds([mailbox.kind()]).with_compressor(compressor);
        prepared.prepare(&self.counters, envelope, name.as_str());
        if let Some(delivery) = prepared.delivery(mailbox.kind()) {
            let delivered = caught(|| mailbox.deliver(delivery, Instant::now())).unwrap_or(Ok(false))?;
            self.counters.count_delivered(delivered.into());
        }
        Ok(true)
    }

    /// Removes all channels and groups, and notifies each mailbox.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
        let mut operation = self.operation();
        let channels: Vec<_> = {
            // Locks all shards together, so that no channel joins a group meanwhile.
            let mut channels = self.channels.lock_all();
            operation.remove_groups();
            channels.iter_mut().flat_map(|shard| std::mem::take(&mut **shard)).collect()
        };
        for (NamedMailbox(mailbox), _) in channels {
            mailbox.layer_closed();
        }
    }

    /// Removes all groups. The channels stay.
    pub(crate) fn flush(&self) {
        let mut operation = self.operation();
        let mut channels = self.channels.lock_all();
        for (_, groups) in channels.iter_mut().flat_map(|shard| shard.iter_mut()) {
            groups.clear();
        }
        operation.remove_groups();
    }
}

impl Operation<'_> {
    /// Returns the mailbox of a channel.
    pub(super) fn mailbox(&self, name: &str) -> Option<Arc<dyn Mailbox>> {
        self.table.channels.of(name).get(name).map(|(NamedMailbox(mailbox), _)| Arc::clone(mailbox))
    }

    /// Delivers the waiting messages of a group, before the group changes. Another thread may have sent them.
    pub(super) fn deliver_waiting(&mut self, members: &mut GroupMembers) {
        if let Some(delivered) = members.deliver_waiting() {
            delivered.count(&self.table.counters);
            self.delivered.push(delivered);
        }
    }

    fn leave(&mut self, group: &GroupName, name: &ChannelName) -> MembershipChange {
        let mut groups = self.table.groups.of(group);
        let Some((_, members)) = groups.get_mut(group) else { return MembershipChange::None };
        self.deliver_waiting(members);
        if !members.remove(name.as_str()) {
            return MembershipChange::None;
        }
        if !members.is_empty() {
            return MembershipChange::OfMember;
        }
        let removed = match &mut members.history {
            Some(history) if history.joining > 0 => None,
            Some(history) if history.is_own => {
                history.last_member = Instant::now();
                let due = history.due();
                self.table.histories.retain(group, due, &mut history.retained);
                None
            }
            _ => groups.remove(group),
        };
        // Dropped after the lock is released: a payload's `Drop` is user code.
        self.removed.extend(removed);
        MembershipChange::OfGroup
    }

    fn remove_groups(&mut self) {
        let mut groups = self.table.groups.lock_all();
        self.table.histories.release_all();
        for shard in &mut groups {
            for (_, mut members) in shard.drain() {
                self.deliver_waiting(&mut members);
                if members.history.is_some() {
                    self.removed.push(members);
                }
            }
        }
    }
}

impl fmt::Debug for LocalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalTable({} channels)", self.channels())
    }
}
