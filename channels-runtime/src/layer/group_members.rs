//! The members of a group in this process, and the messages that wait for all of them.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexSet;
use tokio::time::Instant;

use crate::codec::Envelope;
use crate::layer::counters::Counters;
#[cfg(any(feature = "redis", feature = "testing"))]
use crate::layer::delivery::Delivery;
use crate::layer::delivery::MailboxKind;
use crate::layer::for_kinds::of_kind;
use crate::layer::group_history::GroupHistory;
use crate::layer::mailbox::{Batch, DeliveryCount, Mailbox, NamedMailbox};
use crate::layer::prepared::{Prepared, Ready, caught};
use crate::layer::readers::Readers;
use crate::layer::scheduled::Scheduled;
use crate::layer::sharded_map::ShardedMap;
use crate::layer::write_priority::WritePriority;
use crate::name::{ChannelName, GroupName};
use crate::websocket::Compressor;

/// A message to the members of a group.
pub(super) struct Message {
    pub(super) prepared: Prepared,
    pub(super) at: Instant,
    pub(super) envelope: Envelope,
}

/// The longest time that a message waits for the next one. Without this limit, a series of slow handlers would delay the first
/// message until the last handler has returned, although another thread could already write it.
const MAX_WAIT: Duration = Duration::from_millis(1);

/// Messages that have been delivered. Drop them when no lock of the table is held: a payload's `Drop` is user code.
pub(super) struct DeliveredMessages {
    messages: Vec<Message>,
    count: DeliveryCount,
}

impl DeliveredMessages {
    /// Counts the deliveries. The last message represents all of them in the log.
    pub(super) fn count(&self, counters: &Counters) {
        counters.count_deliveries(self.count, self.messages.last().map(|last| &last.envelope));
    }
}

/// Makes the batch of these messages for one kind of mailbox.
fn batch_for<'a>(kind: &MailboxKind, messages: &'a [Message], priority: WritePriority) -> Batch<'a> {
    let ready = |message: &'a Message| Some((message.prepared.delivery(kind)?, message.at));
    Batch::of(messages.iter().filter_map(ready).collect(), priority)
}

/// The members of a group.
#[derive(Default)]
pub(super) struct GroupMembers {
    mailboxes: IndexSet<NamedMailbox>,
    /// The kind of all members, if they are of one kind.
    kind: Option<&'static MailboxKind>,
    readers: Readers,
    /// The messages that wait for all members, in order: see [`batching`](super::batching). Bound: for each thread, the
    /// messages that a task handles in one turn.
    #[expect(
        clippy::box_collection,
        reason = "nearly always no message waits, and each group reserves the space of this field"
    )]
    waiting: Option<Box<Vec<Message>>>,
    /// The kept messages, if the group has a history. Boxed, because most groups have none.
    pub(super) history: Option<Box<GroupHistory>>,
}

impl GroupMembers {
    pub(super) fn len(&self) -> usize {
        self.mailboxes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.mailboxes.is_empty()
    }

