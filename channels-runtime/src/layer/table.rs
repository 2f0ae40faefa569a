//! The table of this process: channel to mailbox, group to members. Synchronous, and shared by every layer.
//!
//! A layer decides how a message travels between processes; when it has arrived, the table hands it to the mailboxes
//! here. A message is prepared (decoded, or rendered) once for each kind of consumer among the members, never once for
//! each member. Adding and removing a member costs the same however large the group or the table is.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::codec::Envelope;
use crate::layer::batching;
use crate::layer::batching::Open;
use crate::layer::counters::{Counters, LayerStats};
use crate::layer::delivery::{Delivery, Full, Gap};
use crate::layer::group_members::{GroupMembers, Groups, Handed, Message};
#[cfg(feature = "redis")]
use crate::layer::group_members::{Prepared, hand_to};
use crate::layer::mailbox::{Mailbox, NamedMailbox};
use crate::layer::sharded_map::ShardedMap;
use crate::name::{ChannelName, GroupName};
use crate::support::{count, lock};

/// The groups that a channel is in, so that it leaves them without a search.
///
/// Most are in one, and there are many of them: that one needs no memory of its own.
type Joined = SmallVec<[GroupName; 1]>;

/// The channels and groups of this process.
///
/// Lock order: `lost`, then a shard of `channels`, then one of `groups`. A fan-out holds its shard, so that all members of a group here see
/// the group's messages in one order; it never waits for anything while it does.
pub(crate) struct LocalTable {
    channels: ShardedMap<NamedMailbox, Joined>,
    groups: Arc<Groups>,
    counters: Arc<Counters>,
    closed: AtomicBool,
    /// How many servers behind the layer are lost.
    #[cfg(feature = "redis")]
    lost: Mutex<usize>,
}

/// What a change of membership means for the group as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MembershipChange {
    /// The first member here joined, or the last one left.
    OfGroup,
    /// One member more or less.
    OfMember,
    /// Nothing changed: it was a member already, or was none.
    None,
}

impl LocalTable {
    /// `peer` says in the log where messages come from.
    pub(crate) fn new(peer: impl Into<Cow<'static, str>>) -> Self {
        Self {
            channels: ShardedMap::new(),
            groups: Arc::new(ShardedMap::new()),
            counters: Arc::new(Counters::new(peer)),
            closed: AtomicBool::new(false),
            #[cfg(feature = "redis")]
            lost: Mutex::default(),
        }
    }

    /// A server behind the layer is lost. Whoever wants to know is told at once, behind what has arrived so far.
    #[cfg(feature = "redis")]
    pub(crate) fn lost(&self) {
        let mut lost = lock(&self.lost);
        *lost += 1;
        if *lost == 1 {
            count(&self.counters.figures.gaps);
            self.tell(Gap::Lost);
        }
    }

    /// A lost server is back, and knows what this process has joined.
    #[cfg(feature = "redis")]
    pub(crate) fn restored(&self) {
        let mut lost = lock(&self.lost);
        *lost -= 1;
        if *lost == 0 {
            self.tell(Gap::Restored);
        }
    }

