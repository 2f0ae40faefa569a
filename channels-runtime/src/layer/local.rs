//! The table of this process: channel to mailbox, group to members. Synchronous, and shared by every layer.
//!
//! A layer decides how a message travels between processes; when it has arrived, the table hands it to the mailboxes
//! here. A message is prepared (decoded, or rendered) once for each kind of consumer among the members, never once for
//! each member. Adding and removing a member costs the same however large the group or the table is.

use std::any::Any;
use std::borrow::{Borrow, Cow};
use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::consumer::MailboxPolicy;
use crate::envelope::Envelope;
use crate::error::{DecodeError, shown, without_value};
use crate::event::Loss;
use crate::layer::burst::{self, Open};
use crate::layer::members::{Batch, Handed, Members, Message, Taken};
#[cfg(feature = "redis")]
use crate::layer::members::{Prepared, hand_to};
use crate::layer::sharded::Sharded;
use crate::name::{ChannelName, GroupName};
use crate::stats::{count, counted};
use crate::wire::Rendered;

/// A message, made ready for one kind of mailbox.
#[derive(Clone)]
pub(crate) enum Delivery {
    /// A finished frame for the client.
    Frame(Rendered, Loss),
    /// An event for the consumer: an `Arc<Delivered<C::Event>>`.
    Event(Arc<dyn Any + Send + Sync>, Loss, MailboxPolicy),
    /// The message as it is.
    Raw(Envelope),
    /// No message, but word that some may be missing.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "within one process nothing can be lost"))]
    Gap(Gap),
    /// Nothing at all: a rendering that shows this client nothing.
    Nothing,
}

impl Delivery {
    /// What may be lost of it.
    pub(crate) fn loss(&self) -> Loss {
        match self {
            Self::Frame(_, loss) | Self::Event(_, loss, _) => *loss,
            Self::Raw(_) | Self::Gap(_) | Self::Nothing => Loss::default(),
        }
    }

    /// The frame, if it is one that must not be lost.
    pub(crate) fn plain(&self) -> Option<&Rendered> {
        match self {
            Self::Frame(frame, loss) if *loss == Loss::default() => Some(frame),
            _ => None,
        }
    }
}

/// Between the two, events may have been missed: what `#[layer_lost]` and `#[layer_restored]` are called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// A connection to the other end of the layer is lost.
    Lost,
    /// All connections work again, and what this process has joined is known at the other end.
    Restored,
}

impl Gap {
    /// The attribute of its method.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Lost => "layer_lost",
            Self::Restored => "layer_restored",
        }
    }
}

/// Why a message could not be made ready.
#[derive(Debug)]
pub(crate) enum Undeliverable {
    /// The consumer has no handler of that name.
    Unhandled { consumer: &'static str },
    /// It is not what its payload says.
    Undecodable { consumer: &'static str, error: DecodeError },
}

/// Makes a message ready. Mailboxes with the same function share what it made.
pub(crate) type Prepare = fn(&Envelope) -> Result<Delivery, Undeliverable>;

/// The mailbox holds as many messages as its capacity allows; the new one was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) capacity: usize,
}

/// What stands behind a channel name in this process.
pub(crate) trait Mailbox: Send + Sync {
    /// The channel's name.
    fn name(&self) -> &ChannelName;

    fn prepare(&self) -> Prepare;

    /// Takes a message that came `now`. Never waits. `false` if it may be lost, and was: that is counted already.
    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full>;

    /// Takes one message after the other.
    fn deliver_all(&self, batch: &Batch<'_>) -> Taken {
        let mut taken = Taken::default();
        for (delivery, at) in &batch.deliveries {
            taken.add(&self.deliver(delivery, *at));
        }
        taken
    }

