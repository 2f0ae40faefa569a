//! What waits to be written to one client: finished frames, in their order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Poll, Waker};

use crate::layer::WritePriority;
use crate::support::wake;
use crate::websocket::{CloseCode, EncodedFrame};

/// A frame up to this size is copied into the outbound queue of each member, behind the one before, so that all of them
/// are written from one place. A larger one is shared.
const COPIED: usize = 4 * 1024;

/// How many pieces of an outbound queue are written in one call.
const PIECES: usize = 16;

/// What is written already of a piece is taken out of it when it is more than this, and more than half of the piece.
const WRITTEN: usize = 16 * 1024;

/// What a frame that waits in a mailbox counts beside its own bytes: about what it takes to keep it there.
const OVERHEAD: usize = 64;

/// The least that a limit can be: room for one frame of the size that is copied.
const LEAST: u32 = 4 * 1024;

/// How many empty buffers a thread keeps for the next queues, and how large they may be: as many as a large room needs at
/// once, so that a message to it takes none from the allocator.
const SPARES: usize = 1024;
const SPARE: usize = 2 * 1024;

thread_local! {
    static SPARE_BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn spare_buffer() -> Vec<u8> {
    SPARE_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(256))
}

fn give_back(mut buffer: Vec<u8>) {
    if buffer.capacity() <= SPARE {
        buffer.clear();
        SPARE_BUFFERS.with_borrow_mut(|spares| {
            if spares.len() < SPARES {
                spares.push(buffer);
            }
        });
    }
}

/// Bound: `limit` bytes, and one frame more. Policy: a handler of the connection's own waits for room; a frame from elsewhere
/// that finds more than the limit waiting closes the connection with 1013, so that no sender and no other member ever waits
/// for a slow client.
pub(crate) struct Outbound {
    queue: Queue,
    /// What waits for the client, here, in the mailbox, and with the flusher.
    pub(super) weight: usize,
    pub(super) limit: u32,
    pub(super) stage: Stage,
    /// In which of the flusher's rings it is, or about to be looked at by the connection's task.
    pub(super) scheduled: Scheduled,
    /// The flusher has taken what waited and writes it.
    writing: bool,
    /// The socket, or the stream, took no more; the connection's task waits until it does.
    pub(super) blocked: bool,
    /// Who waits for room. A handler may wait in a future of a future, so this is not always the connection's task.
    pub(super) room: Option<Waker>,
}

/// Where somebody is about to write what waits.
#[derive(Default, Clone, Copy)]
pub(super) struct Scheduled {
    few: bool,
    many: bool,
}

impl Scheduled {
    pub(super) fn set(&mut self, reach: WritePriority, scheduled: bool) {
        match reach {
            WritePriority::Interactive => self.few = scheduled,
            WritePriority::Bulk => self.many = scheduled,
        }
    }
}

/// Finished frames, in their order.
#[derive(Default)]
pub(super) struct Queue {
    /// What is written next: frames, one behind the other.
    next: Vec<u8>,
    /// What comes behind that, if there are large frames among what waits; never empty.
    #[expect(clippy::box_collection, reason = "nearly always there is none, and every connection has the room for it")]
    behind: Option<Box<VecDeque<Piece>>>,
    /// How much of the first piece is written.
    written: usize,
}

/// A part of what waits to be written.
enum Piece {
    /// Small frames, one behind the other.
    Copied(Vec<u8>),
    /// One large frame, shared with the other members.
    Shared(EncodedFrame),
}

impl Piece {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(frame) => frame.as_bytes(),
        }
    }
}

#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// The handshake is not answered yet: what is sent waits.
    #[default]
    Connecting,
    Open,
    /// A close frame is the last in the queue.
    Closing(CloseCode),
    /// The socket is gone.
    Broken,
}

