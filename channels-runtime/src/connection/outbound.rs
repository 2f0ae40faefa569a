//! What waits to be written to one client: finished frames, in their order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Poll, Waker};

use super::wake;
use crate::frame::CloseCode;
use crate::wire::Rendered;

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
    /// What is written next: finished frames, one behind the other.
    next: Vec<u8>,
    /// What comes behind that, if there are large frames among what waits; never empty.
    #[expect(clippy::box_collection, reason = "nearly always there is none, and every connection has the room for it")]
    behind: Option<Box<VecDeque<Piece>>>,
    /// How much of the first piece is written.
    pub(super) written: usize,
    /// What waits for the client, here and in the mailbox.
    pub(super) weight: usize,
    pub(super) limit: u32,
    pub(super) stage: Stage,
    /// In the flusher's ring, or about to be looked at by the connection's task.
    pub(super) scheduled: bool,
    /// The socket, or the stream, took no more; the connection's task waits until it does.
    pub(super) blocked: bool,
    /// Who waits for room. A handler may wait in a future of a future, so this is not always the connection's task.
    pub(super) room: Option<Waker>,
}

/// A part of what waits to be written.
enum Piece {
    /// Small frames, one behind the other.
    Copied(Vec<u8>),
    /// One large frame, shared with the other members.
    Shared(Rendered),
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

impl Outbound {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            next: Vec::new(),
            behind: None,
            written: 0,
            weight: 0,
            limit: limit.max(LEAST),
            stage: Stage::Connecting,
            scheduled: false,
            blocked: false,
            room: None,
        }
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.behind.is_none()
    }

    /// Has what waits written in one call.
    pub(crate) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
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

    /// So many bytes were written.
    pub(crate) fn advance(&mut self, mut n: usize) {
        loop {
            if !self.next.is_empty() {
                let left = self.next.len() - self.written;
                self.weight -= n.min(left);
                if n < left {
                    self.written += n;
                    return;
                }
                n -= left;
                self.written = 0;
                give_back(std::mem::take(&mut self.next));
            }
            let Some(behind) = &mut self.behind else { return };
            match behind.pop_front() {
                Some(Piece::Copied(bytes)) => self.next = bytes,
                Some(Piece::Shared(frame)) => {
                    let left = frame.as_bytes().len() - self.written;
                    if n < left {
                        self.written += n;
                        behind.push_front(Piece::Shared(frame));
                        return;
                    }
                    n -= left;
                    self.written = 0;
                    self.weight -= weigh(frame.as_bytes().len(), self.limit);
                }
                None => {}
            }
            if behind.is_empty() {
                self.behind = None;
            }
        }
    }

    /// What a frame in the mailbox counts.
    pub(super) fn weigh_mail(&self, frame: &Rendered) -> usize {
        weigh(frame.as_bytes().len() + OVERHEAD, self.limit)
    }

    pub(super) fn push(&mut self, frame: &Rendered) {
        let bytes = frame.as_bytes();
        if bytes.len() <= COPIED { self.copy(bytes) } else { self.share(frame.clone()) }
    }

    pub(super) fn push_bytes(&mut self, frame: &[u8]) {
        if frame.len() <= COPIED { self.copy(frame) } else { self.share(Rendered::copied(frame)) }
    }

    fn copy(&mut self, frame: &[u8]) {
        self.weight += frame.len();
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

    fn share(&mut self, frame: Rendered) {
        self.weight += weigh(frame.as_bytes().len(), self.limit);
        self.behind.get_or_insert_default().push_back(Piece::Shared(frame));
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
    use crate::frame::Frame;

    /// Writes as much as may be taken. Whether that was all.
    pub(crate) fn take(outbound: &mut Outbound, takes: &mut usize, written: &mut Vec<u8>) -> bool {
        while !outbound.is_empty() {
            if *takes == 0 {
                return false;
            }
            let now = outbound.write_with(|pieces| {
                let before = written.len();
                for piece in pieces {
                    let now = piece.len().min(*takes - (written.len() - before));
                    written.extend_from_slice(&piece[..now]);
                }
                written.len() - before
            });
            assert!(now > 0, "a queue that is not empty has something to write");
            *takes -= now;
            outbound.advance(now);
        }
        true
    }

    /// What the outbound queue should weigh.
    pub(crate) fn queued(outbound: &Outbound) -> usize {
        let next = outbound.next.len() - if outbound.next.is_empty() { 0 } else { outbound.written };
        let behind = outbound.behind.iter().flat_map(|behind| behind.iter());
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
            for (at, size) in sizes.into_iter().enumerate() {
                let frame = Rendered::new(&Frame::binary(vec![u8::try_from(at).unwrap(); size]));
                expected.extend_from_slice(frame.as_bytes());
                if at % 2 == 0 { outbound.push(&frame) } else { outbound.push_bytes(frame.as_bytes()) }
                take(&mut outbound, &mut takes.next().unwrap(), &mut written);
                prop_assert_eq!(outbound.weight, queued(&outbound));
            }
            let mut all = usize::MAX;
            take(&mut outbound, &mut all, &mut written);
            prop_assert!(outbound.is_empty());
            prop_assert!(written == expected);
            prop_assert_eq!(outbound.weight, 0);
        }
    }

    pub(crate) fn text(length: usize) -> Rendered {
        Rendered::new(&Frame::text("x".repeat(length)))
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
                assert_eq!(outbound.next.capacity(), 0, "its memory is given back");
            }
        }
    }

    #[test]
    fn one_large_frame_is_no_reason_to_call_a_client_slow() {
        let mut outbound = Outbound::new(1 << 20);
        outbound.push(&Rendered::new(&Frame::binary(vec![0; 16 << 20])));
        assert!(!outbound.is_half_full() && outbound.has_room());
    }
}