    /// Whoever reads the mailbox is told that nothing more will come.
    fn layer_closed(&self);
}

counted! {
    /// What happened to the messages of a layer so far.
    pub struct LayerStats of LayerCounters {
        /// Messages handed to a mailbox, or rendered straight into a connection's outbound queue.
        delivered => DELIVERED,
        /// Messages dropped because the mailbox held `capacity` of them already.
        dropped_full => DROPPED["full"],
        /// Messages that waited in a full mailbox and gave way to newer ones, where the consumer's policy is `drop_oldest`.
        dropped_oldest => DROPPED["oldest"],
        /// Messages of volatile events that were dropped for want of room: in a mailbox, or behind a client that reads
        /// slowly.
        dropped_volatile => DROPPED["volatile"],
        /// Messages that still waited when a newer one with the same key came (`coalesce`), which took their place.
        coalesced => DROPPED["coalesced"],
        /// Messages for a consumer that has neither a handler of that name nor a `#[handler(_)]`. The first one of each name
        /// and consumer is logged.
        unhandled => DROPPED["unhandled"],
        /// Messages that were no event, or did not fit the payload of theirs. The first one of each event, field and
        /// consumer is logged. Something else under the key of a queue or a group of Redis counts, too.
        undecodable => DROPPED["undecodable"],
        /// Messages that waited longer than `expiry` in a mailbox and were dropped.
        expired => DROPPED["expired"],
        /// Messages to a channel that nobody reads, or no longer: an answer that came too late, for example. With the core
        /// layer of Redis they are counted by the process whose channel it was, otherwise by the sender.
        unread => DROPPED["unread"],
        /// How often the connection to the other end of the layer was lost, so that messages may have been missed. Several
        /// servers that are away at the same time count once.
        gaps => GAPS,
    }
}

/// How many problems of one kind are logged aloud. A peer may invent names, so there has to be an end.
const TOLD: usize = 1024;

/// Which problems were logged aloud: their hashes, because a peer may invent long names, too. Bound: [`TOLD`]; what
/// comes later is only counted.
#[derive(Debug, Default)]
struct Told {
    hasher: RandomState,
    problems: Mutex<HashSet<u64>>,
}

impl Told {
    /// Whether this is to be logged aloud.
    fn is_new(&self, problem: impl Hash) -> bool {
        let mut problems = lock(&self.problems);
        if problems.len() >= TOLD || !problems.insert(self.hasher.hash_one(problem)) {
            return false;
        }
        if problems.len() == TOLD {
            tracing::warn!(problems = TOLD, "so many different messages were dropped that new ones are only counted");
        }
        true
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Who the messages come from, as far as the layer knows: for the log.
    peer: Cow<'static, str>,
    unknown: Told,
    malformed: Told,
    #[cfg(feature = "redis")]
    garbage: Told,
    figures: LayerCounters,
}

impl LayerStats {
    /// Messages that did not reach a consumer.
    pub(crate) fn dropped(&self) -> u64 {
        // Without `..`: a new reason does not compile until it is told, too.
        let &Self {
            delivered: _,
            dropped_full,
            dropped_oldest,
            dropped_volatile,
            coalesced,
            unhandled,
            undecodable,
            unread,
            expired,
            gaps: _,
        } = self;
        dropped_full + dropped_oldest + dropped_volatile + coalesced + unhandled + undecodable + unread + expired
    }
}

impl Counters {
    pub(crate) fn count_unread(&self, messages: usize) {
        self.figures.unread.fetch_add(messages as u64, Relaxed);
    }

    pub(crate) fn count_expired(&self) {
        count(&self.figures.expired);
    }

    pub(crate) fn count_oldest(&self) {
        if self.figures.dropped_oldest.fetch_add(1, Relaxed) == 0 {
            tracing::warn!("a full mailbox dropped its oldest message; further ones are only counted");
        }
    }

    pub(crate) fn count_volatile(&self, many: usize) {
        self.figures.dropped_volatile.fetch_add(many as u64, Relaxed);
    }

    pub(crate) fn count_coalesced(&self) {
        count(&self.figures.coalesced);
    }

    /// A message for a full mailbox whose sender cannot be told: it is elsewhere, or a timer.
    pub(crate) fn count_full(&self, channel: &str) {
        if self.figures.dropped_full.fetch_add(1, Relaxed) == 0 {
            tracing::warn!(channel, "a full mailbox missed a message; further ones are only counted");
        }
    }