/// How far the output of a connection has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Flushed,
    Pending,
    Broken,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.next.is_empty() && self.behind.is_none()
    }

    /// Has what waits written in one call.
    pub(super) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let Some(behind) = &self.behind else { return write(&[IoSlice::new(&self.next[self.written..])]) };
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let next = (!self.next.is_empty()).then_some(&*self.next);
        let all = next.into_iter().chain(behind.iter().map(Piece::as_bytes));
        let mut count = 0;
        for (slice, bytes) in pieces.iter_mut().zip(all) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        let mut pieces = &mut pieces[..count];
        IoSlice::advance_slices(&mut pieces, self.written);
        write(pieces)
    }

    /// So many bytes were written. What they weighed.
    fn advance(&mut self, mut n: usize, limit: u32) -> usize {
        let mut weighed = 0;
        loop {
            if !self.next.is_empty() {
                let left = self.next.len() - self.written;
                weighed += n.min(left);
                if n < left {
                    self.written += n;
                    return weighed;
                }
                n -= left;
                self.written = 0;
                give_back(std::mem::take(&mut self.next));
            }
            let Some(behind) = &mut self.behind else { return weighed };
            match behind.pop_front() {
                Some(Piece::Copied(bytes)) => self.next = bytes,
                Some(Piece::Shared(frame)) => {
                    let left = frame.as_bytes().len() - self.written;
                    if n < left {
                        self.written += n;
                        behind.push_front(Piece::Shared(frame));
                        return weighed;
                    }
                    n -= left;
                    self.written = 0;
                    weighed += weigh(frame.as_bytes().len(), limit);
                }
                None => {}
            }
            if behind.is_empty() {
                self.behind = None;
            }
        }
    }

    fn copy(&mut self, frame: &[u8]) {
        let last = match &mut self.behind {
            None => {
                if self.written > WRITTEN && self.written > self.next.len() / 2 {
                    self.next.drain(..self.written);
                    self.written = 0;
                }
                &mut self.next
            }
            Some(behind) => {
                if !matches!(behind.back(), Some(Piece::Copied(_))) {
                    behind.push_back(Piece::Copied(Vec::new()));
                }
                match behind.back_mut() {
                    Some(Piece::Copied(bytes)) => bytes,
                    _ => return,
                }
            }
        };
        if last.capacity() == 0 {
            *last = spare_buffer();
        }
        last.extend_from_slice(frame);
    }

    fn share(&mut self, frame: EncodedFrame) {
        self.behind.get_or_insert_default().push_back(Piece::Shared(frame));
    }

    /// Puts another queue, of which nothing is written, behind this one.
    fn append(&mut self, later: Self) {
        if !later.next.is_empty() {
            if self.behind.is_none() {
                self.copy(&later.next);
                give_back(later.next);
            } else {
                self.behind.get_or_insert_default().push_back(Piece::Copied(later.next));
            }
        }
        if let Some(mut behind) = later.behind {
            self.behind.get_or_insert_default().append(&mut behind);
        }
    }
}

