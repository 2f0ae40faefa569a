//! What a connection shares with the rest of the process: its mailbox, and its outbound queue.
//!
//! Everything that a client is sent goes through the one outbound queue: replies, rendered events, pongs, the close
//! frame. So one sender's order holds, whoever writes to the socket. Both queues are behind one lock that is never held
//! over an await, and whoever puts something in never waits.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Instant;

use crate::flusher::Flusher;
use crate::frame::CloseCode;
use crate::layer::local::{Counters, Delivery, Full, Mailbox, Prepare};
use crate::wire::Rendered;

/// Frames up to this size are copied together and written in one call; a larger one is written from where it lies.
const JOINED: usize = 64 * 1024;

/// What a frame counts beside its own bytes: about what it takes to keep it in a queue.
const OVERHEAD: usize = 64;

/// The least that a limit can be: with less, half of it would not even count what keeps a frame, and nothing be bounded.
const LEAST: u32 = 4 * 1024;

/// A queue that has grown beyond this many frames gives its memory back when it is empty.
const KEPT: usize = 32;

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
    mailbox: VecDeque<(Instant, Delivery)>,
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
struct Outbound {
    frames: VecDeque<Bytes>,
    /// How much of the first frame is written.
    written: usize,
    /// What waits for the client, here and in the mailbox: the sum of all [`Self::weigh`]s.
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

/// What the connection's task finds in its mailbox.
pub(crate) enum Mail {
    Delivery(Delivery),
    LayerClosed,
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

    /// The next of the mailbox. When there is none, the task will be woken by the next to come.
    pub(crate) fn poll_mail(&self, cx: &mut Context<'_>) -> Poll<Mail> {
        // Declared before the lock is taken, so that a payload's own `drop` runs when it is free again.
        let mut too_old = Vec::new();
        let state = &mut *self.lock();
        while let Some((at, delivery)) = state.mailbox.pop_front() {
            let expired = at.elapsed() >= self.expiry;
            if expired {
                self.layer.count_expired();
            }
            match delivery {
                // Its turn has come, and it needs no handler.
                Delivery::Frame(frame) if expired || state.outbound.stage != Stage::Open => {
                    state.outbound.weight -= state.outbound.weigh(frame.len());
                }
                Delivery::Frame(frame) => {
                    state.outbound.frames.push_back(frame.into_bytes());
                    self.schedule(state);
                }
                event => {
                    state.events -= 1;
                    if !expired {
                        state.busy = true;
                        return Poll::Ready(Mail::Delivery(event));
                    }
                    too_old.push(event);
                }
            }
        }
        if state.mailbox.capacity() > 0 {
            state.mailbox = VecDeque::new();
        }
        if state.layer_closed {
            return Poll::Ready(Mail::LayerClosed);
        }
        state.busy = false;
        store(&mut state.task, cx);
        Poll::Pending
    }

    /// A handler is about to run.
    pub(crate) fn begin(&self) {
        self.lock().busy = true;
    }

    /// Waits until the outbound queue is no longer full.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        match state.outbound.stage {
            Stage::Closing(_) | Stage::Broken => return Poll::Ready(Err(Closed)),
            // Nothing flows yet, so nothing can be waited for.
            Stage::Connecting => return Poll::Ready(Ok(())),
            Stage::Open => {}
        }
        if state.outbound.has_room() {
            return Poll::Ready(Ok(()));
        }
        store(&mut state.outbound.room, cx);
        Poll::Pending
    }

    /// Puts a frame of the connection's own into the outbound queue.
    pub(crate) fn send(&self, frame: Rendered) -> Result<(), Closed> {
        let mut state = self.lock();
        match state.outbound.stage {
            Stage::Connecting | Stage::Open => {}
            Stage::Closing(_) | Stage::Broken => return Err(Closed),
        }
        state.outbound.push(frame);
        self.schedule(&mut state);
        Ok(())
    }

    /// Puts the close frame behind everything that waits. The first close counts.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.close_locked(&mut self.lock(), code, reason);
    }

    fn close_locked(&self, state: &mut State, code: CloseCode, reason: &str) {
        if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
            let connecting = state.outbound.stage == Stage::Connecting;
            state.outbound.push(Rendered::close(code, reason));
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

    /// The code that the connection is being closed with.
    pub(crate) fn closing(&self) -> Option<CloseCode> {
        match self.lock().outbound.stage {
            Stage::Closing(code) => Some(code),
            Stage::Broken => Some(CloseCode::ABNORMAL),
            Stage::Connecting | Stage::Open => None,
        }
    }

    /// Waits for the output, as far as this task has to: helps a full socket on, or writes to a stream of its own.
    ///
    /// `Flushed` means that nothing waits now; the task is woken when something does and it is this task that writes, and
    /// when the stage changes.
    pub(crate) fn poll_output(
        &self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>, &mut dyn Write) -> Poll<io::Result<()>>,
    ) -> Output {
        let mut state = self.lock();
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
                    self.schedule(&mut state);
                }
            }
        }
        if state.outbound.frames.is_empty() { Output::Flushed } else { Output::Pending }
    }

    // Everyone.

    /// Wakes whoever writes, if something waits and nobody knows of it yet.
    fn schedule(&self, state: &mut State) {
        let outbound = &mut state.outbound;
        if outbound.scheduled || outbound.blocked || outbound.frames.is_empty() || outbound.stage == Stage::Connecting {
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
    pub(crate) fn flush(&self, scratch: &mut Vec<u8>) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        state.outbound.scheduled = false;
        let Some(socket) = self.socket.get() else { return false };
        if state.outbound.blocked || state.outbound.stage == Stage::Broken || state.outbound.frames.is_empty() {
            return false;
        }
        let written = socket.try_write(state.outbound.chunk(scratch));
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
            !state.outbound.frames.is_empty() && !state.outbound.blocked && state.outbound.stage != Stage::Broken;
        state.outbound.scheduled
    }
}

