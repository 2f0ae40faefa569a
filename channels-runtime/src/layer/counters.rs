//! The counters of a layer, and the log records of dropped messages.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use crate::codec::Envelope;
use crate::error::{DecodeError, shown, without_value};
use crate::layer::delivery::{Delivery, MailboxKind, Undeliverable};
use crate::layer::mailbox::DeliveryCount;
use crate::name::GroupName;
use crate::support::{count, counted, lock};

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
const MAX_LOGGED: usize = 1024;

/// Which problems were logged aloud: their hashes, because a peer may invent long names, too. Bound: [`MAX_LOGGED`]; what
/// comes later is only counted.
#[derive(Debug, Default)]
struct LogOnce {
    hasher: RandomState,
    problems: Mutex<HashSet<u64>>,
}

impl LogOnce {
    /// Whether this is to be logged aloud.
    fn is_new(&self, problem: impl Hash) -> bool {
        let mut problems = lock(&self.problems);
        if problems.len() >= MAX_LOGGED || !problems.insert(self.hasher.hash_one(problem)) {
            return false;
        }
        if problems.len() == MAX_LOGGED {
            tracing::warn!(
                problems = MAX_LOGGED,
                "so many different messages were dropped that new ones are only counted"
            );
        }
        true
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Who the messages come from, as far as the layer knows: for the log.
    peer: Cow<'static, str>,
    unknown: LogOnce,
    malformed: LogOnce,
    #[cfg(feature = "redis")]
    garbage: LogOnce,
    pub(super) figures: LayerCounters,
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
    /// Makes counters for a layer. `peer` is the source of its messages in log records.
    pub(super) fn new(peer: impl Into<Cow<'static, str>>) -> Self {
        Self { peer: peer.into(), ..Self::default() }
    }

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

    /// Prepares a message for one kind of mailbox. A failure is counted and logged.
    pub(super) fn prepared(&self, kind: &MailboxKind, envelope: &Envelope, to: &str) -> Option<Delivery> {
        (kind.prepare)(envelope).map_err(|problem| self.count_undeliverable(envelope, to, &problem)).ok()
    }

    pub(crate) fn count_taken(&self, taken: DeliveryCount, last: Option<&Envelope>) {
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