impl Outbound {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            queue: Queue::default(),
            weight: 0,
            limit: limit.max(LEAST),
            stage: Stage::Connecting,
            scheduled: Scheduled::default(),
            writing: false,
            blocked: false,
            room: None,
        }
    }

    /// Whether something waits that nobody is about to write, or not soon enough for a message to few. Whoever is told so is.
    pub(super) fn claims_writer(&mut self, reach: WritePriority) -> bool {
        let is_scheduled = self.scheduled.few || (self.scheduled.many && reach == WritePriority::Bulk);
        if is_scheduled || self.blocked || self.is_empty() || self.stage == Stage::Connecting {
            return false;
        }
        self.scheduled.set(reach, true);
        true
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.writing
    }

    /// Has what waits written in one call.
    pub(crate) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        self.queue.write_with(write)
    }

    /// So many bytes were written.
    pub(crate) fn advance(&mut self, n: usize) {
        self.weight -= self.queue.advance(n, self.limit);
    }

    /// Changes whenever a byte is written.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.weight, self.queue.written)
    }

    /// Takes what waits, to write it without the connection's lock: while a system call runs, senders go on. Until it is
    /// [put back](Self::put_back) nobody else takes anything.
    pub(super) fn take(&mut self) -> Option<Queue> {
        // Whoever writes already goes on with what came meanwhile.
        if self.writing || self.queue.is_empty() {
            return None;
        }
        self.writing = true;
        Some(std::mem::take(&mut self.queue))
    }

    /// Puts back what was taken: so many bytes of it were written, and it goes before what came meanwhile.
    pub(super) fn put_back(&mut self, mut taken: Queue, written: usize) {
        self.writing = false;
        self.weight -= taken.advance(written, self.limit);
        if !taken.is_empty() {
            taken.append(std::mem::take(&mut self.queue));
            self.queue = taken;
        }
    }

    /// What a frame in the mailbox counts.
    pub(super) fn weigh_mail(&self, frame: &EncodedFrame) -> usize {
        weigh(frame.as_bytes().len() + OVERHEAD, self.limit)
    }

    pub(super) fn push(&mut self, frame: &EncodedFrame) {
        let bytes = frame.as_bytes();
        if bytes.len() <= COPIED { self.copy(bytes) } else { self.share(frame.clone()) }
    }

    pub(super) fn push_bytes(&mut self, frame: &[u8]) {
        if frame.len() <= COPIED { self.copy(frame) } else { self.share(EncodedFrame::copied(frame)) }
    }

    fn copy(&mut self, frame: &[u8]) {
        self.weight += frame.len();
        self.queue.copy(frame);
    }

    fn share(&mut self, frame: EncodedFrame) {
        self.weight += weigh(frame.as_bytes().len(), self.limit);
        self.queue.share(frame);
    }

    /// Whether a handler may put something in. What waits in the mailbox counts, but as it waits for the handler, the
    /// handler never waits for it: when all else is written, there is room.
    pub(super) fn has_room(&self) -> bool {
        !self.is_half_full() || self.is_empty()
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.weight > self.limit as usize / 2
    }

    /// Wakes whoever waits for room, if there is some.
    pub(super) fn tell_room(&mut self) {
        if self.room.is_some() && self.has_room() {
            wake(&mut self.room);
        }
    }

    pub(super) fn break_off(&mut self) {
        self.stage = Stage::Broken;
        wake(&mut self.room);
    }

    pub(super) fn written(&mut self, written: &Poll<io::Result<()>>) -> Output {
        self.tell_room();
        match written {
            Poll::Ready(Ok(())) => Output::Flushed,
            Poll::Pending => Output::Pending,
            Poll::Ready(Err(_)) => {
                self.break_off();
                Output::Broken
            }
        }
    }

    /// Whether the connection's task has something to do now: wait for the socket, or end.
    pub(super) fn needs_task(&self) -> bool {
        let closed = matches!(self.stage, Stage::Closing(_)) && self.is_empty();
        closed || self.blocked || self.stage == Stage::Broken
    }
}