    /// Messages were handed to the mailboxes here. The last one stands for all in the log.
    pub(super) fn count_handed(&self, handed: &Handed) {
        let Handed { messages, taken } = handed;
        self.count_taken(*taken, messages.last().map(|last| &last.envelope));
    }

    fn count_taken(&self, taken: Taken, last: Option<&Envelope>) {
        self.figures.delivered.fetch_add(taken.delivered, Relaxed);
        if taken.full > 0 && self.figures.dropped_full.fetch_add(taken.full, Relaxed) == 0 {
            tracing::warn!(
                event = last.map(Envelope::event_name),
                dropped = taken.full,
                "full mailboxes missed a message; further ones are only counted"
            );
        }
    }

    /// Queues elsewhere that hold `capacity` messages already, so that a message to a group did not get in.
    #[cfg(feature = "redis")]
    pub(crate) fn count_over_capacity(&self, group: &GroupName, over: usize, of: usize) {
        if self.figures.dropped_full.fetch_add(over as u64, Relaxed) == 0 {
            tracing::warn!(%group, "{over} of {of} channels over capacity; further ones are only counted");
        } else {
            tracing::debug!(%group, "{over} of {of} channels over capacity");
        }
    }

    /// A message that is not even an envelope.
    #[cfg(feature = "redis")]
    pub(crate) fn count_garbage(&self, to: &str, error: &DecodeError) {
        count(&self.figures.undecodable);
        let (peer, text) = (&*self.peer, error.to_string());
        let error = shown(&text);
        // Once aloud, then only in the figure: a peer that sends garbage sends a lot of it.
        if self.garbage.is_new(to) {
            tracing::warn!(to, peer, error, "a message that is no event was dropped; further ones are only counted");
        } else {
            tracing::debug!(to, peer, error, "a message that is no event was dropped");
        }
    }

    /// The other end refuses who is in this group. `garbage` says that it is because something else is in its place.
    /// Whether that is new, and so to be logged aloud.
    #[cfg(feature = "redis")]
    pub(crate) fn count_refusal(&self, group: &GroupName, garbage: bool) -> bool {
        if garbage {
            count(&self.figures.undecodable);
        }
        self.garbage.is_new(("group", group.as_str()))
    }

