//! The outbound queue of one connection: encoded frames in their order.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::support::SparePool;
use crate::websocket::EncodedFrame;

/// The largest frame that is copied into the outbound queue of each member, after the previous frame, so that one piece holds
/// all of them. A larger frame is shared.
const COPIED: usize = 4 * 1024;

/// The number of pieces that one call writes.
const PIECES: usize = 16;

/// The written bytes of a piece are removed from it when they are more than this, and more than half of the piece.
const WRITTEN: usize = 16 * 1024;

/// What a frame in the inbox counts in addition to its bytes: about the memory that keeps it there.
const OVERHEAD: usize = 64;

/// The lowest limit: space for one frame of the size that is copied.
const LEAST: u32 = 4 * 1024;

/// The largest capacity of a buffer that is kept for reuse.
const SPARE_CAPACITY: usize = 2 * 1024;

thread_local! {
    static SPARE_BUFFERS: SparePool<Vec<u8>> = const { SparePool::new() };
}

fn spare_buffer() -> Vec<u8> {
    SPARE_BUFFERS.with(SparePool::take).unwrap_or_else(|| Vec::with_capacity(256))
}

fn give_back(mut buffer: Vec<u8>) {
    if buffer.capacity() <= SPARE_CAPACITY {
        buffer.clear();
        SPARE_BUFFERS.with(|spares| spares.put(buffer));
    }
}

/// The output of a connection. Bound: `limit` bytes, and one more frame. Policy: a handler of the connection waits for room;
/// a frame from elsewhere that exceeds the limit closes the connection with 1013, so that no sender and no other member
/// waits for a slow client.
pub(super) struct Outbound {
    queue: Queue,
    /// The bytes that wait for the client: here, in the inbox, and with the thread that writes.
    pub(super) weight: usize,
    pub(super) limit: u32,
    socket: SocketState,
}

/// What the socket does with the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketState {
    /// The socket takes bytes, as far as is known.
    Ready,
    /// A thread has [taken](Outbound::take) the queue and writes it without the connection's lock.
    Writing,
    /// The socket, or the stream, takes no more bytes. The connection's task waits until it does.
    Full,
}

/// Encoded frames in their order.
#[derive(Default)]
pub(super) struct Queue {
    /// The first piece: small frames, one after the other.
    next: Vec<u8>,
    /// The later pieces, if the queue holds large frames; never empty.
    #[expect(clippy::box_collection, reason = "nearly always there is none, and every connection has the room for it")]
    later: Option<Box<VecDeque<Piece>>>,
    /// The number of bytes of the first piece that are written.
    written: usize,
}

/// A part of the output.
enum Piece {
    /// Small frames, one after the other.
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

impl Queue {
    fn is_empty(&self) -> bool {
        self.next.is_empty() && self.later.is_none()
    }

    /// Passes the output to one call that writes.
    pub(super) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let Some(later) = &self.later else { return write(&[IoSlice::new(&self.next[self.written..])]) };
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let next = (!self.next.is_empty()).then_some(&*self.next);
        let all = next.into_iter().chain(later.iter().map(Piece::as_bytes));
        let mut count = 0;
        for (slice, bytes) in pieces.iter_mut().zip(all) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        let mut pieces = &mut pieces[..count];
        IoSlice::advance_slices(&mut pieces, self.written);
        write(pieces)
    }