/// What a frame counts: its bytes, but at most half of the limit. So one large frame, whoever sends it, is never by itself
/// a reason to call the client slow.
fn weigh(bytes: usize, limit: u32) -> usize {
    bytes.min(limit as usize / 2)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::websocket::Frame;

    /// Writes so much of the pieces at most. How much it was.
    fn copied(pieces: &[IoSlice<'_>], takes: usize, written: &mut Vec<u8>) -> usize {
        let before = written.len();
        for piece in pieces {
            let now = piece.len().min(takes - (written.len() - before));
            written.extend_from_slice(&piece[..now]);
        }
        written.len() - before
    }

    /// Writes as much as may be taken. Whether that was all.
    pub(crate) fn take(outbound: &mut Outbound, takes: &mut usize, written: &mut Vec<u8>) -> bool {
        while !outbound.is_empty() {
            if *takes == 0 {
                return false;
            }
            let now = outbound.write_with(|pieces| copied(pieces, *takes, written));
            assert!(now > 0, "a queue that is not empty has something to write");
            *takes -= now;
            outbound.advance(now);
        }
        true
    }

    /// What the outbound queue should weigh.
    pub(crate) fn queued(outbound: &Outbound) -> usize {
        let queue = &outbound.queue;
        let next = queue.next.len() - if queue.next.is_empty() { 0 } else { queue.written };
        let behind = queue.behind.iter().flat_map(|behind| behind.iter());
        let behind = behind.map(|piece| match piece {
            Piece::Copied(bytes) => bytes.len(),
            Piece::Shared(frame) => weigh(frame.as_bytes().len(), outbound.limit),
        });
        next + behind.sum::<usize>()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn a_queue_gives_back_every_byte_it_was_given(
            sizes in prop::collection::vec(0..20_000_usize, 1..20),
            takes in prop::collection::vec(1..30_000_usize, 1..10),
            limit in 0..200_000_u32,
        ) {
            let mut outbound = Outbound::new(limit);
            let (mut expected, mut written) = (Vec::new(), Vec::new());
            let mut takes = takes.into_iter().cycle();
            // What the flusher has taken, and not written yet.
            let mut flushing = None::<Queue>;
            for (at, size) in sizes.into_iter().enumerate() {
                let frame = EncodedFrame::new(&Frame::binary(vec![u8::try_from(at).unwrap(); size]));
                expected.extend_from_slice(frame.as_bytes());
                if at % 2 == 0 { outbound.push(&frame) } else { outbound.push_bytes(frame.as_bytes()) }
                let mut takes = takes.next().unwrap();
                match flushing.take() {
                    Some(taken) => {
                        prop_assert!(!outbound.is_empty());
                        prop_assert!(outbound.take().is_none(), "what came meanwhile must not overtake it");
                        let n = taken.write_with(|pieces| copied(pieces, takes, &mut written));
                        outbound.put_back(taken, n);
                        prop_assert_eq!(outbound.weight, queued(&outbound));
                    }
                    None if at % 3 == 0 && !outbound.is_empty() => flushing = outbound.take(),
                    None => {
                        take(&mut outbound, &mut takes, &mut written);
                        prop_assert_eq!(outbound.weight, queued(&outbound));
                    }
                }
            }
            if let Some(taken) = flushing {
                outbound.put_back(taken, 0);
            }
            let mut all = usize::MAX;
            take(&mut outbound, &mut all, &mut written);
            prop_assert!(outbound.is_empty());
            prop_assert!(written == expected);
            prop_assert_eq!(outbound.weight, 0);
        }
    }

    pub(crate) fn text(length: usize) -> EncodedFrame {
        EncodedFrame::new(&Frame::text("x".repeat(length)))
    }

    #[test]
    fn a_queue_is_bounded_whatever_its_limit_and_weighs_nothing_when_it_is_empty() {
        for limit in [0, 1, 4096, 1 << 20] {
            for large in [200, 10_000] {
                let mut outbound = Outbound::new(limit);
                let mut frames = 0;
                while outbound.weight <= outbound.limit as usize {
                    outbound.push(&text(frames * 37 % large));
                    frames += 1;
                    assert!(frames <= 1 << 20, "limit {limit} bounds nothing");
                }
                assert!(!outbound.has_room() && outbound.is_half_full());
                while !outbound.is_empty() {
                    let waiting: usize = outbound.write_with(|pieces| pieces.iter().map(|piece| piece.len()).sum());
                    // A socket that takes a part only.
                    outbound.advance(waiting.div_ceil(2));
                }
                assert!(!outbound.is_half_full() && outbound.weight == 0);
                assert_eq!(outbound.queue.next.capacity(), 0, "its memory is given back");
            }
        }
    }

    #[test]
    fn one_large_frame_is_no_reason_to_call_a_client_slow() {
        let mut outbound = Outbound::new(1 << 20);
        outbound.push(&EncodedFrame::new(&Frame::binary(vec![0; 16 << 20])));
        assert!(!outbound.is_half_full() && outbound.has_room());
    }
}
