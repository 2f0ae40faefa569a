//! What a connection shares with the rest of the process: its mailbox, and its outbound queue.
//!
//! Everything that a client is sent goes through the one outbound queue: replies, rendered events, pongs, the close
//! frame. So one sender's order holds, whoever writes to the socket. Both queues are behind one lock that is never held
//! over an await, and whoever puts something in never waits.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Instant;

use crate::flusher::Flusher;
use crate::frame::CloseCode;
use crate::layer::local::{Counters, Delivery, Full, Mailbox, Prepare};
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

/// Limits of one connection, the same for all of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest message a client may send, in bytes.
    pub(crate) max_message: usize,
    /// How many bytes may wait for the client; with more waiting, the next frame closes the connection with 1013.
    pub(crate) outbound: usize,
}

/// Figures of all connections of a server.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounters {
    pub(crate) too_slow: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// One connection, as senders and the flusher see it.
pub(crate) struct Connection {
    this: Weak<Self>,
    prepare: Prepare,
    state: Mutex<State>,
    /// The socket, if it is one that the flusher can write to. Otherwise the connection's own task writes.
    socket: OnceLock<OwnedWriteHalf>,
    flusher: Arc<Flusher>,
    mailbox_capacity: u32,
    expiry: Duration,
    layer: Arc<Counters>,
}

struct State {
    /// Bound: `capacity` events. Policy: the new one is dropped, counted, and its sender told where it can be. Frames that
    /// wait here for their turn count as outbound bytes instead: they need nobody's attention, only room.
    mailbox: VecDeque<(Instant, Mail)>,
    /// How many of the mailbox are events.
    events: u32,
    outbound: Outbound,
    /// The connection's task, while it sleeps.
    task: Option<Waker>,
    /// A handler runs. What arrives now waits its turn in the mailbox, rendered frames too: nothing overtakes.
    busy: bool,
    layer_closed: bool,
}

