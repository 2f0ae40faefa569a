//! The members of a group in this process, and what waits for all of them.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexSet;
use smallvec::{SmallVec, smallvec};
use tokio::time::Instant;

use crate::codec::Envelope;
use crate::layer::counters::Counters;
use crate::layer::delivery::{Delivery, Prepare};
use crate::layer::mailbox::{Batch, DeliveryCount, Mailbox, NamedMailbox};
use crate::layer::scheduled::Scheduled;
use crate::layer::sharded_map::ShardedMap;
use crate::layer::write_priority::WritePriority;
use crate::name::{ChannelName, GroupName};

/// A message, made ready once for each kind of mailbox. Nearly always there is one kind.
#[derive(Default)]
pub(super) struct Prepared(pub(super) ForKinds<Option<Delivery>>);

impl Prepared {
    pub(super) fn for_kinds(kinds: impl IntoIterator<Item = Prepare>) -> Self {
        let mut prepared = Self::default();
        for kind in kinds {
            if of_kind(&prepared.0, kind).is_none() {
                prepared.0.push((kind, None));
            }
        }
        prepared
    }

    pub(super) fn prepare(&mut self, counters: &Counters, envelope: &Envelope, to: &str) {
        for (kind, delivery) in &mut self.0 {
            *delivery = counters.prepared(*kind, envelope, to);
        }
    }

    /// What is ready for each kind, for so many mailboxes.
    pub(crate) fn ready(&self, at: Instant, mailboxes: usize) -> Ready<'_> {
        let ready = self.0.iter().filter_map(|(kind, delivery)| Some((*kind, delivery.as_ref()?)));
        let batch = |delivery| Batch::of(smallvec![(delivery, at)], WritePriority::of(mailboxes));
        ready.map(|(kind, delivery)| (kind, batch(delivery))).collect()
    }
}

/// Something for each kind of mailbox.
pub(crate) type ForKinds<T> = SmallVec<[(Prepare, T); 1]>;

pub(crate) fn of_kind<T>(all: &ForKinds<T>, kind: Prepare) -> Option<&T> {
    all.iter().find(|(known, _)| std::ptr::fn_addr_eq(*known, kind)).map(|(_, found)| found)
}

/// A message on its way to the members of a group.
pub(super) struct Message {
    pub(super) prepared: Prepared,
    pub(super) at: Instant,
    pub(super) envelope: Envelope,
}

/// Whoever sends again behind a message that has waited for so long takes all of it along: handlers that compute would make
/// it wait for all of the burst, while another thread could write it.
const PATIENCE: Duration = Duration::from_millis(1);

/// Messages that were handed over. To be dropped when no lock of the table is held: a payload's own `drop` is the user's code.
pub(super) struct Handed {
    pub(super) messages: Vec<Message>,
    pub(super) taken: DeliveryCount,
}

impl Handed {
    /// Counts the deliveries. The last message represents all of them in the log.
    pub(super) fn count(&self, counters: &Counters) {
        counters.count_taken(self.taken, self.messages.last().map(|last| &last.envelope));
    }
}

/// Makes the batch of these messages for one kind of mailbox.
fn batch_for<'a>(kind: Prepare, messages: &'a [Message], priority: WritePriority) -> Batch<'a> {
    let ready = |message: &'a Message| Some((of_kind(&message.prepared.0, kind)?.as_ref()?, message.at));
    Batch::of(messages.iter().filter_map(ready).collect(), priority)
}

/// The members of a group.
#[derive(Default)]
pub(super) struct GroupMembers {
    mailboxes: IndexSet<NamedMailbox>,
    /// The kind of all of them, if all are of one.
    kind: Option<Prepare>,
    /// What waits for them ([`burst`](super::burst)), in its order. Bound: what its task handles in one turn, for each thread.
    #[expect(clippy::box_collection, reason = "nearly always there is none, and every group has the room for it")]
    waiting: Option<Box<Vec<Message>>>,
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

    /// Puts a member in. `false` if it is in already. Nothing may wait.
    pub(super) fn insert(&mut self, mailbox: &NamedMailbox) -> bool {
        debug_assert!(!self.holds_back(), "it was not there when that was sent");
        let (kind, is_first) = (mailbox.0.prepare(), self.is_empty());
        if !self.mailboxes.insert(mailbox.clone()) {
            return false;
        }
        if is_first {
            self.kind = Some(kind);
        } else if self.kind.is_some_and(|known| !std::ptr::fn_addr_eq(known, kind)) {
            self.kind = None;
        }
        true
    }

