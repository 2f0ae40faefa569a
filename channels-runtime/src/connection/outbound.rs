//! The outbound queue of one connection: encoded frames in the order in which they are written.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::support::SparePool;
use crate::websocket::{EncodedFrame, Window};

/// The size of the largest frame that is copied into the outbound queue of each member. Copied frames follow each other in one
/// piece. A larger frame is shared, and is a piece of its own.
const MAX_COPIED: usize = 4 * 1024;

/// The maximum number of pieces that one call writes.
const MAX_PIECES: usize = 16;

/// The number of written bytes above which they are removed from their piece, if they are also more than half of the piece.
const MIN_REMOVED: usize = 16 * 1024;

/// The weight of a frame in the inbox in addition to its bytes: about the memory that its item takes.
const INBOX_OVERHEAD: usize = 64;

/// The lowest limit: the size of the largest copied frame.
const MIN_LIMIT: u32 = 4 * 1024;

/// The largest capacity of a buffer that is kept for reuse, in bytes.
const SPARE_CAPACITY: usize = 2 * 1024;

thread_local! {
    static SPARE_BUFFERS: SparePool<Vec<u8>> = const { SparePool::new() };
}

fn spare_buffer() -> Vec<u8> {
    SPARE_BUFFERS.with(SparePool::take).unwrap_or_else(|| Vec::with_capacity(256))
}

/// Keeps a small buffer for reuse.
fn recycle(mut buffer: Vec<u8>) {
    if buffer.capacity() <= SPARE_CAPACITY {
        buffer.clear();
        SPARE_BUFFERS.with(|spares| spares.put(buffer));
    }
}

/// The output of a connection. Bound: `limit` bytes and one more frame.
///
/// Policy: a handler of the connection waits for space. A frame from another sender that exceeds the limit closes the
/// connection with 1013, so that senders and other members do not wait for a slow client.
pub(super) struct Outbound {
    queue: Queue,
    /// The weight of all bytes that wait for the client: in this queue, in the inbox, and in the queue that a thread writes.
    pub(super) weight: usize,
    pub(super) limit: u32,
    socket: SocketState,
    /// The window of the client, which selects the form of each frame.
    pub(super) window: Window,
}

/// The state of the socket with regard to output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketState {
    /// The socket is not known to be full.
    Ready,
    /// A thread has [taken](Outbound::take) the queue and writes it without the connection's lock.
    Writing,
    /// The socket or the stream is full. The connection's task waits until it is writable.
    Full,
}

/// Encoded frames in the order in which they are written.
#[derive(Default)]
pub(super) struct Queue {
    /// The first piece, if it consists of small frames.
    next: Vec<u8>,
    /// The other pieces, if the queue holds a large frame. Never `Some` of an empty queue.
    #[expect(clippy::box_collection, reason = "it is rarely needed, and every connection has the field")]
    later: Option<Box<VecDeque<Piece>>>,
    /// The number of bytes of the first piece that are written.
    written: usize,
}

/// A part of the output.
enum Piece {
    /// Small frames, one after the other.
    Copied(Vec<u8>),
    /// One large frame, shared with the other members, in the form for this window.
    Shared(EncodedFrame, Window),
}

