//! The connection registry: all open connections and their heartbeat.
//!
//! No connection has a heartbeat timer of its own. One task checks all connections in rounds, and each connection counts the
//! rounds since its client last sent anything. A round is spread over its time in slices, so that ten thousand pings are not sent
//! together. A process that was stopped for a minute has missed at most one round, so it drops no client because of its own
//! pause.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::time::Instant;

use crate::connection::{Backlog, Connection, HeartbeatPolicy};
use crate::support::lock;

/// The number of connections that are checked together.
const SLICE: usize = 256;

/// The open connections of a server.
#[derive(Default)]
pub(crate) struct ConnectionRegistry {
    connections: Mutex<Connections>,
}

/// Connections by index. Each keeps its index, so that a round that pauses in the middle neither misses nor repeats one.
#[derive(Default)]
struct Connections {
    by_index: Vec<Weak<Connection>>,
    /// Free indices.
    free: Vec<u32>,
    /// The number of connections of each consumer. Bound: the consumers in the program's source.
    by_consumer: BTreeMap<&'static str, usize>,
}

impl ConnectionRegistry {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        lock(&self.connections)
    }

    /// Returns the number of connections.
    pub(crate) fn len(&self) -> usize {
        let connections = self.lock();
        connections.by_index.len() - connections.free.len()
    }

    /// Returns the number of connections of each consumer.
    pub(crate) fn by_consumer(&self) -> BTreeMap<&'static str, usize> {
        self.lock().by_consumer.clone()
    }

    /// Returns all connections.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().by_index.iter().filter_map(Weak::upgrade).collect()
    }

    /// Returns the backlog of all connections.
    pub(crate) fn backlog(&self) -> Backlog {
        let mut backlog = Backlog::default();
        self.for_each(|connection| {
            let (events, bytes) = connection.backlog();
            backlog.add(events, bytes);
        });
        backlog
    }

    /// Calls `visit` with each connection. Takes them in slices, so that a connection that opens or closes meanwhile waits for one
    /// slice only.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Connection)) {
        let mut slice = Vec::with_capacity(SLICE);
        for number in 0..self.slices() {
            self.slice(number, &mut slice);
            for connection in slice.drain(..) {
                visit(&connection);
            }
        }
    }

    /// Adds a connection and returns its index.
    pub(crate) fn add(&self, connection: &Arc<Connection>, consumer: &'static str) -> u32 {
        let mut connections = self.lock();
        *connections.by_consumer.entry(consumer).or_default() += 1;
        let connection = Arc::downgrade(connection);
        if let Some(index) = connections.free.pop() {
            connections.by_index[index as usize] = connection;
            return index;
        }
        connections.by_index.push(connection);
        u32::try_from(connections.by_index.len() - 1).expect("a process has fewer than four billion sockets")
    }

    /// Removes the connection with this index.
    pub(crate) fn remove(&self, index: u32, consumer: &'static str) {
        let mut connections = self.lock();
        if let Entry::Occupied(mut number) = connections.by_consumer.entry(consumer) {
            *number.get_mut() -= 1;
            if *number.get() == 0 {
                number.remove();
            }
        }
        connections.by_index[index as usize] = Weak::new();
        connections.free.push(index);
        if connections.free.len() == connections.by_index.len() {
            // Release memory after a peak.
            *connections = Connections::default();
        }
    }

    fn slices(&self) -> usize {
        self.lock().by_index.len().div_ceil(SLICE)
    }

    fn slice(&self, number: usize, into: &mut Vec<Arc<Connection>>) {
        let connections = self.lock();
        into.extend(connections.by_index.iter().skip(number * SLICE).take(SLICE).filter_map(Weak::upgrade));
    }

    /// Checks the heartbeat of all connections, round after round, until `stop` completes.
    pub(crate) async fn check_heartbeats(self: Arc<Self>, policy: HeartbeatPolicy, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut slice = Vec::new();
        loop {
            let round_start = Instant::now();
            let slices = self.slices().max(1);
            for number in 0..slices {
                let share = u32::try_from(number + 1).unwrap_or(u32::MAX);
                let due = round_start + policy.round * share / u32::try_from(slices).unwrap_or(u32::MAX);
                tokio::select! {
                    biased;
                    // The same future is polled again in the next iteration; a dropped sleep has no effect.
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
