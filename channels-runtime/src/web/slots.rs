//! Sockets that wait: for their first request, for the rest of it, or for another one. A bound for those who open many and say
//! little.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::support::lock;

/// All sockets that wait, the oldest first. Bound: `limit`. Policy: when one more comes, the one that has waited longest is
/// dropped. Who is slow on purpose waits longest; who is not sends its request at once. A body may take longer than a head, so
/// those who send one are not dropped for those who ask, as long as they are no more than half.
pub(super) struct Slots {
    limit: usize,
    line: Mutex<Line>,
    /// Called for each socket that is dropped to make room.
    on_drop: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Line {
    next: u64,
    asking: BTreeMap<u64, CancellationToken>,
    telling: BTreeMap<u64, CancellationToken>,
}

impl Line {
    fn of(&mut self, what: What) -> &mut BTreeMap<u64, CancellationToken> {
        match what {
            What::Head => &mut self.asking,
            What::Body => &mut self.telling,
        }
    }

    /// Takes out the one that makes room, if there are too many.
    fn one_too_many(&mut self, limit: usize) -> Option<CancellationToken> {
        if self.asking.len() + self.telling.len() <= limit {
            return None;
        }
        let what = if self.telling.len() > limit / 2 { What::Body } else { What::Head };
        self.of(what).pop_first().map(|(_, socket)| socket)
    }
}

/// What a socket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Head,
    Body,
}

impl Slots {
    pub(super) fn new(limit: usize, on_drop: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { limit, line: Mutex::default(), on_drop: Box::new(on_drop) })
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }
}

/// One socket.
#[derive(Debug)]
pub(super) struct Slot {
    waiting: Arc<Slots>,
    state: Mutex<State>,
    dropped: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// Its place in the line, while it waits.
    place: Option<(What, u64)>,
    /// A whole request has come, and its answer is not given yet.
    is_served: bool,
    /// A whole request has ever come.
    was_served: bool,
}

impl Slot {
    pub(super) fn new(waiting: &Arc<Slots>) -> Arc<Self> {
        Arc::new(Self { waiting: Arc::clone(waiting), state: Mutex::default(), dropped: CancellationToken::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// It has a request to send from now on. Gives whether another one was dropped for it.
    pub(super) fn asks(&self) -> bool {
        self.wait_for(What::Head)
    }

    /// The head of its request has come, and its body has not. Gives whether another one was dropped for it.
    pub(super) fn tells(&self) -> bool {
        self.wait_for(What::Body)
    }

    fn wait_for(&self, what: What) -> bool {
        let mut state = self.state();
        if state.place.is_some_and(|(already, _)| already == what) {
            return false;
        }
        self.leave_line(&mut state);
        let mut line = self.waiting.lock();
        let number = line.next;
        line.next += 1;
        line.of(what).insert(number, self.dropped.clone());
        let longest = line.one_too_many(self.waiting.limit);
        drop(line);
        state.place = Some((what, number));
        drop(state);
        if let Some(socket) = &longest {
            socket.cancel();
            (self.waiting.on_drop)();
        }
        longest.is_some()
    }

    fn leave_line(&self, state: &mut State) {
        if let Some((what, number)) = state.place.take() {
            self.waiting.lock().of(what).remove(&number);
        }
    }

    /// The body of its request has come, or is not wanted.
    pub(super) fn has_told(&self) {
        let state = &mut *self.state();
        // It may have its answer before, and then it waits for another reason.
        if matches!(state.place, Some((What::Body, _))) {
            self.leave_line(state);
        }
    }

    /// The head of its request has come.
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

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave_line(&mut self.state());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_waited_longest_makes_room_and_whoever_is_served_does_not() {
        let waiting = Slots::new(2, || {});
        let seats: Vec<_> = (0..4).map(|_| Slot::new(&waiting)).collect();
        assert!(!seats[0].asks() && !seats[1].asks());
        seats[0].serve();
        assert!(!seats[2].asks());
        assert!(seats[3].asks());
        let dropped: Vec<_> = seats.iter().map(|seat| seat.dropped.is_cancelled()).collect();
        assert_eq!(dropped, [false, true, false, false]);
        assert!(seats[0].asks(), "it waits for another request, behind the others");
        assert!(seats[2].dropped.is_cancelled());
        assert!(!seats[0].asks(), "it does already");
        drop(seats);
        let line = waiting.lock();
        assert!(line.asking.is_empty() && line.telling.is_empty());
    }

    #[test]
    fn a_body_may_take_longer_than_a_head() {
        let waiting = Slots::new(4, || {});
        let seats: Vec<_> = (0..9).map(|_| Slot::new(&waiting)).collect();
        let dropped = || seats.iter().map(|seat| u8::from(seat.dropped.is_cancelled())).collect::<Vec<_>>();
        // Two of four may tell, and those who ask make room for each other.
        for seat in &seats[..2] {
            seat.asks();
            seat.serve();
            assert!(!seat.tells());
        }
        assert!(!seats[2].asks() && !seats[3].asks());
        assert!(seats[4].asks());
        assert_eq!(dropped(), [0, 0, 1, 0, 0, 0, 0, 0, 0]);
        // A third one is one too many of its kind, and the oldest of them makes room.
        seats[5].serve();
        assert!(seats[5].tells());
        assert_eq!(dropped(), [1, 0, 1, 0, 0, 0, 0, 0, 0]);
        // Who has told waits no more; who has its answer before waits as those who ask.
        seats[1].has_told();
        assert!(!seats[6].asks());
        assert!(!seats[5].asks());
        seats[5].has_told();
        assert!(seats[7].asks());
        assert_eq!((dropped(), waiting.lock().asking.len()), (vec![1, 0, 1, 1, 0, 0, 0, 0, 0], 4));
        drop(seats);
    }
}
