//! The counters of a layer, and the log records of dropped messages.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use crate::codec::Envelope;
use crate::error::{shown, without_value};
use crate::layer::delivery::{Delivery, MailboxKind, Undeliverable};
use crate::layer::log_once::LogOnce;
use crate::layer::mailbox::DeliveryCount;
use crate::name::GroupName;
use crate::support::{count, counted};
use crate::websocket::Compressor;

counted! {
    /// The messages of a layer so far, by outcome.
    pub struct LayerStats of LayerCounters {
        /// Messages put into a mailbox, or rendered directly into a connection's outbound queue.
        delivered => DELIVERED,
        /// Messages dropped because the mailbox held `capacity` messages. Also jobs for a worker's full queue on the pub/sub layer
        /// of Redis, which one of the workers' processes counts.
        dropped_full => DROPPED["full"],
        /// Messages in a full mailbox that were dropped for newer ones, if the consumer's policy is `drop_oldest`.
        dropped_oldest => DROPPED["oldest"],
        /// Messages of volatile events that were dropped because there was no space, in a mailbox or for a client that reads
        /// slowly.
        dropped_volatile => DROPPED["volatile"],
        /// Waiting messages that a newer one with the same key replaced (`coalesce`).
        coalesced => DROPPED["coalesced"],
        /// Messages for a consumer that has neither a handler for the event nor a `#[handler(_)]`. The first one for each event
        /// and consumer is logged.
        unhandled => DROPPED["unhandled"],
        /// Messages that were not an event, or did not fit the event's type. The first one for each event, field and consumer
        /// is logged. A Redis key that does not hold the queue or the group also counts.
        undecodable => DROPPED["undecodable"],
        /// Messages whose handler without `self` failed: it returned an error or a value that cannot be encoded, or it panicked.
        /// No connection ends. The first one for each event and consumer is logged.
        failed => DROPPED["failed"],
        /// Messages that waited longer than `expiry` in a mailbox and were dropped.
        expired => DROPPED["expired"],
        /// Messages to a channel without a reader, for example a late reply. With the core layer of Redis the process of the
        /// channel counts them, otherwise the sender.
        unread => DROPPED["unread"],
        /// Clients that came back to a group with a history, and received everything that they had missed.
        recovered => RECOVERED,
        /// Kept messages that were sent again to these clients.
        replayed => REPLAYED,
        /// Notices to clients that missed messages which no history has any more: `#[history_lost]` runs for each.
        history_lost => HISTORY_LOST,
        /// Messages to a group with a history that arrived here, but that their sender did not write into the history: of a Python
        /// process without the subclass, of `group_send_raw`, or of a process without `history` in its group. The first one for
        /// each group is logged.
        unrecorded => UNRECORDED,
        /// Gaps: this process lost the connection to a server of the layer, so messages may have been lost. Servers that are
        /// unreachable at the same time count once.
        gaps => GAPS,
        /// Times that this process's clock began to differ from the clock of a Redis server by more than half of `expiry`. Then
        /// messages and memberships of the core layer may expire too early. The log contains the difference.
        clock_off => CLOCK_OFF,
    }
}

/// The counters of a layer. They log the first message of each distinct problem.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// The source of the messages as far as the layer knows, for the log.
    pub(super) peer: Cow<'static, str>,
    unhandled: LogOnce,
    undecodable: LogOnce,
    failed: LogOnce,
    unrecorded: LogOnce,
    #[cfg(feature = "redis")]
    pub(super) garbage: LogOnce,
    pub(super) counters: LayerCounters,
}

impl LayerStats {
    /// Returns the number of messages that did not reach a consumer.
    pub(crate) fn dropped(&self) -> u64 {
        // Without `..`, so that a new counter does not compile until it is listed here.
        let &Self {
            delivered: _,
            dropped_full,
            dropped_oldest,
            dropped_volatile,
            coalesced,
            unhandled,
            undecodable,
            failed,
            unread,
            expired,
            recovered: _,
            replayed: _,
            history_lost: _,
            unrecorded: _,
            gaps: _,
            clock_off: _,
        } = self;
        dropped_full
            + dropped_oldest
            + dropped_volatile
            + coalesced
            + unhandled
            + undecodable
            + failed
            + unread
            + expired
    }
}

impl Counters {
    /// Makes counters for a layer. `peer` is the source of its messages in log records.
    pub(super) fn new(peer: impl Into<Cow<'static, str>>) -> Self {
        Self { peer: peer.into(), ..Self::default() }
    }

    pub(super) fn stats(&self) -> LayerStats {
        self.counters.snapshot()
    }