/// Bound: `limit` bytes, and one frame more. Policy: a handler of the connection's own waits for room; a frame from elsewhere
/// that finds more than the limit waiting closes the connection with 1013, so that no sender and no other member ever waits
/// for a slow client.
pub(crate) struct Outbound {
    /// What is written next: finished frames, one behind the other.
    next: Vec<u8>,
    /// What comes behind that, if there are large frames among what waits; never empty.
    behind: Option<Box<VecDeque<Piece>>>,
    /// How much of the first piece is written.
    written: usize,
    /// What waits for the client, here and in the mailbox.
    weight: usize,
    limit: u32,
    stage: Stage,
    /// In the flusher's ring, or about to be looked at by the connection's task.
    scheduled: bool,
    /// The socket took no more; the connection's task waits until it does.
    blocked: bool,
    /// Who waits for room. A handler may wait in a future of a future, so this is not always the connection's task.
    room: Option<Waker>,
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
enum Stage {
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

/// An event for the consumer: an `Arc<Delivered<C::Event>>`.
pub(crate) type Event = Arc<dyn Any + Send + Sync>;

/// What waits in the mailbox.
enum Mail {
    Event(Event),
    Frame(Rendered),
}

/// What the connection's task does next.
pub(crate) enum Next {
    Event(Event),
    /// Nothing is ahead of the client: whatever it said is next.
    Client,
    /// Nothing; and a client that does not read its answers is not listened to.
    Nothing,
    /// The connection is being closed from this side.
    Closing(CloseCode),
    LayerClosed,
    /// The socket is gone.
    Broken,
}

impl Connection {
    pub(crate) fn new(
        prepare: Prepare,
        flusher: Arc<Flusher>,
        limits: Limits,
        mailbox_capacity: usize,
        expiry: Duration,
        layer: Arc<Counters>,
    ) -> Arc<Self> {
        let small = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            prepare,
            // `connect` runs before anything is taken from the mailbox.
            state: Mutex::new(State {
                mailbox: VecDeque::new(),
                events: 0,
                outbound: Outbound::new(small(limits.outbound)),
                task: None,
                busy: true,
                layer_closed: false,
            }),
            socket: OnceLock::new(),
            flusher,
            mailbox_capacity: small(mailbox_capacity),
            expiry,
            layer,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Only code of this file runs under the lock, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn flusher(&self) -> &Arc<Flusher> {
        &self.flusher
    }

    // The connection's task.

    /// The handshake is answered: what was sent so far goes out. Without a socket the connection's task writes.
    pub(crate) fn open(&self, socket: Option<OwnedWriteHalf>) {
        if let Some(socket) = socket {
            assert!(self.socket.set(socket).is_ok(), "a connection is opened once");
        }
        let mut state = self.lock();
        if state.outbound.stage == Stage::Connecting {
            state.outbound.stage = Stage::Open;
        }
        self.schedule(&mut state);
    }

    /// Does what this task has to for the output, and says what comes next; `write` as in [`Self::poll_output`]. Without
    /// `mails` the mailbox has to wait. Unless something is next, the task will be woken when there is.
    ///
    /// `fresh` says that this task looked at the mailbox in the same poll already: what stands behind an event that was not
    /// too old then is younger, and needs no look at the clock.
    pub(crate) fn next(
        &self,
        cx: &mut Context<'_>,
        mails: bool,
        fresh: &mut bool,
        write: impl FnOnce(&mut Context<'_>, &mut Outbound) -> Poll<io::Result<()>>,
    ) -> Next {
        // Declared before the lock is taken, so that a payload's own `drop` runs when it is free again.
        let mut too_old = Vec::new();
        let state = &mut *self.lock();
        self.output(state, cx, write);
        match state.outbound.stage {
            Stage::Broken => return Next::Broken,
            Stage::Closing(code) => return Next::Closing(code),
            Stage::Connecting | Stage::Open => {}
        }
        if mails {
            while let Some((at, mail)) = state.mailbox.pop_front() {
                let expired = !*fresh && at.elapsed() >= self.expiry;
                *fresh = !expired;
                if expired {
                    self.layer.count_expired();
                }
                match mail {
                    Mail::Frame(frame) => {
                        state.outbound.weight -= state.outbound.weigh_mail(&frame);
                        // Its turn has come, and it needs no handler.
                        if !expired && state.outbound.stage == Stage::Open {
                            state.outbound.push(&frame);
                            self.schedule(state);
                        }
                    }
                    Mail::Event(event) => {
                        state.events -= 1;
                        if !expired {
                            state.busy = true;
                            return Next::Event(event);
                        }
                        too_old.push(event);
                    }
                }
            }
            if state.mailbox.capacity() > 0 {
                state.mailbox = VecDeque::new();
            }
            if state.layer_closed {
                return Next::LayerClosed;
            }
            state.busy = false;
        }
        if state.outbound.has_room() {
            return Next::Client;
        }
        store(&mut state.outbound.room, cx);
        Next::Nothing
    }

    /// A handler is about to run.
    pub(crate) fn begin(&self) {
        self.lock().busy = true;
    }

    /// Puts a frame of the connection's own into the outbound queue, if there is room.
    pub(crate) fn offer(&self, frame: &[u8]) -> Result<bool, Closed> {
        let mut state = self.lock();
        self.offer_locked(&mut state, |outbound| outbound.push_bytes(frame))
    }

    /// Puts a frame of the connection's own into the outbound queue, when there is room.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, frame: &Rendered) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        match self.offer_locked(&mut state, |outbound| outbound.push(frame)) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => {
                store(&mut state.outbound.room, cx);
                Poll::Pending
            }
            Err(closed) => Poll::Ready(Err(closed)),
        }
    }

    fn offer_locked(&self, state: &mut State, push: impl FnOnce(&mut Outbound)) -> Result<bool, Closed> {
        match state.outbound.stage {
            Stage::Closing(_) | Stage::Broken => return Err(Closed),
            // Nothing flows yet, so nothing can be waited for.
            Stage::Connecting => {}
            Stage::Open if state.outbound.has_room() => {}
            Stage::Open => return Ok(false),
        }
        push(&mut state.outbound);
        self.schedule(state);
        Ok(true)
    }

    /// Puts an answer to the protocol into the outbound queue. If the connection is closing, the client needs none.
    pub(crate) fn answer(&self, frame: &Rendered) {
        let mut state = self.lock();
        if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
            state.outbound.push(frame);
            self.schedule(&mut state);
        }
    }

