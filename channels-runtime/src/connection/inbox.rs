//! The inbox of a connection: events for the consumer, and frames that must not overtake these events.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use tokio::time::Instant;

use crate::event::{DropHint, HistoryLost};
use crate::layer::Gap;
use crate::support::SparePool;
use crate::websocket::EncodedFrame;

/// An event for the consumer: an `Arc<Delivered<C::Event>>`.
pub(crate) type Event = Arc<dyn Any + Send + Sync>;

/// The largest capacity of a queue that is kept for reuse, in items.
const SPARE_CAPACITY: usize = 16;

type Queue = VecDeque<(Instant, InboxItem)>;

thread_local! {
    static SPARE_QUEUES: SparePool<Box<Queue>> = const { SparePool::new() };
}

static EMPTY: Queue = Queue::new();

/// An item of an inbox.
pub(super) enum InboxItem {
    Event(Event, DropHint),
    Frame(EncodedFrame, DropHint),
    Gap(Gap),
    HistoryLost(Arc<HistoryLost>),
}

impl InboxItem {
    pub(super) fn hint(&self) -> DropHint {
        match self {
            Self::Event(_, hint) | Self::Frame(_, hint) => *hint,
            Self::Gap(_) | Self::HistoryLost(_) => DropHint::default(),
        }
    }
}

/// The items in order of arrival, each with its time of arrival. Nearly all inboxes are empty; an empty inbox does not own
/// memory.
#[derive(Default)]
pub(super) struct Inbox(Option<Box<Queue>>);

impl Inbox {
    pub(super) fn push_back(&mut self, at: Instant, item: InboxItem) {
        let spare = || SPARE_QUEUES.with(SparePool::take).unwrap_or_default();
        self.0.get_or_insert_with(spare).push_back((at, item));
    }

    /// Puts items before all others, in their order.
    pub(super) fn push_front(&mut self, at: Instant, items: impl DoubleEndedIterator<Item = InboxItem>) {
        let spare = || SPARE_QUEUES.with(SparePool::take).unwrap_or_default();
        let queue = self.0.get_or_insert_with(spare);
        items.rev().for_each(|item| queue.push_front((at, item)));
        self.release_empty();
    }

    pub(super) fn pop_front(&mut self) -> Option<(Instant, InboxItem)> {
        let first = self.0.as_mut()?.pop_front();
        self.release_empty();
        first
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<InboxItem> {
        let (_, removed) = self.0.as_mut()?.remove(at)?;
        self.release_empty();
        Some(removed)
    }

    pub(super) fn retain(&mut self, mut keeps: impl FnMut(&InboxItem) -> bool) {
        if let Some(queue) = &mut self.0 {
            queue.retain(|(_, item)| keeps(item));
            self.release_empty();
        }
    }

    fn release_empty(&mut self) {
        if self.0.as_ref().is_some_and(|queue| queue.is_empty())
            && let Some(queue) = self.0.take()
            && queue.capacity() <= SPARE_CAPACITY
        {
            SPARE_QUEUES.with(|spares| spares.put(queue));
        }
    }
}

impl Deref for Inbox {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}