    #[cfg(feature = "redis")]
    fn tell(&self, gap: Gap) {
        batching::flush_batch();
        let now = Instant::now();
        // It needs no room, so it is never refused.
        self.channels.each(|NamedMailbox(mailbox), _| _ = mailbox.deliver(&Delivery::Gap(gap), now));
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(crate) fn stats(&self) -> LayerStats {
        self.counters.figures.snapshot()
    }

    /// Puts a mailbox behind its name, which is not taken.
    pub(crate) fn register(&self, mailbox: &Arc<dyn Mailbox>) {
        let is_new = self.register_new(mailbox);
        debug_assert!(is_new, "a name of its own");
    }

    /// As [`Self::register`], unless there is a mailbox behind that name.
    pub(crate) fn register_new(&self, mailbox: &Arc<dyn Mailbox>) -> bool {
        if !self.channels.of(mailbox.name().as_str()).insert_new(NamedMailbox(Arc::clone(mailbox)), Joined::new()) {
            return false;
        }
        // Whoever comes after the end is told, too. Asked behind the lock: before it, a `close` could come between.
        if self.closed.load(Relaxed) {
            mailbox.layer_closed();
        }
        true
    }

    /// Takes a channel out, and out of all its groups. Gives the groups it was in, and what that meant for each; `None` if
    /// there is no such channel.
    pub(crate) fn remove(&self, name: &ChannelName) -> Option<Vec<(GroupName, MembershipChange)>> {
        batching::flush_batch();
        // Declared before the lock is taken: see `Handed`.
        let mut handed = Vec::new();
        let mut shard = self.channels.of(name.as_str());
        let groups = shard.remove(name.as_str())?;
        let left = groups.into_iter().map(|group| {
            let change = self.leave(&group, name, &mut handed);
            (group, change)
        });
        Some(left.collect())
    }

    /// Adds a channel of this process to a group. `None` if there is no such channel here.
    pub(crate) fn add(&self, group: &GroupName, name: &ChannelName) -> Option<MembershipChange> {
        batching::flush_batch();
        let mut handed = Vec::new();
        let mut shard = self.channels.of(name.as_str());
        let (mailbox, joined) = shard.get_mut(name.as_str())?;
        let mut groups = self.groups.of(group);
        let (known, members) = groups.get_or_default(group);
        self.hand_over(members, &mut handed);
        let was_empty = members.is_empty();
        if !members.insert(mailbox) {
            return Some(MembershipChange::None);
        }
        // The table's own name: that of the caller would be kept once for each member.
        joined.push(known.clone());
        Some(if was_empty { MembershipChange::OfGroup } else { MembershipChange::OfMember })
    }

    /// Takes a channel out of a group.
    pub(crate) fn discard(&self, group: &GroupName, name: &ChannelName) -> MembershipChange {
        batching::flush_batch();
        let mut handed = Vec::new();
        let mut shard = self.channels.of(name.as_str());
        if let Some((_, groups)) = shard.get_mut(name.as_str()) {
            groups.retain(|joined| joined != group);
        }
        self.leave(group, name, &mut handed)
    }

    fn leave(&self, group: &GroupName, name: &ChannelName, handed: &mut Vec<Handed>) -> MembershipChange {
        let mut groups = self.groups.of(group);
        let Some((_, members)) = groups.get_mut(group) else { return MembershipChange::None };
        self.hand_over(members, handed);
        if !members.remove(name.as_str()) {
            return MembershipChange::None;
        }
        if !members.is_empty() {
            return MembershipChange::OfMember;
        }
        groups.remove(group);
        MembershipChange::OfGroup
    }

    /// Hands over what waits with a group, because it changes.
    fn hand_over(&self, members: &mut GroupMembers, handed: &mut Vec<Handed>) {
        if let Some(over) = members.hand_over() {
            over.count(&self.counters);
            handed.push(over);
        }
    }

    /// Looks at the members of a group, under the lock of its shard. `None` if it has none here.
    fn with_members<T>(&self, hash: u64, group: &GroupName, look: impl FnOnce(&GroupMembers) -> T) -> Option<T> {
        self.groups.at(hash).get(group).map(|(_, members)| look(members))
    }

    /// How many channels of this process are in the group.
    pub(crate) fn members(&self, group: &GroupName) -> usize {
        self.with_members(self.groups.hash(group), group, GroupMembers::len).unwrap_or(0)
    }

    /// The channels of this process that are in the group.
    pub(crate) fn member_names(&self, group: &GroupName) -> Vec<ChannelName> {
        let names = |members: &GroupMembers| members.names().cloned().collect();
        self.with_members(self.groups.hash(group), group, names).unwrap_or_default()
    }

    /// How many channels there are.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Whether there is a channel of that name here.
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(crate) fn has_channel(&self, name: &ChannelName) -> bool {
        self.channels.of(name.as_str()).get(name.as_str()).is_some()
    }

    /// Whether a channel of this process is in the group.
    #[cfg(feature = "redis")]
    pub(crate) fn is_member(&self, group: &GroupName, name: &ChannelName) -> bool {
        self.with_members(self.groups.hash(group), group, |members| members.contains(name.as_str())).unwrap_or(false)
    }

    /// All groups that have a member here, with their members.
    #[cfg(feature = "redis")]
    pub(crate) fn memberships(&self) -> Vec<(GroupName, Vec<ChannelName>)> {
        let mut all = Vec::new();
        let names = |members: &GroupMembers| members.names().cloned().collect();
        self.groups.each(|group, members| all.push((group.clone(), names(members))));
        all
    }

    /// The names of all channels.
    #[cfg(feature = "redis")]
    pub(crate) fn channel_names(&self) -> Vec<ChannelName> {
        let mut all = Vec::new();
        self.channels.each(|NamedMailbox(mailbox), _| all.push(mailbox.name().clone()));
        all
    }

    /// The groups that have a member here.
    #[cfg(feature = "redis")]
    pub(crate) fn groups(&self) -> Vec<GroupName> {
        let mut all = Vec::new();
        self.groups.each(|group, _| all.push(group.clone()));
        all
    }

    /// How many there are.
    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The groups with the most members here, the largest first; of two that are as large, the one whose name comes first.
    pub(crate) fn largest_groups(&self, most: usize) -> Vec<(GroupName, usize)> {
        // The largest is the first, so the one that gives way is the last.
        let mut largest = BTreeSet::new();
        self.groups.each(|group, members| {
            // Most groups are small, and their names are not copied.
            if largest.len() == most && largest.last().is_some_and(|(Reverse(least), _)| members.len() < *least) {
                return;
            }
            largest.insert((Reverse(members.len()), group.clone()));
            if largest.len() > most {
                largest.pop_last();
            }
        });
        largest.into_iter().map(|(Reverse(members), group)| (group, members)).collect()
    }

    /// Whether all servers behind the layer are there, as far as this process knows.
    pub(crate) fn is_whole(&self) -> bool {
        #[cfg(feature = "redis")]
        return *lock(&self.lost) == 0;
        #[cfg(not(feature = "redis"))]
        true
    }

    /// Hands a message to every member of the group here. A full mailbox misses it, and is counted.
    pub(crate) fn group_send(&self, group: &GroupName, envelope: &Envelope) {
        self.send_to_members(group, envelope, None);
    }

    /// As [`Self::group_send`], to every member but this one.
    pub(crate) fn group_send_others(&self, group: &GroupName, envelope: &Envelope, own: &ChannelName) {
        self.send_to_members(group, envelope, Some(own));
    }

    fn send_to_members(&self, group: &GroupName, envelope: &Envelope, but: Option<&ChannelName>) {
        // What this causes elsewhere, a `Serialize` that sends for example, is not what is expected.
        let more = batching::takes_more();
        let hash = self.groups.hash(group);
        let Some(mut prepared) = self.with_members(hash, group, |members| members.kinds(but)) else { return };
        // The lock is free meanwhile: this runs the user's code, which may use the layer. A member that joins in between is
        // of a known kind and gets the message, or of a new one and does not: it was not there when the message was sent.
        prepared.prepare(&self.counters, envelope, group.as_str());
        let open = batching::flush_other_batches(&self.groups, hash, group);
        let now = Instant::now();
        // As what was prepared, dropped when the lock is free again: a payload's own `drop` is the user's code.
        let handed;
        let mut shard = self.groups.at(hash);
        let Some((known, members)) = shard.get_mut(group) else { return };
        let more = more && !members.is_impatient(now);
        if but.is_none() && (more || members.holds_back()) {
            members.push(Message { prepared, at: now, envelope: envelope.clone() });
            if more {
                let group = known.clone();
                drop(shard);
                let (groups, counters) = (Arc::clone(&self.groups), Arc::clone(&self.counters));
                return batching::open(open.unwrap_or(Open { groups, counters, hash, group }));
            }
            handed = members.hand_over();
            drop(shard);
        } else {
            handed = members.hand_over();
            let taken = members.hand(&prepared, now, but);
            drop(shard);
            self.counters.count_taken(taken, Some(envelope));
        }
        if let Some(handed) = &handed {
            handed.count(&self.counters);
        }
    }

    /// Hands a message to these channels, one after the other. A full mailbox misses it, and is counted; so is a name that is
    /// no channel's here: a message may be under way while its reader goes.
    #[cfg(feature = "redis")]
    pub(crate) fn send_many<S: AsRef<str>>(&self, names: &[S], envelope: &Envelope) {
        batching::flush_batch();
        let mailboxes: Vec<_> = names.iter().filter_map(|name| self.mailbox(name.as_ref())).collect();
        self.counters.count_unread(names.len() - mailboxes.len());
        let mut prepared = Prepared::for_kinds(mailboxes.iter().map(|mailbox| mailbox.kind()));
        let to = names.first().map_or("", AsRef::as_ref);
        prepared.prepare(&self.counters, envelope, to);
        self.counters.count_taken(hand_to(&mailboxes, &prepared), Some(envelope));
    }

    fn mailbox(&self, name: &str) -> Option<Arc<dyn Mailbox>> {
        self.channels.of(name).get(name).map(|(NamedMailbox(mailbox), _)| Arc::clone(mailbox))
    }

    /// Hands a message to one channel. `Ok(false)` if there is no such channel here, which is counted.
    pub(crate) fn send(&self, name: &ChannelName, envelope: &Envelope) -> Result<bool, Full> {
        batching::flush_batch();
        let Some(mailbox) = self.mailbox(name.as_str()) else {
            self.counters.count_unread(1);
            return Ok(false);
        };
        if let Some(delivery) = self.counters.prepared(mailbox.kind(), envelope, name.as_str()) {
            let taken = mailbox.deliver(&delivery, Instant::now())?;
            self.counters.figures.delivered.fetch_add(taken.into(), Relaxed);
        }
        Ok(true)
    }

    /// Forgets every channel and group, and tells their owners.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
        // All at once, so that nobody joins in between.
        batching::flush_batch();
        let mut handed = Vec::new();
        let channels: Vec<_> = {
            let mut channels = self.channels.lock_all();
            self.forget_groups(&mut handed);
            channels.iter_mut().flat_map(|shard| std::mem::take(&mut **shard)).collect()
        };
        for (NamedMailbox(mailbox), _) in channels {
            mailbox.layer_closed();
        }
    }

    /// Forgets every membership; the channels live on.
    pub(crate) fn flush(&self) {
        batching::flush_batch();
        let mut handed = Vec::new();
        let mut channels = self.channels.lock_all();
        for (_, groups) in channels.iter_mut().flat_map(|shard| shard.iter_mut()) {
            groups.clear();
        }
        self.forget_groups(&mut handed);
    }

    fn forget_groups(&self, handed: &mut Vec<Handed>) {
        for mut shard in self.groups.lock_all() {
            for (_, members) in shard.iter_mut() {
                self.hand_over(members, handed);
            }
            shard.clear();
        }
    }
}

impl fmt::Debug for LocalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalTable({} channels)", self.channels())
    }
}