    /// A message that the mailbox could not take. `to` is the group or channel that it was sent to.
    #[cold]
    pub(crate) fn count_undeliverable(&self, envelope: &Envelope, to: &str, problem: &Undeliverable) {
        let (peer, name) = (&*self.peer, envelope.event_name());
        let event = shown(name);
        match problem {
            Undeliverable::Unhandled { consumer } => {
                count(&self.figures.unhandled);
                if self.unknown.is_new((consumer, name)) {
                    tracing::warn!(
                        consumer,
                        event,
                        to,
                        peer,
                        "no handler for this event; further ones are only counted"
                    );
                } else {
                    tracing::debug!(consumer, event, to, peer, "no handler for this event");
                }
            }
            Undeliverable::Undecodable { consumer, error } => {
                count(&self.figures.undecodable);
                let (field, text) = (error.field().unwrap_or_default(), error.to_string());
                let is_new = self.malformed.is_new((consumer, name, field));
                let text = without_value(&text);
                let (field, error) = (shown(field), shown(&text));
                if is_new {
                    tracing::warn!(
                        consumer,
                        event,
                        field,
                        to,
                        peer,
                        error,
                        "event dropped; further ones are only counted"
                    );
                } else {
                    tracing::debug!(consumer, event, field, to, peer, error, "event dropped");
                }
            }
        }
    }
}

/// A mailbox as an entry of a table, found by its name, which is kept in it alone: there are many of them, in several tables.
#[derive(Clone)]
pub(super) struct Named(pub(super) Arc<dyn Mailbox>);

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        self.0.name().as_str()
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().as_str().hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for Named {}

/// The groups, and who is in them.
pub(super) type Groups = Sharded<GroupName, Members>;

/// The groups that a channel is in, so that it leaves them without a search.
///
/// Most are in one, and there are many of them: that one needs no memory of its own.
type Joined = SmallVec<[GroupName; 1]>;

/// The channels and groups of this process.
///
/// Lock order: `lost`, then a shard of `channels`, then one of `groups`. A fan-out holds its shard, so that all members of a group here see
/// the group's messages in one order; it never waits for anything while it does.
pub(crate) struct LocalTable {
    channels: Sharded<Named, Joined>,
    groups: Arc<Groups>,
    counters: Arc<Counters>,
    closed: AtomicBool,
    /// How many servers behind the layer are lost.
    #[cfg(feature = "redis")]
    lost: Mutex<usize>,
}

/// What a change of membership means for the group as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The first member here joined, or the last one left.
    OfGroup,
    /// One member more or less.
    OfMember,
    /// Nothing changed: it was a member already, or was none.
    None,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No user code runs under these locks (see `group_send`), so a poisoned one is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LocalTable {
    /// `peer` says in the log where messages come from.
    pub(crate) fn new(peer: impl Into<Cow<'static, str>>) -> Self {
        Self {
            channels: Sharded::new(),
            groups: Arc::new(Sharded::new()),
            counters: Arc::new(Counters { peer: peer.into(), ..Counters::default() }),
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
        burst::settle();
        let now = Instant::now();
        // It needs no room, so it is never refused.
        self.channels.each(|Named(mailbox), _| _ = mailbox.deliver(&Delivery::Gap(gap), now));
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
        if !self.channels.of(mailbox.name().as_str()).insert_new(Named(Arc::clone(mailbox)), Joined::new()) {
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
    pub(crate) fn remove(&self, name: &ChannelName) -> Option<Vec<(GroupName, Change)>> {
        burst::settle();
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
    pub(crate) fn add(&self, group: &GroupName, name: &ChannelName) -> Option<Change> {
        burst::settle();
        let mut handed = Vec::new();
        let mut shard = self.channels.of(name.as_str());
        let (mailbox, joined) = shard.get_mut(name.as_str())?;
        let mut groups = self.groups.of(group);
        let (known, members) = groups.get_or_default(group);
        self.hand_over(members, &mut handed);
        let was_empty = members.is_empty();
        if !members.insert(mailbox) {
            return Some(Change::None);
        }
        // The table's own name: that of the caller would be kept once for each member.
        joined.push(known.clone());
        Some(if was_empty { Change::OfGroup } else { Change::OfMember })
    }

    /// Takes a channel out of a group.
    pub(crate) fn discard(&self, group: &GroupName, name: &ChannelName) -> Change {
        burst::settle();
        let mut handed = Vec::new();
        let mut shard = self.channels.of(name.as_str());
        if let Some((_, groups)) = shard.get_mut(name.as_str()) {
            groups.retain(|joined| joined != group);
        }
        self.leave(group, name, &mut handed)
    }

    fn leave(&self, group: &GroupName, name: &ChannelName, handed: &mut Vec<Handed>) -> Change {
        let mut groups = self.groups.of(group);
        let Some((_, members)) = groups.get_mut(group) else { return Change::None };
        self.hand_over(members, handed);
        if !members.remove(name.as_str()) {
            return Change::None;
        }
        if !members.is_empty() {
            return Change::OfMember;
        }
        groups.remove(group);
        Change::OfGroup
    }

    /// Hands over what waits with a group, because it changes.
    fn hand_over(&self, members: &mut Members, handed: &mut Vec<Handed>) {
        if let Some(over) = members.hand_over() {
            self.counters.count_handed(&over);
            handed.push(over);
        }
    }

    /// Looks at the members of a group, under the lock of its shard. `None` if it has none here.
    fn with_members<T>(&self, hash: u64, group: &GroupName, look: impl FnOnce(&Members) -> T) -> Option<T> {
        self.groups.at(hash).get(group).map(|(_, members)| look(members))
    }

    /// How many channels of this process are in the group.
    pub(crate) fn members(&self, group: &GroupName) -> usize {
        self.with_members(self.groups.hash(group), group, Members::len).unwrap_or(0)
    }

    /// The channels of this process that are in the group.
    pub(crate) fn member_names(&self, group: &GroupName) -> Vec<ChannelName> {
        let names = |members: &Members| members.names().cloned().collect();
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
        let names = |members: &Members| members.names().cloned().collect();
        self.groups.each(|group, members| all.push((group.clone(), names(members))));
        all
    }

    /// The names of all channels.
    #[cfg(feature = "redis")]
    pub(crate) fn channel_names(&self) -> Vec<ChannelName> {
        let mut all = Vec::new();
        self.channels.each(|Named(mailbox), _| all.push(mailbox.name().clone()));
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
        let more = burst::takes_more();
        let hash = self.groups.hash(group);
        let Some(mut prepared) = self.with_members(hash, group, |members| members.kinds(but)) else { return };
        // The lock is free meanwhile: this runs the user's code, which may use the layer. A member that joins in between is
        // of a known kind and gets the message, or of a new one and does not: it was not there when the message was sent.
        prepared.prepare(self, envelope, group.as_str());
        let open = burst::settle_others(&self.groups, hash, group);
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
                return burst::open(open.unwrap_or(Open { groups, counters, hash, group }));
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
            self.counters.count_handed(handed);
        }
    }

    /// Hands a message to these channels, one after the other. A full mailbox misses it, and is counted; so is a name that is
    /// no channel's here: a message may be under way while its reader goes.
    #[cfg(feature = "redis")]
    pub(crate) fn send_many<S: AsRef<str>>(&self, names: &[S], envelope: &Envelope) {
        burst::settle();
        let mailboxes: Vec<_> = names.iter().filter_map(|name| self.mailbox(name.as_ref())).collect();
        self.counters.count_unread(names.len() - mailboxes.len());
        let mut prepared = Prepared::for_kinds(mailboxes.iter().map(|mailbox| mailbox.prepare()));
        let to = names.first().map_or("", AsRef::as_ref);
        prepared.prepare(self, envelope, to);
        self.counters.count_taken(hand_to(&mailboxes, &prepared), Some(envelope));
    }

    fn mailbox(&self, name: &str) -> Option<Arc<dyn Mailbox>> {
        self.channels.of(name).get(name).map(|(Named(mailbox), _)| Arc::clone(mailbox))
    }

    /// Hands a message to one channel. `Ok(false)` if there is no such channel here, which is counted.
    pub(crate) fn send(&self, name: &ChannelName, envelope: &Envelope) -> Result<bool, Full> {
        burst::settle();
        let Some(mailbox) = self.mailbox(name.as_str()) else {
            self.counters.count_unread(1);
            return Ok(false);
        };
        if let Ok(delivery) = self.prepared(mailbox.prepare(), envelope, name.as_str()) {
            let taken = mailbox.deliver(&delivery, Instant::now())?;
            self.counters.figures.delivered.fetch_add(taken.into(), Relaxed);
        }
        Ok(true)
    }

    pub(super) fn prepared(&self, prepare: Prepare, envelope: &Envelope, to: &str) -> Result<Delivery, ()> {
        prepare(envelope).map_err(|problem| self.counters.count_undeliverable(envelope, to, &problem))
    }

    /// Forgets every channel and group, and tells their owners.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
        // All at once, so that nobody joins in between.
        burst::settle();
        let mut handed = Vec::new();
        let channels: Vec<_> = {
            let mut channels = self.channels.lock_all();
            self.forget_groups(&mut handed);
            channels.iter_mut().flat_map(|shard| std::mem::take(&mut **shard)).collect()
        };
        for (Named(mailbox), _) in channels {
            mailbox.layer_closed();
        }
    }

    /// Forgets every membership; the channels live on.
    pub(crate) fn flush(&self) {
        burst::settle();
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
