//! The members of a group in this process, and what waits for all of them.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexSet;
use smallvec::{SmallVec, smallvec};
use tokio::time::Instant;

use crate::envelope::Envelope;
use crate::flusher::Reach;
use crate::layer::local::{Delivery, Full, LocalTable, Mailbox, Named, Prepare};
use crate::name::ChannelName;
use crate::wire::Rendered;

/// A message, made ready once for each kind of mailbox. Nearly always there is one kind.
#[derive(Default)]
pub(super) struct Prepared(ForKinds<Option<Delivery>>);

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

    pub(super) fn prepare(&mut self, table: &LocalTable, envelope: &Envelope, to: &str) {
        for (kind, delivery) in &mut self.0 {
            *delivery = table.prepared(*kind, envelope, to).ok();
        }
    }

    /// What is ready for each kind, for so many mailboxes.
    fn ready(&self, at: Instant, mailboxes: usize) -> Ready<'_> {
        let ready = self.0.iter().filter_map(|(kind, delivery)| Some((*kind, delivery.as_ref()?)));
        let batch = |delivery| Batch::of(smallvec![(delivery, at)], Reach::of(mailboxes));
        ready.map(|(kind, delivery)| (kind, batch(delivery))).collect()
    }
}

/// Something for each kind of mailbox.
type ForKinds<T> = SmallVec<[(Prepare, T); 1]>;

/// What mailboxes are handed.
type Ready<'a> = ForKinds<Batch<'a>>;

fn of_kind<T>(all: &ForKinds<T>, kind: Prepare) -> Option<&T> {
    all.iter().find(|(known, _)| std::ptr::fn_addr_eq(*known, kind)).map(|(_, found)| found)
}

/// Hands each mailbox what is ready for its kind.
fn hand<'a>(mailboxes: impl Iterator<Item = &'a Arc<dyn Mailbox>>, ready: &Ready<'_>) -> Taken {
    let mut taken = Taken::default();
    for mailbox in mailboxes {
        if let Some(batch) = of_kind(ready, mailbox.prepare()) {
            taken += mailbox.deliver_all(batch);
        }
    }
    taken
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

/// Finished frames of so many bytes in all are joined once, for everyone. More is written in pieces as well.
const JOINED: usize = 16 * 1024;

/// Messages for one kind of mailbox, in their order.
pub(crate) struct Batch<'a> {
    pub(crate) deliveries: SmallVec<[(&'a Delivery, Instant); 16]>,
    /// All of them in one, if they are finished frames, of which none may be lost.
    pub(crate) joined: Option<Rendered>,
    /// For how many they are.
    pub(crate) reach: Reach,
}

impl<'a> Batch<'a> {
    fn new(kind: Prepare, messages: &'a [Message], reach: Reach) -> Self {
        let ready = |message: &'a Message| Some((of_kind(&message.prepared.0, kind)?.as_ref()?, message.at));
        Self::of(messages.iter().filter_map(ready).collect(), reach)
    }

    pub(crate) fn of(deliveries: SmallVec<[(&'a Delivery, Instant); 16]>, reach: Reach) -> Self {
        let frames: Option<SmallVec<[&Rendered; 16]>> =
            deliveries.iter().map(|(delivery, _)| delivery.plain()).collect();
        let is_worth_it = |frames: &SmallVec<[&Rendered; 16]>| {
            frames.len() > 1 && frames.iter().map(|frame| frame.as_bytes().len()).sum::<usize>() <= JOINED
        };
        let joined = frames.filter(is_worth_it).map(|frames| Rendered::joined(&frames));
        Self { deliveries, joined, reach }
    }
}

/// What became of messages: how many mailboxes took one, and how many were full.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) delivered: u64,
    pub(crate) full: u64,
}

impl Taken {
    pub(crate) fn add(&mut self, delivered: &Result<bool, Full>) {
        match delivered {
            Ok(taken) => self.delivered += u64::from(*taken),
            Err(Full { .. }) => self.full += 1,
        }
    }
}

impl std::ops::AddAssign for Taken {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.full += other.full;
    }
}

/// Messages that were handed over. To be dropped when no lock of the table is held: a payload's own `drop` is the user's code.
pub(super) struct Handed {
    pub(super) messages: Vec<Message>,
    pub(super) taken: Taken,
}

/// The members of a group.
#[derive(Default)]
pub(super) struct Members {
    mailboxes: IndexSet<Named>,
    /// The kind of all of them, if all are of one.
    kind: Option<Prepare>,
    /// What waits for them ([`burst`](super::burst)), in its order. Bound: what its task handles in one turn, for each thread.
    #[expect(clippy::box_collection, reason = "nearly always there is none, and every group has the room for it")]
    waiting: Option<Box<Vec<Message>>>,
}

impl Members {
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
        self.mailboxes.iter().map(|Named(mailbox)| mailbox.name())
    }

    /// Puts a member in. `false` if it is in already. Nothing may wait.
    pub(super) fn insert(&mut self, mailbox: &Named) -> bool {
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
        Prepared::for_kinds(others.map(|(_, Named(mailbox))| mailbox.prepare()))
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
    pub(super) fn hand(&self, prepared: &Prepared, at: Instant, but: Option<&ChannelName>) -> Taken {
        debug_assert!(!self.holds_back(), "that was sent before");
        let but = but.and_then(|own| self.mailboxes.get_index_of(own.as_str()));
        let others = self.mailboxes.iter().enumerate().filter(|(place, _)| Some(*place) != but);
        hand(others.map(|(_, Named(mailbox))| mailbox), &prepared.ready(at, self.len()))
    }

    fn hand_all(&self, messages: &[Message]) -> Taken {
        let batch = |(kind, _): &(Prepare, _)| (*kind, Batch::new(*kind, messages, Reach::of(self.len())));
        let ready = self.kinds(None).0.iter().map(batch).collect();
        hand(self.mailboxes.iter().map(|Named(mailbox)| mailbox), &ready)
    }
}

/// Hands a message to these mailboxes.
#[cfg(feature = "redis")]
pub(super) fn hand_to(mailboxes: &[Arc<dyn Mailbox>], prepared: &Prepared) -> Taken {
    hand(mailboxes.iter(), &prepared.ready(Instant::now(), mailboxes.len()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::envelope::Format;
    use crate::layer::local::LocalTable;
    use crate::name::GroupName;

    /// Notes for how many what it was handed is.
    struct Reached {
        name: ChannelName,
        by: Mutex<Vec<Reach>>,
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

        fn deliver_all(&self, batch: &Batch<'_>) -> Taken {
            self.by.lock().unwrap().push(batch.reach);
            Taken::default()
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
        assert_eq!(by, [[Reach::Few; 16].as_slice(), &[Reach::Many]].concat());
    }
}
