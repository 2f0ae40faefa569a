//! Waiting sockets: those that have not sent a whole request, and those that may send another. Bounded against clients that open
//! many sockets and send little.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::admission::counted_as;
use crate::support::lock;

/// All waiting sockets. Bound: `limit`. Policy: when one more comes, a socket of the address with the most waiting sockets is
/// dropped: the one that has waited longest. So one source of many silent sockets drops its own. If all addresses have equally
/// many, the socket that has waited longest of all is dropped: one that is slow on purpose waits longest, and others send their
/// request immediately. A body may take longer than a head, so sockets that send a body are not dropped for those that send a
/// head while they hold at most half of the slots.
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
    heads: Line,
    bodies: Line,
}

impl Queue {
    fn of(&mut self, part: Part) -> &mut Line {
        match part {
            Part::Head => &mut self.heads,
            Part::Body => &mut self.bodies,
        }
    }

    /// Removes the socket that must be dropped, if there are too many.
    fn remove_excess(&mut self, limit: usize) -> Option<CancellationToken> {
        if self.heads.len + self.bodies.len <= limit {
            return None;
        }
        let part = if self.bodies.len > limit / 2 { Part::Body } else { Part::Head };
        self.of(part).remove_of_largest()
    }
}

/// The sockets that must send one part of a request, by address.
#[derive(Debug, Default)]
struct Line {
    len: usize,
    /// The sockets of each address, the oldest first. No address is kept without a socket.
    addresses: HashMap<IpAddr, BTreeMap<u64, CancellationToken>>,
    /// The addresses in the order in which they must drop a socket. The last is the one with the most sockets.
    by_size: BTreeSet<Size>,
}

/// The number of sockets of an address. Of equally many, the address with the older socket is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Size {
    sockets: usize,
    oldest: std::cmp::Reverse<u64>,
    address: IpAddr,
}

impl Size {
    fn of(address: IpAddr, sockets: &BTreeMap<u64, CancellationToken>) -> Option<Self> {
        let (oldest, _) = sockets.first_key_value()?;
        Some(Self { sockets: sockets.len(), oldest: std::cmp::Reverse(*oldest), address })
    }
}

impl Line {
    /// Changes the sockets of an address.
    fn change<T>(&mut self, address: IpAddr, change: impl FnOnce(&mut BTreeMap<u64, CancellationToken>) -> T) -> T {
        let mut entry = match self.addresses.entry(address) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(BTreeMap::new()),
        };
        let before = Size::of(address, entry.get());
        let changed = change(entry.get_mut());
        let after = Size::of(address, entry.get());
        if after.is_none() {
            entry.remove();
        }
        self.len = self.len + after.map_or(0, |size| size.sockets) - before.map_or(0, |size| size.sockets);
        if let Some(before) = before {
            self.by_size.remove(&before);
        }
        self.by_size.extend(after);
        changed
    }

    fn insert(&mut self, address: IpAddr, number: u64, socket: CancellationToken) {
        self.change(address, |sockets| sockets.insert(number, socket));
    }

    fn remove(&mut self, address: IpAddr, number: u64) {
        self.change(address, |sockets| sockets.remove(&number));
    }

    /// Removes the oldest socket of the address that has the most.
    fn remove_of_largest(&mut self) -> Option<CancellationToken> {
        let address = self.by_size.last()?.address;
        self.change(address, |sockets| sockets.pop_first().map(|(_, socket)| socket))
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

    /// Drops a waiting socket, because the process needs its file. Returns whether one was waiting.
    pub(super) fn drop_one(&self) -> bool {
        let mut queue = self.lock();
        let part = if queue.heads.len > 0 { Part::Head } else { Part::Body };
        let socket = queue.of(part).remove_of_largest();
        drop(queue);
        self.dropped(socket.as_ref())
    }

    fn dropped(&self, socket: Option<&CancellationToken>) -> bool {
        let Some(socket) = socket else { return false };
        socket.cancel();
        (self.on_drop)();
        true
    }
}

/// The slot of one socket.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    /// The address that the socket counts for.
    address: IpAddr,
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
    pub(super) fn new(slots: &Arc<Slots>, peer: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::clone(slots),
            address: counted_as(peer),
            state: Mutex::default(),
            dropped: CancellationToken::new(),
        })
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
        queue.of(part).insert(self.address, number, self.dropped.clone());
        let longest = queue.remove_excess(self.slots.limit);
        drop(queue);
        state.position = Some((part, number));
        drop(state);
        self.slots.dropped(longest.as_ref())
    }

    fn leave_queue(&self, state: &mut State) {
        if let Some((part, number)) = state.position.take() {
            self.slots.lock().of(part).remove(self.address, number);
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

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn assert_empty(waiting: &Slots) {
        let queue = waiting.lock();
        for line in [&queue.heads, &queue.bodies] {
            assert!(line.len == 0 && line.addresses.is_empty() && line.by_size.is_empty());
        }
    }

    #[test]
    fn source_of_many_sockets_drops_its_own() {
        let waiting = Slots::new(8, || {});
        let slot = |address: &str| {
            let slot = Slot::new(&waiting, address.parse().unwrap());
            slot.wait_for_head();
            slot
        };
        let first = slot("192.0.2.1");
        // One home has many addresses of IPv6, whose first 64 bits are the same.
        let flood: Vec<_> = (1..=500).map(|host| slot(&format!("2001:db8::{host:x}"))).collect();
        let second = slot("192.0.2.2");
        assert!(!first.dropped.is_cancelled() && !second.dropped.is_cancelled());
        let left: Vec<_> = flood.iter().filter(|slot| !slot.dropped.is_cancelled()).collect();
        assert_eq!(left.len(), 6);
        assert!(!flood[499].dropped.is_cancelled(), "the oldest ones were dropped");
        // From as many addresses as there are slots, the oldest socket is dropped.
        let crowd: Vec<_> = (3..=11).map(|host| slot(&format!("192.0.2.{host}"))).collect();
        assert!(first.dropped.is_cancelled() && !crowd[8].dropped.is_cancelled());
        assert!(waiting.drop_one(), "for a file");
        drop((first, flood, second, crowd));
        assert_empty(&waiting);
        assert!(!waiting.drop_one());
    }

    #[test]
    fn longest_waiting_socket_is_dropped_and_served_one_is_not() {
        let waiting = Slots::new(2, || {});
        let slots: Vec<_> = (0..4).map(|_| Slot::new(&waiting, ONE)).collect();
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
        assert_empty(&waiting);
    }

    #[test]
    fn sockets_with_bodies_may_take_half_of_slots() {
        let waiting = Slots::new(4, || {});
        let slots: Vec<_> = (0..9).map(|_| Slot::new(&waiting, ONE)).collect();
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
        assert_eq!((dropped(), waiting.lock().heads.len), (vec![1, 0, 1, 1, 0, 0, 0, 0, 0], 4));
        drop(slots);
    }
}
