//! Waiting sockets: those that have not sent a whole request, and those that may send another. Bounded against clients that open
//! many sockets and send little.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::support::lock;

/// All waiting sockets, the oldest first. Bound: `limit`. Policy: when one more comes, the socket that has waited longest is
/// dropped. A socket that is slow on purpose waits longest; others send their request immediately. A body may take longer than a
/// head, so sockets that send a body are not dropped for those that send a head while they hold at most half of the slots.
pub(super) struct Slots {
    limit: usize,
    queue: Mutex<Queue>,
    /// Called for each socket that is dropped for another one.
    on_drop: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    heads: BTreeMap<u64, CancellationToken>,
    bodies: BTreeMap<u64, CancellationToken>,
}

impl Queue {
    fn of(&mut self, part: Part) -> &mut BTreeMap<u64, CancellationToken> {
        match part {
            Part::Head => &mut self.heads,
            Part::Body => &mut self.bodies,
        }
    }

    /// Removes the socket that must be dropped, if there are too many.
    fn remove_excess(&mut self, limit: usize) -> Option<CancellationToken> {
        if self.heads.len() + self.bodies.len() <= limit {
            return None;
        }
        let part = if self.bodies.len() > limit / 2 { Part::Body } else { Part::Head };
        self.of(part).pop_first().map(|(_, socket)| socket)
    }
}

/// The part of a request that a socket must send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Body,
}

impl Slots {
    pub(super) fn new(limit: usize, on_drop: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { limit, queue: Mutex::default(), on_drop: Box::new(on_drop) })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// The slot of one socket.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    state: Mutex<State>,
    dropped: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// The position in the queue. `None` while the socket does not wait.
    position: Option<(Part, u64)>,
    /// Whether a request has arrived whose response has not ended.
    is_served: bool,
    /// Whether any request has arrived.
    was_served: bool,
}

impl Slot {
    pub(super) fn new(slots: &Arc<Slots>) -> Arc<Self> {
        Arc::new(Self { slots: Arc::clone(slots), state: Mutex::default(), dropped: CancellationToken::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Adds the socket to the queue until the head of a request arrives. Returns whether another socket was dropped for it.
    pub(super) fn wait_for_head(&self) -> bool {
        self.wait_for(Part::Head)
    }

    /// Adds the socket to the queue until the body of a request arrives. Returns whether another socket was dropped for it.
    pub(super) fn wait_for_body(&self) -> bool {
        self.wait_for(Part::Body)
    }

    fn wait_for(&self, part: Part) -> bool {
        let mut state = self.state();
        if state.position.is_some_and(|(already, _)| already == part) {
            return false;
        }
        self.leave_queue(&mut state);
        let mut queue = self.slots.lock();
        let number = queue.next;
        queue.next += 1;
        queue.of(part).insert(number, self.dropped.clone());
        let longest = queue.remove_excess(self.slots.limit);
        drop(queue);
        state.position = Some((part, number));
        drop(state);
        if let Some(socket) = &longest {
            socket.cancel();
            (self.slots.on_drop)();
        }
        longest.is_some()
    }

    fn leave_queue(&self, state: &mut State) {
        if let Some((part, number)) = state.position.take() {
            self.slots.lock().of(part).remove(&number);
        }
    }

    /// Ends the wait for the body of a request: it has arrived, or the route does not read it.
    pub(super) fn body_arrived(&self) {
        let state = &mut *self.state();
        // If the response ended first, the socket waits for the next head.
        if matches!(state.position, Some((Part::Body, _))) {
            self.leave_queue(state);
        }
    }

    /// Ends the wait for a head: it has arrived.
    pub(super) fn serve(&self) {
        let state = &mut *self.state();
        self.leave_queue(state);
        (state.is_served, state.was_served) = (true, true);
    }

    /// Records that the response has ended.
    pub(super) fn response_ended(&self) {
        self.state().is_served = false;
    }

    pub(super) fn is_served(&self) -> bool {
        self.state().is_served
    }

    pub(super) fn was_served(&self) -> bool {
        self.state().was_served
    }

    /// Waits until the socket is dropped for another one.
    pub(super) async fn dropped(&self) {
        self.dropped.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave_queue(&mut self.state());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_waiting_socket_is_dropped_and_served_one_is_not() {
        let waiting = Slots::new(2, || {});
        let slots: Vec<_> = (0..4).map(|_| Slot::new(&waiting)).collect();
        assert!(!slots[0].wait_for_head() && !slots[1].wait_for_head());
        slots[0].serve();
        assert!(!slots[2].wait_for_head());
        assert!(slots[3].wait_for_head());
        let dropped: Vec<_> = slots.iter().map(|slot| slot.dropped.is_cancelled()).collect();
        assert_eq!(dropped, [false, true, false, false]);
        assert!(slots[0].wait_for_head(), "it waits for another request, after the others");
        assert!(slots[2].dropped.is_cancelled());
        assert!(!slots[0].wait_for_head(), "it waits already");
        drop(slots);
        let queue = waiting.lock();
        assert!(queue.heads.is_empty() && queue.bodies.is_empty());
    }

    #[test]
    fn sockets_with_bodies_may_take_half_of_slots() {
        let waiting = Slots::new(4, || {});
        let slots: Vec<_> = (0..9).map(|_| Slot::new(&waiting)).collect();
        let dropped = || slots.iter().map(|slot| u8::from(slot.dropped.is_cancelled())).collect::<Vec<_>>();
        // Two of four may send a body; a head is dropped for another head.
        for slot in &slots[..2] {
            slot.wait_for_head();
            slot.serve();
            assert!(!slot.wait_for_body());
        }
        assert!(!slots[2].wait_for_head() && !slots[3].wait_for_head());
        assert!(slots[4].wait_for_head());
        assert_eq!(dropped(), [0, 0, 1, 0, 0, 0, 0, 0, 0]);
        // A third body is too many, so the oldest body is dropped.
        slots[5].serve();
        assert!(slots[5].wait_for_body());
        assert_eq!(dropped(), [1, 0, 1, 0, 0, 0, 0, 0, 0]);
        // A complete body no longer waits; a response before that waits for the next head.
        slots[1].body_arrived();
        assert!(!slots[6].wait_for_head());
        assert!(!slots[5].wait_for_head());
        slots[5].body_arrived();
        assert!(slots[7].wait_for_head());
        assert_eq!((dropped(), waiting.lock().heads.len()), (vec![1, 0, 1, 1, 0, 0, 0, 0, 0], 4));
        drop(slots);
    }
}