    #[cfg(feature = "redis")]
    pub(super) fn contains(&self, name: &str) -> bool {
        self.mailboxes.contains(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &ChannelName> {
        self.mailboxes.iter().map(|NamedMailbox(mailbox)| mailbox.name())
    }

    /// Returns whether the group has a member or a join under way, so that its messages must reach this process.
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(super) fn is_wanted(&self) -> bool {
        !self.is_empty() || self.history.as_ref().is_some_and(|history| history.joining > 0)
    }

    /// Delivers a notice to all members. No message may be waiting.
    #[cfg(any(feature = "redis", feature = "testing"))]
    pub(super) fn notify(&self, notice: &Delivery, at: Instant) {
        // A mailbox accepts a notice even if it is full.
        self.mailboxes.iter().for_each(|NamedMailbox(mailbox)| _ = mailbox.deliver(notice, at));
    }

    /// Adds a member. Returns `false` if it is already a member. No message may be waiting.
    pub(super) fn insert(&mut self, mailbox: &NamedMailbox) -> bool {
        debug_assert!(!self.has_waiting(), "a new member must not receive an earlier message");
        let (kind, is_first) = (mailbox.0.kind(), self.is_empty());
        if !self.mailboxes.insert(mailbox.clone()) {
            return false;
        }
        self.readers.add(&*mailbox.0);
        if is_first {
            self.kind = Some(kind);
        } else if self.kind.is_some_and(|known| known != kind) {
            self.kind = None;
        }
        true
    }

    /// Removes a member. Returns `false` if it is not a member. No message may be waiting.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        debug_assert!(!self.has_waiting(), "a member that leaves must receive an earlier message first");
        let Some(NamedMailbox(removed)) = self.mailboxes.swap_take(name) else { return false };
        self.readers.remove(&*removed);
        true
    }

    /// Returns the compressor of a message to all members.
    pub(super) fn compressor(&self) -> Option<Compressor> {
        self.readers.compressor()
    }

    /// Returns the kinds of all members except one.
    pub(super) fn kinds(&self, excluded: Option<&ChannelName>) -> Prepared {
        let excluded = excluded.and_then(|name| self.mailboxes.get_index_of(name.as_str()));
        if let Some(kind) = self.kind {
            let others = self.len() - usize::from(excluded.is_some());
            return Prepared::for_kinds((others > 0).then_some(kind)).with_compressor(self.compressor());
        }
        let others = self.mailboxes.iter().enumerate().filter(|(index, _)| Some(*index) != excluded);
        Prepared::for_kinds(others.map(|(_, NamedMailbox(mailbox))| mailbox.kind())).with_compressor(self.compressor())
    }

    /// Adds a message that waits for the next one.
    pub(super) fn push(&mut self, message: Message) {
        self.waiting.get_or_insert_default().push(message);
    }

    /// Delivers the waiting messages.
    pub(super) fn deliver_waiting(&mut self) -> Option<DeliveredMessages> {
        let messages = *self.waiting.take()?;
        let count = self.deliver_all(&messages);
        Some(DeliveredMessages { messages, count })
    }

    /// Returns whether a message waits.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Returns whether a message has waited for [`MAX_WAIT`].
    pub(super) fn has_waited_long(&self, now: Instant) -> bool {
        let first = self.waiting.as_ref().and_then(|waiting| waiting.first());
        first.is_some_and(|first| now.duration_since(first.at) >= MAX_WAIT)
    }

    /// Delivers one message to all members except one. No message may be waiting.
    pub(super) fn deliver(&self, prepared: &Prepared, at: Instant, excluded: Option<&ChannelName>) -> DeliveryCount {
        debug_assert!(!self.has_waiting(), "an earlier message must be delivered before this one");
        let excluded = excluded.and_then(|name| self.mailboxes.get_index_of(name.as_str()));
        let others = self.mailboxes.iter().enumerate().filter(|(index, _)| Some(*index) != excluded);
        deliver_batches(others.map(|(_, NamedMailbox(mailbox))| mailbox), &prepared.ready(at, self.len()))
    }

    fn deliver_all(&self, messages: &[Message]) -> DeliveryCount {
        let batch = |kind: &'static MailboxKind| (kind, batch_for(kind, messages, WritePriority::of(self.len())));
        let ready = self.kinds(None).kinds().map(batch).collect();
        deliver_batches(self.mailboxes.iter().map(|NamedMailbox(mailbox)| mailbox), &ready)
    }
}

/// The groups of a process, with their members.
pub(super) type Groups = ShardedMap<GroupName, GroupMembers>;

/// Delivers to each mailbox the batch of its kind.
pub(crate) fn deliver_batches<'a>(
    mut mailboxes: impl Iterator<Item = &'a Arc<dyn Mailbox>>,
    ready: &Ready<'_>,
) -> DeliveryCount {
    let mut count = DeliveryCount::default();
    // Appended to the write queue on drop, after all mailboxes.
    let mut scheduled = Scheduled::default();
    let mut deliver_rest = || {
        for mailbox in mailboxes.by_ref() {
            if let Some(batch) = of_kind(ready, mailbox.kind()) {
                count += mailbox.deliver_all(batch, &mut scheduled);
            }
        }
    };
    // After a panic in one mailbox, the next ones receive the messages.
    while caught(&mut deliver_rest).is_none() {}
    count
}