    pub(super) fn count_delivered(&self, messages: u64) {
        self.counters.delivered.fetch_add(messages, Relaxed);
    }

    pub(crate) fn count_unread(&self, messages: usize) {
        self.counters.unread.fetch_add(messages as u64, Relaxed);
    }

    pub(crate) fn count_expired(&self) {
        count(&self.counters.expired);
    }

    pub(crate) fn count_oldest(&self) {
        if self.counters.dropped_oldest.fetch_add(1, Relaxed) == 0 {
            tracing::warn!("a full mailbox dropped its oldest message; further ones are only counted");
        }
    }

    pub(crate) fn count_volatile(&self, messages: usize) {
        self.counters.dropped_volatile.fetch_add(messages as u64, Relaxed);
    }

    pub(crate) fn count_coalesced(&self) {
        count(&self.counters.coalesced);
    }

    /// Counts a message for a full mailbox whose sender gets no error: another process, or a timer.
    pub(crate) fn count_full(&self, channel: &str) {
        if self.counters.dropped_full.fetch_add(1, Relaxed) == 0 {
            tracing::warn!(channel, "a full mailbox missed a message; further ones are only counted");
        }
    }

    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(super) fn count_gap(&self) {
        count(&self.counters.gaps);
    }

    /// Counts a client that came back and received everything that it had missed.
    pub(super) fn count_recovered(&self, replayed: usize) {
        count(&self.counters.recovered);
        self.counters.replayed.fetch_add(replayed as u64, Relaxed);
    }

    /// Counts notices of a lost history.
    pub(super) fn count_history_lost(&self, members: usize) {
        self.counters.history_lost.fetch_add(members as u64, Relaxed);
    }

    /// Counts a message that its sender did not write into the history of its group.
    #[cold]
    pub(super) fn count_unrecorded(&self, group: &GroupName, envelope: &Envelope) {
        count(&self.counters.unrecorded);
        let event = shown(envelope.event_name());
        if self.unrecorded.is_new(group.as_str()) {
            tracing::warn!(
                group = group.as_str(),
                event,
                peer = &*self.peer,
                "a message is not in the history of its group, so it cannot be sent again; further ones of this group are only counted"
            );
        }
    }

    /// Prepares a message for one kind of mailbox. Counts and logs a failure.
    pub(super) fn prepare(
        &self,
        kind: &MailboxKind,
        envelope: &Envelope,
        to: &str,
        compressor: Option<&Compressor>,
    ) -> Option<Delivery> {
        (kind.prepare)(envelope, compressor).map_err(|problem| self.count_undeliverable(envelope, to, &problem)).ok()
    }

    /// Counts deliveries. The log record names the event of the last message.
    pub(super) fn count_deliveries(&self, deliveries: DeliveryCount, last: Option<&Envelope>) {
        self.counters.delivered.fetch_add(deliveries.delivered, Relaxed);
        if deliveries.full > 0 && self.counters.dropped_full.fetch_add(deliveries.full, Relaxed) == 0 {
            tracing::warn!(
                event = last.map(|last| shown(last.event_name())),
                dropped = deliveries.full,
                "full mailboxes missed a message; further ones are only counted"
            );
        }
    }

    /// Counts a message whose handler without `self` failed.
    #[cold]
    pub(crate) fn count_failed(&self, consumer: &'static str, event: &str, to: &str, error: &str) {
        count(&self.counters.failed);
        let is_new = self.failed.is_new((consumer, event));
        let (peer, event, error) = (&*self.peer, shown(event), shown(error));
        if is_new {
            tracing::error!(
                consumer,
                event,
                to,
                peer,
                error,
                "a handler without `self` failed; further failures are only counted"
            );
        } else {
            tracing::debug!(consumer, event, to, peer, error, "a handler without `self` failed");
        }
    }

    /// Counts a message that could not be prepared. `to` is the group or channel that it was sent to.
    #[cold]
    pub(crate) fn count_undeliverable(&self, envelope: &Envelope, to: &str, problem: &Undeliverable) {
        let (peer, name) = (&*self.peer, envelope.event_name());
        let (event, to) = (shown(name), shown(to));
        match problem {
            Undeliverable::Unhandled { consumer } => {
                count(&self.counters.unhandled);
                if self.unhandled.is_new((consumer, name)) {
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
            Undeliverable::Failed { consumer, error } => self.count_failed(consumer, name, to, &error.to_string()),
            Undeliverable::Undecodable { consumer, error } => {
                count(&self.counters.undecodable);
                let (field, text) = (error.field().unwrap_or_default(), error.to_string());
                let is_new = self.undecodable.is_new((consumer, name, field));
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
