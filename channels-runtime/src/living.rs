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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Connection;
use crate::stats::Waiting;

/// How many connections are passed by at once.
const SLICE: usize = 256;

/// How many rounds fit into the shortest time that matters: so much of it is at most cut off.
const ROUNDS: u32 = 4;

/// The most rounds that are counted: a connection counts in sixteen bits.
const MOST: u32 = 30_000;

/// After how many rounds what happens to a client that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    round: Duration,
    /// It is asked with a ping.
    pub(crate) ask: u32,
    /// It is taken for gone.
    pub(crate) lost: u32,
    /// It is there, and has said nothing but pongs for too long.
    pub(crate) idle: u32,
}

impl Patience {
    /// `None` if nobody is ever asked, and silence has no end.
    pub(crate) fn new(heartbeat: Option<(Duration, Duration)>, idle: Option<Duration>) -> Option<Self> {
        // A deadline that ends before the question would leave no time for the answer.
        let heartbeat = heartbeat.filter(|(interval, _)| !interval.is_zero());
        let heartbeat =
            heartbeat.map(|(interval, deadline)| (interval, if deadline > interval { deadline } else { interval * 2 }));
        let idle = idle.filter(|limit| !limit.is_zero());
        let answer = heartbeat.map(|(interval, deadline)| interval.min(deadline - interval));
        let shortest = answer.into_iter().chain(idle).min()?;
        let longest = heartbeat.map(|(_, deadline)| deadline).into_iter().chain(idle).max()?;
        let round = (shortest / ROUNDS).max(longest / MOST).max(Duration::from_millis(1));
        let rounds = |time: Duration| u32::try_from(time.as_nanos() / round.as_nanos()).unwrap_or(MOST).max(1);
        let (ask, lost) = heartbeat.map_or((u32::MAX, u32::MAX), |(interval, deadline)| {
            let ask = rounds(interval);
            (ask, rounds(deadline).max(ask + 1))
        });
        // One round more than fit, because the first of them may have begun long before the silence did: whoever speaks
        // within the limit is never sent away.
        let idle = idle.map_or(u32::MAX, |limit| rounds(limit + round - Duration::from_nanos(1)) + 1);
        Some(Self { round, ask, lost, idle })
    }
}

/// The open connections of a server.
#[derive(Default)]
pub(crate) struct Living {
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

impl Living {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(crate) fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        let mut slice = Vec::with_capacity(SLICE);
        let slices = self.lock().connections.len().div_ceil(SLICE);
        for number in 0..slices {
            self.slice(number, &mut slice);
            for connection in slice.drain(..) {
                let (events, bytes) = connection.waiting();
                waiting.add(events, bytes);
            }
        }
        waiting
    }

    /// Gives a connection of this consumer its place.
    pub(crate) fn enter(&self, connection: &Arc<Connection>, consumer: &'static str) -> u32 {
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
    pub(crate) fn leave(&self, place: u32, consumer: &'static str) {
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
    pub(crate) async fn watch(self: Arc<Self>, patience: Patience, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut slice = Vec::new();
        loop {
            let begun = Instant::now();
            let slices = self.lock().connections.len().div_ceil(SLICE).max(1);
            for number in 0..slices {
                let share = u32::try_from(number + 1).unwrap_or(u32::MAX);
                let due = begun + patience.round * share / u32::try_from(slices).unwrap_or(u32::MAX);
                tokio::select! {
                    biased;
                    // Asked again with the same future, and a sleep that is dropped has done nothing.
                    () = &mut stop => return,
                    () = tokio::time::sleep_until(due) => {}
                }
                self.slice(number, &mut slice);
                for connection in slice.drain(..) {
                    connection.pass(&patience);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_round_is_short_enough_for_every_limit() {
        let usual = Patience::new(Some((20 * SECOND, 30 * SECOND)), None).unwrap();
        assert_eq!(usual, Patience { round: SECOND * 5 / 2, ask: 8, lost: 12, idle: u32::MAX });
        let idle = Patience::new(None, Some(60 * SECOND)).unwrap();
        assert_eq!((idle.round, idle.ask, idle.lost, idle.idle), (15 * SECOND, u32::MAX, u32::MAX, 5));
        let both = Patience::new(Some((20 * SECOND, 30 * SECOND)), Some(600 * SECOND)).unwrap();
        assert_eq!((both.ask, both.lost, both.idle), (8, 12, 241));
        assert_eq!(Patience::new(None, None), None);
        assert_eq!(Patience::new(Some((Duration::ZERO, SECOND)), None), None);
    }

    #[test]
    fn limits_that_make_no_sense_together_still_leave_time_to_answer() {
        for deadline in [Duration::ZERO, SECOND, 20 * SECOND] {
            let patience = Patience::new(Some((20 * SECOND, deadline)), None).unwrap();
            assert_eq!((patience.ask, patience.lost), (4, 8));
        }
        // A year of silence beside a quick heartbeat: counted in rounds that are longer, and still in sixteen bits.
        let patience = Patience::new(Some((SECOND, 2 * SECOND)), Some(365 * 86_400 * SECOND)).unwrap();
        assert!(patience.idle <= MOST + 2 && patience.ask < patience.lost, "{patience:?}");
        let patience = Patience::new(Some((Duration::from_nanos(1), Duration::from_nanos(2))), None).unwrap();
        assert!(patience.round >= Duration::from_millis(1) && patience.ask < patience.lost, "{patience:?}");
    }
}