/// Delivers a message to these mailboxes.
#[cfg(feature = "redis")]
pub(super) fn deliver_to(mailboxes: &[Arc<dyn Mailbox>], prepared: &Prepared) -> DeliveryCount {
    deliver_batches(mailboxes.iter(), &prepared.ready(Instant::now(), mailboxes.len()))
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::codec::Format;
    use crate::layer::delivery::{Full, Undeliverable};
    use crate::layer::local_table::LocalTable;
    use crate::layer::mailbox::Mailbox;
    use crate::name::GroupName;

    /// Records the priority of each batch.
    struct Recorder {
        name: ChannelName,
        priorities: Mutex<Vec<WritePriority>>,
    }

    impl Mailbox for Recorder {
        fn name(&self) -> &ChannelName {
            &self.name
        }

        fn kind(&self) -> &'static MailboxKind {
            const { &MailboxKind::of::<Self>(|_, _| Ok(Delivery::Nothing)) }
        }

        fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
            unreachable!("a message to a group arrives in a batch")
        }

        fn deliver_all<'a>(&'a self, batch: &Batch<'_>, _: &mut Scheduled<'a>) -> DeliveryCount {
            self.priorities.lock().unwrap().push(batch.priority);
            DeliveryCount::default()
        }

        fn layer_closed(&self) {}
    }

    #[test]
    fn message_to_more_than_one_turn_has_bulk_priority() {
        let (table, group) = (LocalTable::new("a test"), GroupName::new("group").unwrap());
        let envelope = Envelope::from_value(&serde_json::json!({"type": "a"}), Format::Json).unwrap();
        let mut first = None;
        for number in 1..=17 {
            let name = ChannelName::new(format!("specific.0!{number}")).unwrap();
            let recorder = Arc::new(Recorder { name, priorities: Mutex::default() });
            table.register(&(Arc::clone(&recorder) as Arc<dyn Mailbox>));
            table.add(&group, &recorder.name).unwrap();
            first.get_or_insert(recorder);
            table.group_send(&group, &envelope);
        }
        let priorities = first.unwrap().priorities.lock().unwrap().clone();
        assert_eq!(priorities, [[WritePriority::Interactive; 16].as_slice(), &[WritePriority::Bulk]].concat());
    }

    /// A mailbox of the kind that `T` identifies. All kinds have one function.
    struct Counting<T> {
        name: ChannelName,
        kind: PhantomData<fn() -> T>,
    }

    static PREPARED: AtomicUsize = AtomicUsize::new(0);

    fn count(_: &Envelope, _: Option<&Compressor>) -> Result<Delivery, Undeliverable> {
        PREPARED.fetch_add(1, Relaxed);
        Ok(Delivery::Nothing)
    }

    impl<T: 'static> Mailbox for Counting<T> {
        fn name(&self) -> &ChannelName {
            &self.name
        }

        fn kind(&self) -> &'static MailboxKind {
            const { &MailboxKind::of::<T>(count) }
        }

        fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
            Ok(true)
        }

        fn layer_closed(&self) {}
    }

    fn counting<T: 'static>(name: &str) -> Arc<dyn Mailbox> {
        Arc::new(Counting { name: ChannelName::new(name).unwrap(), kind: PhantomData::<fn() -> T> })
    }

    #[test]
    fn message_is_prepared_once_per_kind_even_if_kinds_share_their_function() {
        let (table, group) = (LocalTable::new("a test"), GroupName::new("group").unwrap());
        let envelope = Envelope::from_value(&serde_json::json!({"type": "a"}), Format::Json).unwrap();
        let mailboxes = [counting::<u8>("a"), counting::<u8>("b"), counting::<u16>("c"), counting::<u16>("d")];
        for (mailbox, expected) in mailboxes.iter().zip([1, 1, 2, 2]) {
            table.register(mailbox);
            table.add(&group, mailbox.name()).unwrap();
            let before = PREPARED.load(Relaxed);
            table.group_send(&group, &envelope);
            assert_eq!(PREPARED.load(Relaxed) - before, expected);
        }
        assert_eq!(table.stats().delivered, 1 + 2 + 3 + 4);
    }

    #[test]
    fn kind_is_equal_to_its_copy() {
        static COPIES: [MailboxKind; 3] =
            [MailboxKind::of::<u8>(count), MailboxKind::of::<u8>(count), MailboxKind::of::<u16>(count)];
        assert_eq!(COPIES[0], COPIES[1]);
        assert_ne!(COPIES[0], COPIES[2]);
    }
}