    /// Removes `n` written bytes. Returns what they weighed.
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
            let Some(later) = &mut self.later else { return weighed };
            match later.pop_front() {
                Some(Piece::Copied(bytes)) => self.next = bytes,
                Some(Piece::Shared(frame)) => {
                    let left = frame.as_bytes().len() - self.written;
                    if n < left {
                        self.written += n;
                        later.push_front(Piece::Shared(frame));
                        return weighed;
                    }
                    n -= left;
                    self.written = 0;
                    weighed += weigh(frame.as_bytes().len(), limit);
                }
                None => {}
            }
            if later.is_empty() {
                self.later = None;
            }
        }
    }

    fn copy(&mut self, frame: &[u8]) {
        let last = match &mut self.later {
            None => {
                if self.written > WRITTEN && self.written > self.next.len() / 2 {
                    self.next.drain(..self.written);
                    self.written = 0;
                }
                &mut self.next
            }
            Some(later) => {
                if !matches!(later.back(), Some(Piece::Copied(_))) {
                    later.push_back(Piece::Copied(Vec::new()));
                }
                match later.back_mut() {
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
        self.later.get_or_insert_default().push_back(Piece::Shared(frame));
    }

    /// Appends a queue of which nothing is written.
    fn append(&mut self, other: Self) {
        if !other.next.is_empty() {
            if self.later.is_none() {
                self.copy(&other.next);
                give_back(other.next);
            } else {
                self.later.get_or_insert_default().push_back(Piece::Copied(other.next));
            }
        }
        if let Some(mut later) = other.later {
            self.later.get_or_insert_default().append(&mut later);
        }
    }
}

impl Outbound {
    pub(super) fn new(limit: u32) -> Self {
        Self { queue: Queue::default(), weight: 0, limit: limit.max(LEAST), socket: SocketState::Ready }
    }

    /// Returns whether all output is written.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.socket != SocketState::Writing
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.socket == SocketState::Full
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.weight > self.limit as usize / 2
    }

    pub(super) fn is_over_limit(&self) -> bool {
        self.weight > self.limit as usize
    }

    /// Returns whether the client reads slowly: its socket is full, or the queue is half full.
    pub(super) fn is_slow(&self) -> bool {
        self.is_blocked() || self.is_half_full()
    }

    pub(super) fn set_socket(&mut self, socket: SocketState) {
        self.socket = socket;
    }

    #[cfg(test)]
    pub(super) fn socket(&self) -> SocketState {
        self.socket
    }

    /// Passes the output to one call that writes.
    pub(super) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        self.queue.write_with(write)
    }

    /// Removes `n` written bytes.
    pub(super) fn advance(&mut self, n: usize) {
        self.weight -= self.queue.advance(n, self.limit);
    }

    /// Returns a value that changes whenever a byte is written.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.weight, self.queue.written)
    }

    /// Takes the output, to write it without the connection's lock. During the system call, senders continue. Until the
    /// output is [put back](Self::put_back), no other thread takes any.
    pub(super) fn take(&mut self) -> Option<Queue> {
        if self.socket != SocketState::Ready || self.queue.is_empty() {
            return None;
        }
        self.socket = SocketState::Writing;
        Some(std::mem::take(&mut self.queue))
    }

    /// Puts back what was taken, of which `written` bytes are written. It precedes what was queued meanwhile.
    #[inline]
    pub(super) fn put_back(&mut self, mut taken: Queue, written: usize, socket: SocketState) {
        self.socket = socket;
        self.weight -= taken.advance(written, self.limit);
        if !taken.is_empty() {
            taken.append(std::mem::take(&mut self.queue));
            self.queue = taken;
        }
    }

    /// Returns what a frame in the inbox counts.
    pub(super) fn inbox_weight(&self, frame: &EncodedFrame) -> usize {
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
}