    /// Takes a member out. `false` if it is none. Nothing may wait.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        debug_assert!(!self.holds_back(), "it was there when that was sent");
        self.mailboxes.swap_remove(name)
    }

    /// The kinds of all members but this one.
    pub(super) fn kinds(&self, but: Option<&ChannelName>) -> Prepared {
        let own = but.and_then(|own| self.mailboxes.get_index_of(own.as_str()));
        if let Some(kind) = self.kind {
            let others = self.len() - usize::from(own.is_some());
            return Prepared::for_kinds((others > 0).then_some(kind));
        }
        let others = self.mailboxes.iter().enumerate().filter(|(place, _)| Some(*place) != own);
        Prepared::for_kinds(others.map(|(_, NamedMailbox(mailbox))| mailbox.prepare()))
    }

    /// A message that waits for the next one.
    pub(super) fn push(&mut self, message: Message) {
        self.waiting.get_or_insert_default().push(message);
    }

    /// Hands over what waits.
    pub(super) fn hand_over(&mut self) -> Option<Handed> {
        let messages = *self.waiting.take()?;
        let taken = self.hand_all(&messages);
        Some(Handed { messages, taken })
    }

    /// Whether something waits.
    pub(super) fn holds_back(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether what waits has waited for long enough.
    pub(super) fn is_impatient(&self, now: Instant) -> bool {
        let first = self.waiting.as_ref().and_then(|waiting| waiting.first());
        first.is_some_and(|first| now.duration_since(first.at) >= PATIENCE)
    }

    /// Hands one message to all members but this one. Nothing may wait.
    pub(super) fn hand(&self, prepared: &Prepared, at: Instant, but: Option<&ChannelName>) -> DeliveryCount {
        debug_assert!(!self.holds_back(), "that was sent before");
        let but = but.and_then(|own| self.mailboxes.get_index_of(own.as_str()));
        let others = self.mailboxes.iter().enumerate().filter(|(place, _)| Some(*place) != but);
        hand(others.map(|(_, NamedMailbox(mailbox))| mailbox), &prepared.ready(at, self.len()))
    }

    fn hand_all(&self, messages: &[Message]) -> DeliveryCount {
        let batch = |(kind, _): &(Prepare, _)| (*kind, batch_for(*kind, messages, WritePriority::of(self.len())));
        let ready = self.kinds(None).0.iter().map(batch).collect();
        hand(self.mailboxes.iter().map(|NamedMailbox(mailbox)| mailbox), &ready)
    }
}

/// The groups, and who is in them.
pub(super) type Groups = ShardedMap<GroupName, GroupMembers>;

/// What mailboxes are handed.
pub(crate) type Ready<'a> = ForKinds<Batch<'a>>;

/// Hands each mailbox what is ready for its kind.
pub(crate) fn hand<'a>(mailboxes: impl Iterator<Item = &'a Arc<dyn Mailbox>>, ready: &Ready<'_>) -> DeliveryCount {
    let mut taken = DeliveryCount::default();
    // Appended to the write queue when the walk ends.
    let mut scheduled = Scheduled::default();
    for mailbox in mailboxes {
        if let Some(batch) = of_kind(ready, mailbox.prepare()) {
            taken += mailbox.deliver_all(batch, &mut scheduled);
        }
    }
    taken
}

/// Hands a message to these mailboxes.
#[cfg(feature = "redis")]
pub(super) fn hand_to(mailboxes: &[Arc<dyn Mailbox>], prepared: &Prepared) -> DeliveryCount {
    hand(mailboxes.iter(), &prepared.ready(Instant::now(), mailboxes.len()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::codec::Format;
    use crate::layer::delivery::Full;
    use crate::layer::mailbox::Mailbox;
    use crate::layer::table::LocalTable;
    use crate::name::GroupName;

    /// Notes for how many what it was handed is.
    struct Reached {
        name: ChannelName,
        by: Mutex<Vec<WritePriority>>,
    }

    impl Mailbox for Reached {
        fn name(&self) -> &ChannelName {
            &self.name
        }

        fn prepare(&self) -> Prepare {
            |_| Ok(Delivery::Nothing)
        }

        fn deliver(&self, _: &Delivery, _: Instant) -> Result<bool, Full> {
            unreachable!("several of them are handed what is for a group")
        }

        fn deliver_all<'a>(&'a self, batch: &Batch<'_>, _: &mut Scheduled<'a>) -> DeliveryCount {
            self.by.lock().unwrap().push(batch.reach);
            DeliveryCount::default()
        }

        fn layer_closed(&self) {}
    }

    #[test]
    fn a_message_to_more_than_one_turn_writes_is_for_many() {
        let (table, group) = (LocalTable::new("a test"), GroupName::new("group").unwrap());
        let envelope = Envelope::from_value(&serde_json::json!({"type": "a"}), Format::Json).unwrap();
        let mut first = None;
        for number in 1..=17 {
            let name = ChannelName::new(format!("specific.0!{number}")).unwrap();
            let reached = Arc::new(Reached { name, by: Mutex::default() });
            table.register(&(Arc::clone(&reached) as Arc<dyn Mailbox>));
            table.add(&group, &reached.name).unwrap();
            first.get_or_insert(reached);
            table.group_send(&group, &envelope);
        }
        let by = first.unwrap().by.lock().unwrap().clone();
        assert_eq!(by, [[WritePriority::Interactive; 16].as_slice(), &[WritePriority::Bulk]].concat());
    }
}