/// What a writer of a generic stream sees of the outbound queue.
pub(crate) trait Write {
    /// The bytes to write next; empty if there are none.
    fn chunk<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8];
    /// So many were written.
    fn advance(&mut self, n: usize);
}

impl Write for Outbound {
    fn chunk<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let Some(first) = self.frames.front() else { return &[] };
        let first = &first[self.written..];
        if self.frames.len() == 1 || first.len() >= JOINED {
            return first;
        }
        scratch.clear();
        scratch.extend_from_slice(first);
        for frame in self.frames.iter().skip(1) {
            if scratch.len() + frame.len() > JOINED {
                break;
            }
            scratch.extend_from_slice(frame);
        }
        scratch
    }

    fn advance(&mut self, n: usize) {
        self.written += n;
        while let Some(first) = self.frames.front() {
            if self.written < first.len() {
                return;
            }
            self.written -= first.len();
            self.weight -= self.weigh(first.len());
            self.frames.pop_front();
        }
        if self.frames.capacity() > KEPT {
            self.frames = VecDeque::new();
        }
    }
}

impl Outbound {
    fn new(limit: u32) -> Self {
        Self {
            frames: VecDeque::new(),
            written: 0,
            weight: 0,
            limit: limit.max(LEAST),
            stage: Stage::Connecting,
            scheduled: false,
            blocked: false,
            room: None,
        }
    }

    /// What a frame counts: its bytes and what it takes to keep it, but at most half of the limit. So one large frame,
    /// whoever sends it, is never by itself a reason to call the client slow.
    fn weigh(&self, bytes: usize) -> usize {
        (bytes + OVERHEAD).min(self.limit as usize / 2)
    }

    fn push(&mut self, frame: Rendered) {
        self.weight += self.weigh(frame.len());
        self.frames.push_back(frame.into_bytes());
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
        let closed = matches!(self.stage, Stage::Closing(_)) && self.frames.is_empty();
        closed || self.blocked || self.stage == Stage::Broken
    }
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
            Delivery::Nothing => Ok(()),
            Delivery::Frame(frame) => {
                if !matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
                    return Ok(());
                }
                if state.outbound.weight > state.outbound.limit as usize {
                    self.flusher.counters().too_slow.fetch_add(1, Relaxed);
                    self.close_locked(state, CloseCode::TRY_AGAIN_LATER, "you read too slowly");
                } else if state.busy || !state.mailbox.is_empty() {
                    state.outbound.weight += state.outbound.weigh(frame.len());
                    state.mailbox.push_back((now, delivery.clone()));
                } else {
                    // Nothing is ahead of it: it needs neither the consumer nor its task.
                    state.outbound.push(frame.clone());
                    self.schedule(state);
                }
                Ok(())
            }
            Delivery::Event(_) | Delivery::Raw(_) => {
                if state.events >= self.mailbox_capacity {
                    return Err(Full { capacity: self.mailbox_capacity as usize });
                }
                state.events += 1;
                state.mailbox.push_back((now, delivery.clone()));
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

    #[test]
    fn a_queue_is_bounded_whatever_its_limit_and_weighs_nothing_when_it_is_empty() {
        for limit in [0, 1, 4096, 1 << 20] {
            let mut outbound = Outbound::new(limit);
            let mut frames = 0;
            while outbound.weight <= outbound.limit as usize {
                outbound.push(Rendered::new(&Frame::text("x".repeat(frames % 200))));
                frames += 1;
                assert!(frames <= 1 << 20, "limit {limit} bounds nothing");
            }
            assert!(!outbound.has_room());
            let mut scratch = Vec::new();
            loop {
                let written = outbound.chunk(&mut scratch).len();
                if written == 0 {
                    break;
                }
                // A socket that takes a part only.
                outbound.advance(written.div_ceil(2));
            }
            assert!(outbound.has_room() && outbound.frames.is_empty() && outbound.weight == 0);
            assert!(outbound.frames.capacity() <= KEPT, "its memory is given back");
        }
    }

    #[test]
    fn one_large_frame_is_no_reason_to_call_a_client_slow() {
        let mut outbound = Outbound::new(1 << 20);
        outbound.push(Rendered::new(&Frame::binary(vec![0; 16 << 20])));
        assert!(outbound.has_room());
    }
}