    /// Puts the close frame behind everything that waits. The first close counts.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.close_locked(&mut self.lock(), code, reason);
    }

    fn close_locked(&self, state: &mut State, code: CloseCode, reason: &str) {
        if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
            let connecting = state.outbound.stage == Stage::Connecting;
            state.outbound.push(&Rendered::close(code, reason));
            state.outbound.stage = Stage::Closing(code);
            if !connecting {
                self.schedule(state);
            }
            wake(&mut state.task);
            wake(&mut state.outbound.room);
        }
    }

    /// The client is gone: nothing more is written.
    pub(crate) fn break_off(&self) {
        self.lock().outbound.break_off();
    }

    /// Tells the client that nothing more will come, while it may still send.
    pub(crate) fn half_close(&self) {
        if let Some(socket) = self.socket.get() {
            // If it fails, the socket is gone already.
            _ = socket2::SockRef::from(socket.as_ref()).shutdown(std::net::Shutdown::Write);
        }
    }

    /// Waits for the output, as far as this task has to: helps a full socket on, or writes to a stream of its own.
    ///
    /// `Flushed` means that nothing waits now; the task is woken when something does and it is this task that writes, and
    /// when the stage changes.
    pub(crate) fn poll_output(
        &self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>, &mut Outbound) -> Poll<io::Result<()>>,
    ) -> Output {
        self.output(&mut self.lock(), cx, write)
    }

    fn output(
        &self,
        state: &mut State,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>, &mut Outbound) -> Poll<io::Result<()>>,
    ) -> Output {
        store(&mut state.task, cx);
        if state.outbound.stage == Stage::Broken {
            return Output::Broken;
        }
        let Some(socket) = self.socket.get() else {
            state.outbound.scheduled = false;
            if state.outbound.stage == Stage::Connecting {
                return Output::Pending;
            }
            let written = write(cx, &mut state.outbound);
            return state.outbound.written(&written);
        };
        if state.outbound.blocked {
            match socket.as_ref().poll_write_ready(cx) {
                Poll::Pending => return Output::Pending,
                Poll::Ready(Err(_)) => {
                    state.outbound.break_off();
                    return Output::Broken;
                }
                Poll::Ready(Ok(())) => {
                    state.outbound.blocked = false;
                    self.schedule(state);
                }
            }
        }
        if state.outbound.is_empty() { Output::Flushed } else { Output::Pending }
    }

    // Everyone.

    /// Wakes whoever writes, if something waits and nobody knows of it yet.
    fn schedule(&self, state: &mut State) {
        let outbound = &mut state.outbound;
        if outbound.scheduled || outbound.blocked || outbound.is_empty() || outbound.stage == Stage::Connecting {
            return;
        }
        outbound.scheduled = true;
        if self.socket.get().is_some() {
            if let Some(this) = self.this.upgrade() {
                self.flusher.push(this);
            }
        } else {
            wake(&mut state.task);
        }
    }

    /// The flusher's turn: writes all that waits, in one call where it fits. `true` if more is left to write.
    pub(crate) fn flush(&self) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        state.outbound.scheduled = false;
        let Some(socket) = self.socket.get() else { return false };
        if state.outbound.blocked || state.outbound.stage == Stage::Broken || state.outbound.is_empty() {
            return false;
        }
        let written = state.outbound.write_with(|pieces| match pieces {
            [one] => socket.try_write(one),
            many => socket.try_write_vectored(many),
        });
        match written {
            Ok(n) => state.outbound.advance(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => state.outbound.blocked = true,
            Err(_) => state.outbound.break_off(),
        }
        state.outbound.tell_room();
        if state.outbound.needs_task() {
            wake(&mut state.task);
        }
        state.outbound.scheduled =
            !state.outbound.is_empty() && !state.outbound.blocked && state.outbound.stage != Stage::Broken;
        state.outbound.scheduled
    }
}

