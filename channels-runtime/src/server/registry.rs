//! Who is connected, and who no longer answers.
//!
//! No connection has a timer of its own. One task passes by all of them in rounds, and each counts how often that happened
//! since it was last heard from; what the client sends sets the count back to nothing. A round is spread over its time in
//! slices, so that ten thousand pings do not leave in one moment, and a process that was stopped for a minute has missed
//! at most one round: it lets go of nobody because it slept itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::time::Instant;

use crate::connection::{Backlog, Connection, HeartbeatPolicy};
use crate::support::lock;

/// How many connections are passed by at once.
const SLICE: usize = 256;

/// The open connections of a server.
#[derive(Default)]
pub(crate) struct ConnectionRegistry {
    places: Mutex<Places>,
}

/// Each connection keeps its place, so that a round that pauses in the middle misses none and sees none twice.
#[derive(Default)]
struct Places {
    connections: Vec<Weak<Connection>>,
    /// Places that nobody has.
    free: Vec<u32>,
    /// How many there are of each consumer. Bound: the consumers in the program's source.
    kinds: BTreeMap<&'static str, usize>,
}

impl ConnectionRegistry {
    fn lock(&self) -> MutexGuard<'_, Places> {
        lock(&self.places)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let places = self.lock();
        places.connections.len() - places.free.len()
    }

    /// How many there are of each consumer.
    pub(crate) fn kinds(&self) -> BTreeMap<&'static str, usize> {
        self.lock().kinds.clone()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().connections.iter().filter_map(Weak::upgrade).collect()
    }

    /// What waits in all of them. Asked slice by slice, so that whoever comes or goes does not wait for the whole.
    pub(crate) fn backlog(&self) -> Backlog {
        let mut backlog = Backlog::default();
        let mut slice = Vec::with_capacity(SLICE);
        let slices = self.lock().connections.len().div_ceil(SLICE);
        for number in 0..slices {
            self.slice(number, &mut slice);
            for connection in slice.drain(..) {
                let (events, bytes) = connection.backlog();
                backlog.add(events, bytes);
            }
        }
        backlog
    }

    /// Gives a connection of this consumer its place.
    pub(crate) fn add(&self, connection: &Arc<Connection>, consumer: &'static str) -> u32 {
        let mut places = self.lock();
        *places.kinds.entry(consumer).or_default() += 1;
        let connection = Arc::downgrade(connection);
        if let Some(place) = places.free.pop() {
            places.connections[place as usize] = connection;
            return place;
        }
        places.connections.push(connection);
        u32::try_from(places.connections.len() - 1).expect("a process has fewer than four billion sockets")
    }

    /// Takes its place from a connection.
    pub(crate) fn remove(&self, place: u32, consumer: &'static str) {
        let mut places = self.lock();
        if let Entry::Occupied(mut kind) = places.kinds.entry(consumer) {
            *kind.get_mut() -= 1;
            if *kind.get() == 0 {
                kind.remove();
            }
        }
        places.connections[place as usize] = Weak::new();
        places.free.push(place);
        if places.free.len() == places.connections.len() {
            // A crowd came and went.
            *places = Places::default();
        }
    }

    fn slice(&self, number: usize, into: &mut Vec<Arc<Connection>>) {
        let places = self.lock();
        into.extend(places.connections.iter().skip(number * SLICE).take(SLICE).filter_map(Weak::upgrade));
    }

    /// Passes by all connections, again and again, until `stop` is done.
    pub(crate) async fn watch(self: Arc<Self>, policy: HeartbeatPolicy, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut slice = Vec::new();
        loop {
            let begun = Instant::now();
            let slices = self.lock().connections.len().div_ceil(SLICE).max(1);
            for number in 0..slices {
                let share = u32::try_from(number + 1).unwrap_or(u32::MAX);
                let due = begun + policy.round * share / u32::try_from(slices).unwrap_or(u32::MAX);
                tokio::select! {
                    biased;
                    // Asked again with the same future, and a sleep that is dropped has done nothing.
                    () = &mut stop => return,
                    () = tokio::time::sleep_until(due) => {}
                }
                self.slice(number, &mut slice);
                for connection in slice.drain(..) {
                    connection.check_heartbeat(&policy);
                }
            }
        }
    }
}
