//! Sockets that wait: for their first request, or for another one. A bound for those who open many and say little.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// All sockets that wait, the oldest first. Bound: `limit`. Policy: when one more comes, the one that has waited longest is
/// dropped. Who is slow on purpose waits longest; who is not sends its request at once.
#[derive(Debug)]
pub(super) struct Waiting {
    limit: usize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next: u64,
    sockets: BTreeMap<u64, CancellationToken>,
}

impl Waiting {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, line: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket.
#[derive(Debug)]
pub(super) struct Seat {
    waiting: Arc<Waiting>,
    state: Mutex<State>,
    dropped: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// Its number in the line, while it waits.
    number: Option<u64>,
    /// A whole request has come, and its answer is not given yet.
    is_served: bool,
    /// A whole request has ever come.
    was_served: bool,
}

impl Seat {
    pub(super) fn new(waiting: &Arc<Waiting>) -> Arc<Self> {
        Arc::new(Self { waiting: Arc::clone(waiting), state: Mutex::default(), dropped: CancellationToken::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket waits from now on, if it does not already. Gives whether another one was dropped for it.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.state();
        if state.number.is_some() {
            return false;
        }
        let mut line = self.waiting.lock();
        let place = line.next;
        line.next += 1;
        line.sockets.insert(place, self.dropped.clone());
        let longest = (line.sockets.len() > self.waiting.limit).then(|| line.sockets.pop_first()).flatten();
        drop(line);
        state.number = Some(place);
        drop(state);
        if let Some((_, socket)) = &longest {
            socket.cancel();
        }
        longest.is_some()
    }

    fn leave_line(&self, state: &mut State) {
        if let Some(place) = state.number.take() {
            self.waiting.lock().sockets.remove(&place);
        }
    }

    /// Its request has come.
    pub(super) fn serve(&self) {
        let state = &mut *self.state();
        self.leave_line(state);
        (state.is_served, state.was_served) = (true, true);
    }

    /// The answer to its request is given.
    pub(super) fn is_answered(&self) {
        self.state().is_served = false;
    }

    pub(super) fn is_served(&self) -> bool {
        self.state().is_served
    }

    pub(super) fn was_served(&self) -> bool {
        self.state().was_served
    }

    /// Waits until the socket has to make room.
    pub(super) async fn dropped(&self) {
        self.dropped.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave_line(&mut self.state());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_waited_longest_makes_room_and_whoever_is_served_does_not() {
        let waiting = Waiting::new(2);
        let seats: Vec<_> = (0..4).map(|_| Seat::new(&waiting)).collect();
        assert!(!seats[0].wait() && !seats[1].wait());
        seats[0].serve();
        assert!(!seats[2].wait());
        assert!(seats[3].wait());
        let dropped: Vec<_> = seats.iter().map(|seat| seat.dropped.is_cancelled()).collect();
        assert_eq!(dropped, [false, true, false, false]);
        assert!(seats[0].wait(), "it waits for another request, behind the others");
        assert!(seats[2].dropped.is_cancelled());
        assert!(!seats[0].wait(), "it does already");
        drop(seats);
        assert!(waiting.lock().sockets.is_empty());
    }
}