impl Outbound {
    fn new(limit: u32) -> Self {
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
    fn weigh_mail(&self, frame: &Rendered) -> usize {
        weigh(frame.as_bytes().len() + OVERHEAD, self.limit)
    }

    fn push(&mut self, frame: &Rendered) {
        let bytes = frame.as_bytes();
        if bytes.len() <= COPIED { self.copy(bytes) } else { self.share(frame.clone()) }
    }

    fn push_bytes(&mut self, frame: &[u8]) {
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

    fn has_room(&self) -> bool {
        self.weight <= self.limit as usize / 2
    }

    /// Wakes whoever waits for room, if there is some.
    fn tell_room(&mut self) {
        if self.room.is_some() && self.has_room() {
            wake(&mut self.room);
        }
    }

    fn break_off(&mut self) {
        self.stage = Stage::Broken;
        wake(&mut self.room);
    }

    fn written(&mut self, written: &Poll<io::Result<()>>) -> Output {
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
    fn needs_task(&self) -> bool {
        let closed = matches!(self.stage, Stage::Closing(_)) && self.is_empty();
        closed || self.blocked || self.stage == Stage::Broken
    }
}

/// What a frame counts: its bytes, but at most half of the limit. So one large frame, whoever sends it, is never by itself
/// a reason to call the client slow.
fn weigh(bytes: usize, limit: u32) -> usize {
    bytes.min(limit as usize / 2)
}

/// The connection is closed, or is closing.
#[derive(Debug)]
pub(crate) struct Closed;

fn store(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

fn wake(task: &mut Option<Waker>) {
    if let Some(task) = task.take() {
        task.wake();
    }
}

impl Mailbox for Connection {
    fn prepare(&self) -> Prepare {
        self.prepare
    }

    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<(), Full> {
        let state = &mut *self.lock();
        match delivery {
            Delivery::Frame(frame) => {
                if !matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
                    return Ok(());
                }
                if state.outbound.weight > state.outbound.limit as usize {
                    self.flusher.counters().too_slow.fetch_add(1, Relaxed);
                    self.close_locked(state, CloseCode::TRY_AGAIN_LATER, "you read too slowly");
                } else if state.busy || !state.mailbox.is_empty() {
                    state.outbound.weight += state.outbound.weigh_mail(frame);
                    state.mailbox.push_back((now, Mail::Frame(frame.clone())));
                } else {
                    // Nothing is ahead of it: it needs neither the consumer nor its task.
                    state.outbound.push(frame);
                    self.schedule(state);
                }
                Ok(())
            }
            // A connection asks for its messages prepared.
            Delivery::Raw(_) | Delivery::Nothing => Ok(()),
            Delivery::Event(event) => {
                if state.events >= self.mailbox_capacity {
                    return Err(Full { capacity: self.mailbox_capacity as usize });
                }
                state.events += 1;
                state.mailbox.push_back((now, Mail::Event(Arc::clone(event))));
                if !state.busy {
                    wake(&mut state.task);
                }
                Ok(())
            }
        }
    }

    fn layer_closed(&self) {
        let mut state = self.lock();
        state.layer_closed = true;
        wake(&mut state.task);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    fn text(length: usize) -> Rendered {
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
                assert!(!outbound.has_room());
                while !outbound.is_empty() {
                    let waiting: usize = outbound.write_with(|pieces| pieces.iter().map(|piece| piece.len()).sum());
                    // A socket that takes a part only.
                    outbound.advance(waiting.div_ceil(2));
                }
                assert!(outbound.has_room() && outbound.weight == 0);
                assert_eq!(outbound.next.capacity(), 0, "its memory is given back");
            }
        }
    }

    #[test]
    fn what_is_written_is_what_was_sent_whatever_a_socket_takes() {
        let mut random = 1_u32;
        let mut next = |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) % below
        };
        let (mut outbound, mut sent, mut written) = (Outbound::new(1 << 20), Vec::new(), Vec::new());
        for number in 0..3_000 {
            let length = [3, 100, 4000, 5000, 40_000][next(5) as usize];
            let frame = Rendered::new(&Frame::text(format!("{number:0>width$}", width = next(length) as usize)));
            sent.extend_from_slice(frame.as_bytes());
            if number % 2 == 0 {
                outbound.push(&frame)
            } else {
                outbound.push_bytes(frame.as_bytes())
            }
            while next(3) > 0 && !outbound.is_empty() {
                let taken = outbound.write_with(|pieces| {
                    let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
                    let taken = all.len().min(1 + next(60_000) as usize);
                    written.extend_from_slice(&all[..taken]);
                    taken
                });
                outbound.advance(taken);
            }
        }
        while !outbound.is_empty() {
            let all: Vec<u8> = outbound.write_with(|pieces| pieces.iter().flat_map(|piece| piece.to_vec()).collect());
            written.extend_from_slice(&all);
            outbound.advance(all.len());
        }
        assert!(sent == written);
        assert_eq!(outbound.weight, 0);
    }

    #[test]
    fn one_large_frame_is_no_reason_to_call_a_client_slow() {
        let mut outbound = Outbound::new(1 << 20);
        outbound.push(&Rendered::new(&Frame::binary(vec![0; 16 << 20])));
        assert!(outbound.has_room());
    }
}
