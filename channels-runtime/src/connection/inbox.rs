//! What waits in a mailbox: events for the consumer, and frames that may not overtake them.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use tokio::time::Instant;

use crate::event::DropHint;
use crate::layer::Gap;
use crate::websocket::EncodedFrame;

/// An event for the consumer: an `Arc<Delivered<C::Event>>`.
pub(crate) type Event = Arc<dyn Any + Send + Sync>;

/// How many empty queues a thread keeps for the next mailboxes, and how much they may hold: as many as a large room needs at
/// once, so that a message to it takes none from the allocator.
const SPARES: usize = 1024;
const SPARE: usize = 16;

type Queue = VecDeque<(Instant, InboxItem)>;

thread_local! {
    #[expect(clippy::vec_box, reason = "the box is what a mailbox takes and gives back")]
    static SPARE_QUEUES: RefCell<Vec<Box<Queue>>> = const { RefCell::new(Vec::new()) };
}

static EMPTY: Queue = Queue::new();

/// One of what waits.
pub(super) enum InboxItem {
    Event(Event, DropHint),
    Frame(EncodedFrame, DropHint),
    Gap(Gap),
}

impl InboxItem {
    pub(super) fn loss(&self) -> DropHint {
        match self {
            Self::Event(_, loss) | Self::Frame(_, loss) => *loss,
            Self::Gap(_) => DropHint::default(),
        }
    }
}

/// All of it, in its order, with the moment when it came. Where nothing waits, as nearly always, it owns nothing.
#[derive(Default)]
pub(super) struct Inbox(Option<Box<Queue>>);

impl Inbox {
    pub(super) fn push_back(&mut self, at: Instant, mail: InboxItem) {
        let spare = || SPARE_QUEUES.with_borrow_mut(Vec::pop).unwrap_or_default();
        self.0.get_or_insert_with(spare).push_back((at, mail));
    }

    pub(super) fn pop_front(&mut self) -> Option<(Instant, InboxItem)> {
        let first = self.0.as_mut()?.pop_front();
        self.give_back();
        first
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<InboxItem> {
        let (_, removed) = self.0.as_mut()?.remove(at)?;
        self.give_back();
        Some(removed)
    }

    pub(super) fn retain(&mut self, mut keeps: impl FnMut(&InboxItem) -> bool) {
        if let Some(queue) = &mut self.0 {
            queue.retain(|(_, mail)| keeps(mail));
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if self.0.as_ref().is_some_and(|queue| queue.is_empty())
            && let Some(queue) = self.0.take()
            && queue.capacity() <= SPARE
        {
            SPARE_QUEUES.with_borrow_mut(|spares| {
                if spares.len() < SPARES {
                    spares.push(queue);
                }
            });
        }
    }
}

impl Deref for Inbox {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}