impl Piece {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(frame, window) => frame.for_window(*window),
        }
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.next.is_empty() && self.later.is_none()
    }

    /// Passes the first pieces to `write`, without the bytes that are written.
    pub(super) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let Some(later) = &self.later else { return write(&[IoSlice::new(&self.next[self.written..])]) };
        let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
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

    /// Removes `n` written bytes. Returns their weight.
    fn advance(&mut self, mut n: usize, limit: u32) -> usize {
        let mut weight = 0;
        loop {
            if !self.next.is_empty() {
                let left = self.next.len() - self.written;
                weight += n.min(left);
                if n < left {
                    self.written += n;
                    return weight;
                }
                n -= left;
                self.written = 0;
                recycle(std::mem::take(&mut self.next));
            }
            let Some(later) = &mut self.later else { return weight };
            match later.pop_front() {
                Some(Piece::Copied(bytes)) => self.next = bytes,
                Some(Piece::Shared(frame, window)) => {
                    let left = frame.for_window(window).len() - self.written;
                    if n < left {
                        self.written += n;
                        later.push_front(Piece::Shared(frame, window));
                        return weight;
                    }
                    n -= left;
                    self.written = 0;
                    weight += weigh(frame.weight(window), limit);
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
                if self.written > MIN_REMOVED && self.written > self.next.len() / 2 {
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

    fn share(&mut self, frame: EncodedFrame, window: Window) {
        self.later.get_or_insert_default().push_back(Piece::Shared(frame, window));
    }

    /// Appends another queue, of which no byte is written.
    fn append(&mut self, other: Self) {
        if !other.next.is_empty() {
            if self.later.is_none() {
                self.copy(&other.next);
                recycle(other.next);
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
        Self {
            queue: Queue::default(),
            weight: 0,
            limit: limit.max(MIN_LIMIT),
            socket: SocketState::Ready,
            window: Window::NONE,
        }
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

    /// Passes the first pieces to `write`, without the bytes that are written.
    pub(super) fn write_with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        self.queue.write_with(write)
    }

    /// Removes `n` written bytes.
    pub(super) fn advance(&mut self, n: usize) {
        self.weight -= self.queue.advance(n, self.limit);
    }

    /// Returns a value that changes with every written byte.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.weight, self.queue.written)
    }

    /// Takes the output, to write it without the connection's lock, so that senders can continue during the system call.
    ///
    /// Returns `None` if there is nothing to write, or if the socket is full. Also returns `None` until the output that another
    /// thread has taken is [put back](Self::put_back).
    pub(super) fn take(&mut self) -> Option<Queue> {
        if self.socket != SocketState::Ready || self.queue.is_empty() {
            return None;
        }
        self.socket = SocketState::Writing;
        Some(std::mem::take(&mut self.queue))
    }

    /// Puts back a taken queue, of which `written` bytes are written. The rest precedes the output that was queued in the
    /// meantime.
    #[inline]
    pub(super) fn put_back(&mut self, mut taken: Queue, written: usize, socket: SocketState) {
        self.socket = socket;
        self.weight -= taken.advance(written, self.limit);
        if !taken.is_empty() {
            taken.append(std::mem::take(&mut self.queue));
            self.queue = taken;
        }
    }

    /// Returns the weight of a frame in the inbox.
    pub(super) fn inbox_weight(&self, frame: &EncodedFrame) -> usize {
        weigh(frame.weight(self.window) + INBOX_OVERHEAD, self.limit)
    }

    pub(super) fn push(&mut self, frame: &EncodedFrame) {
        let bytes = frame.for_window(self.window);
        if bytes.len() <= MAX_COPIED { self.copy(bytes) } else { self.share(frame.clone()) }
    }

    pub(super) fn push_bytes(&mut self, frame: &[u8]) {
        if frame.len() <= MAX_COPIED { self.copy(frame) } else { self.share(EncodedFrame::copied(frame)) }
    }

    fn copy(&mut self, frame: &[u8]) {
        self.weight += frame.len();
        self.queue.copy(frame);
    }

    fn share(&mut self, frame: EncodedFrame) {
        self.weight += weigh(frame.weight(self.window), self.limit);
        self.queue.share(frame, self.window);
    }
}

/// Returns the weight of a frame: its size in bytes, but at most half of the limit. So one large frame does not make a client
/// count as slow.
fn weigh(bytes: usize, limit: u32) -> usize {
    bytes.min(limit as usize / 2)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::websocket::Frame;

    /// Writes at most `takes` bytes of the pieces. Returns the number of bytes.
    fn copied(pieces: &[IoSlice<'_>], takes: usize, written: &mut Vec<u8>) -> usize {
        let before = written.len();
        for piece in pieces {
            let now = piece.len().min(takes - (written.len() - before));
            written.extend_from_slice(&piece[..now]);
        }
        written.len() - before
    }

    /// Writes at most `takes` bytes. Returns whether all output is written.
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

    /// Returns the expected weight of the outbound queue.
    pub(crate) fn queued(outbound: &Outbound) -> usize {
        let queue = &outbound.queue;
        let next = queue.next.len() - if queue.next.is_empty() { 0 } else { queue.written };
        let later = queue.later.iter().flat_map(|later| later.iter());
        let later = later.map(|piece| match piece {
            Piece::Copied(bytes) => bytes.len(),
            Piece::Shared(frame, window) => weigh(frame.weight(*window), outbound.limit),
        });
        next + later.sum::<usize>()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn queue_writes_every_byte_in_order(
            sizes in prop::collection::vec(0..20_000_usize, 1..20),
            takes in prop::collection::vec(1..30_000_usize, 1..10),
            limit in 0..200_000_u32,
        ) {
            let mut outbound = Outbound::new(limit);
            let (mut expected, mut written) = (Vec::new(), Vec::new());
            let mut takes = takes.into_iter().cycle();
            // The queue that is taken and not put back yet.
            let mut taken = None::<Queue>;
            for (at, size) in sizes.into_iter().enumerate() {
                let frame = EncodedFrame::new(&Frame::binary(vec![u8::try_from(at).unwrap(); size]));
                expected.extend_from_slice(frame.plain());
                if at % 2 == 0 { outbound.push(&frame) } else { outbound.push_bytes(frame.plain()) }
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
    fn queue_is_bounded_and_releases_memory_when_empty() {
        for limit in [0, 1, 4096, 1 << 20] {
            for large in [200, 10_000] {
                let mut outbound = Outbound::new(limit);
                let mut frames = 0;
                while outbound.weight <= outbound.limit as usize {
                    outbound.push(&text(frames * 37 % large));
                    frames += 1;
                    assert!(frames <= 1 << 20, "limit {limit} is not enforced");
                }
                assert!(!outbound.is_empty() && outbound.is_half_full());
                while !outbound.is_empty() {
                    let pending: usize = outbound.write_with(|pieces| pieces.iter().map(|piece| piece.len()).sum());
                    // The socket takes only a part.
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