/// Returns what a frame counts: its bytes, but at most half of the limit. So one large frame from any sender does not make the
/// client slow.
fn weigh(bytes: usize, limit: u32) -> usize {
    bytes.min(limit as usize / 2)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::websocket::Frame;

    /// Writes at most `takes` bytes of the pieces. Returns how many.
    fn copied(pieces: &[IoSlice<'_>], takes: usize, written: &mut Vec<u8>) -> usize {
        let before = written.len();
        for piece in pieces {
            let now = piece.len().min(takes - (written.len() - before));
            written.extend_from_slice(&piece[..now]);
        }
        written.len() - before
    }

    /// Writes as much as the client takes. Returns whether that was all.
    pub(crate) fn take(outbound: &mut Outbound, takes: &mut usize, written: &mut Vec<u8>) -> bool {
        while !outbound.is_empty() {
            if *takes == 0 {
                return false;
            }
            let now = outbound.write_with(|pieces| copied(pieces, *takes, written));
            assert!(now > 0, "a queue that is not empty has bytes to write");
            *takes -= now;
            outbound.advance(now);
        }
        true
    }

    /// Returns what the outbound queue should weigh.
    pub(crate) fn queued(outbound: &Outbound) -> usize {
        let queue = &outbound.queue;
        let next = queue.next.len() - if queue.next.is_empty() { 0 } else { queue.written };
        let later = queue.later.iter().flat_map(|later| later.iter());
        let later = later.map(|piece| match piece {
            Piece::Copied(bytes) => bytes.len(),
            Piece::Shared(frame) => weigh(frame.as_bytes().len(), outbound.limit),
        });
        next + later.sum::<usize>()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn queue_returns_every_byte_in_order(
            sizes in prop::collection::vec(0..20_000_usize, 1..20),
            takes in prop::collection::vec(1..30_000_usize, 1..10),
            limit in 0..200_000_u32,
        ) {
            let mut outbound = Outbound::new(limit);
            let (mut expected, mut written) = (Vec::new(), Vec::new());
            let mut takes = takes.into_iter().cycle();
            // Taken and not written yet.
            let mut taken = None::<Queue>;
            for (at, size) in sizes.into_iter().enumerate() {
                let frame = EncodedFrame::new(&Frame::binary(vec![u8::try_from(at).unwrap(); size]));
                expected.extend_from_slice(frame.as_bytes());
                if at % 2 == 0 { outbound.push(&frame) } else { outbound.push_bytes(frame.as_bytes()) }
                let mut takes = takes.next().unwrap();
                match taken.take() {
                    Some(queue) => {
                        prop_assert!(!outbound.is_empty());
                        prop_assert!(outbound.take().is_none(), "later output must not overtake it");
                        let n = queue.write_with(|pieces| copied(pieces, takes, &mut written));
                        outbound.put_back(queue, n, SocketState::Ready);
                        prop_assert_eq!(outbound.weight, queued(&outbound));
                    }
                    None if at % 3 == 0 && !outbound.is_empty() => taken = outbound.take(),
                    None => {
                        take(&mut outbound, &mut takes, &mut written);
                        prop_assert_eq!(outbound.weight, queued(&outbound));
                    }
                }
            }
            if let Some(queue) = taken {
                outbound.put_back(queue, 0, SocketState::Ready);
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
    fn queue_is_bounded_and_weighs_nothing_when_empty() {
        for limit in [0, 1, 4096, 1 << 20] {
            for large in [200, 10_000] {
                let mut outbound = Outbound::new(limit);
                let mut frames = 0;
                while outbound.weight <= outbound.limit as usize {
                    outbound.push(&text(frames * 37 % large));
                    frames += 1;
                    assert!(frames <= 1 << 20, "limit {limit} bounds nothing");
                }
                assert!(!outbound.is_empty() && outbound.is_half_full());
                while !outbound.is_empty() {
                    let pending: usize = outbound.write_with(|pieces| pieces.iter().map(|piece| piece.len()).sum());
                    // A socket that takes only a part.
                    outbound.advance(pending.div_ceil(2));
                }
                assert!(!outbound.is_half_full() && outbound.weight == 0);
                assert_eq!(outbound.queue.next.capacity(), 0, "its memory is released");
            }
        }
    }

    #[test]
    fn one_large_frame_does_not_make_client_slow() {
        let mut outbound = Outbound::new(1 << 20);
        outbound.push(&EncodedFrame::new(&Frame::binary(vec![0; 16 << 20])));
        assert!(!outbound.is_half_full() && !outbound.is_slow());
    }
}
