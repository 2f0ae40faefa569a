//! What a connection shares with the rest of the process: its mailbox, and its outbound queue.
//!
//! Everything that a client is sent goes through the one outbound queue: replies, rendered events, pongs, the close
//! frame. So one sender's order holds, whoever writes to the socket. Both queues are behind one lock that is never held
//! over an await, and whoever puts something in never waits.

#[cfg(test)]
mod interleaving;
mod mails;
mod outbound;
mod pressure;
mod socket;
mod stream;

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use crate::flusher::{Flusher, Reach};
use crate::frame::CloseCode;
use crate::layer::Gap;
use crate::layer::local::{Counters, Delivery, Full, Mailbox, Prepare};
use crate::layer::members::{Batch, Taken};
use crate::living::Patience;
use crate::meter::Rate;
use crate::name::ChannelName;
use crate::scope::Scope;
use crate::stats::{count, counted};
use crate::wire::{PING, Rendered};
use mails::{Mail, Mails};
use outbound::{Outbound, Scheduled, Stage};

pub(crate) use outbound::Output;
pub(crate) use socket::Socket;
pub(crate) use stream::Stream;

/// Limits of one connection, the same for all of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest message a client may send, in bytes.
    pub(crate) max_message: usize,
    /// How many bytes may wait for the client; with more waiting, the next frame closes the connection with 1013.
    pub(crate) outbound: usize,
    /// How much the client may say.
    pub(crate) inbound: Rate,
}

counted! {
    /// What happened to the connections of [`Channels`](crate::Channels) so far: a part of [`Stats`](crate::Stats).
    pub struct ConnectionStats of ConnectionCounters {
        /// Connections closed with 1013 because the client read too slowly: its outbound queue was full.
        too_slow => CLOSED["too_slow"],
        /// Connections given up because the client did not answer the heartbeat. Their `#[disconnect]` gets 1006.
        unanswered => CLOSED["unanswered"],
        /// Connections closed with 1001 because the client said nothing for longer than the idle limit.
        idle => CLOSED["idle"],
        /// Connections closed with 1013 because the consumer fell behind: its mailbox was full, and its policy is
        /// `disconnect`.
        behind => CLOSED["behind"],
        /// Connections closed with 3000 because a login ended.
        login_ended => CLOSED["login_ended"],
        /// How often a client that sent more than it may was not read from for a moment (50 ms).
        throttled => THROTTLED,
        /// Frames of clients that were no command of their consumer, and were answered with an error or by `#[receive(_)]`.
        // Told by its code, where it happens.
        refused,
    }
}

impl ConnectionCounters {
    pub(crate) fn count_throttled(&self) {
        if self.throttled.fetch_add(1, Relaxed) == 0 {
            tracing::warn!("a client sends more than it may and is made to wait; further ones are only counted");
        }
    }
}

/// One connection, as senders and the flusher see it. There are many, so what all of them share is the flusher's.
pub(crate) struct Connection {
    this: Weak<Self>,
    prepare: Prepare,
    channel: ChannelName,
    scope: Scope,
    state: Mutex<State>,
    /// From when the handshake is answered.
    socket: OnceLock<Socket>,
    flusher: Arc<Flusher>,
    mailbox_capacity: u32,
    /// How often the heartbeat passed by since the client was last heard.
    silent: AtomicU16,
    /// And since it last sent a message: a pong is none.
    idle: AtomicU16,
}

struct State {
    /// Bound: `capacity` events. Policy: the consumer's; unless it says otherwise the new one is dropped, counted, and its
    /// sender told where it can be. Frames that wait here for their turn count as outbound bytes instead: they need nobody's
    /// attention, only room.
    mailbox: Mails,
    /// How many of the mailbox are events.
    events: u32,
    outbound: Outbound,
    /// The connection's task, while it sleeps.
    task: Option<Waker>,
    /// A handler runs. What arrives now waits its turn in the mailbox, rendered frames too: nothing overtakes.
    busy: bool,
    /// The connection's task looked at the mailbox in this poll already: what stands behind an event that was not too old
    /// then is younger, and needs no look at the clock.
    fresh: bool,
    layer_closed: bool,
    gaps: Gaps,
}

/// What a consumer knows of gaps. Bound: one `Lost` and one `Restored` wait in the mailbox, in this order, however often
/// the layer is lost meanwhile: the consumer is told of the end of the last gap.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// Nothing, and it does not want to.
    Deaf,
    Told(Gap),
    /// It was told of the beginning, and will be of the end.
    Ending,
}

/// An event for the consumer: an `Arc<Delivered<C::Event>>`.
pub(crate) type Event = Arc<dyn Any + Send + Sync>;

/// What the connection's task does next.
pub(crate) enum Next {
    Event(Event),
    Gap(Gap),
    /// Nothing is ahead of the client: whatever it said is next.
    Client {
        /// Frames that waited in the mailbox, for the handler, were left to this task: if the client has nothing to say
        /// either, it writes them ([`Connection::write_held`]) before it sleeps, otherwise the flusher does
        /// ([`Connection::hand_over`]).
        held: bool,
    },
    /// Nothing; and a client that does not read its answers is not listened to.
    Nothing,
    /// The connection is being closed from this side.
    Closing(CloseCode),
    LayerClosed,
    /// The socket is gone.
    Broken,
}

impl Connection {
    /// Makes the connection of a client that is let in. It can be sent to; what it is sent waits until it is
    /// [opened](Self::open).
    pub(crate) fn new(
        prepare: Prepare,
        channel: ChannelName,
        scope: Scope,
        flusher: Arc<Flusher>,
        hears_of_gaps: bool,
    ) -> Arc<Self> {
        let small = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let mailbox_capacity = small(flusher.layer().config().capacity_of(channel.as_str()));
        let outbound = Outbound::new(small(flusher.limits().outbound));
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            prepare,
            channel,
            scope,
            // `connect` runs before anything is taken from the mailbox.
            state: Mutex::new(State {
                mailbox: Mails::default(),
                events: 0,
                outbound,
                task: None,
                busy: true,
                fresh: false,
                layer_closed: false,
                gaps: if hears_of_gaps { Gaps::Told(Gap::Restored) } else { Gaps::Deaf },
            }),
            socket: OnceLock::new(),
            flusher,
            mailbox_capacity,
            silent: AtomicU16::new(0),
            idle: AtomicU16::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        crate::interleaving::point_before(&self.state);
        // Only code of this file runs under the lock, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn flusher(&self) -> &Arc<Flusher> {
        &self.flusher
    }

    pub(crate) fn channel(&self) -> &ChannelName {
        &self.channel
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What happens to the messages of its layer.
    fn counters(&self) -> &Counters {
        self.flusher.layer().backend().table().counters()
    }

    // The connection's task.

    /// The handshake is answered: what was sent so far goes out.
    pub(crate) fn open(&self, socket: Socket) {
        assert!(self.socket.set(socket).is_ok(), "a connection is opened once");
        let mut state = self.lock();
        if state.outbound.stage == Stage::Connecting {
            state.outbound.stage = Stage::Open;
        }
        self.schedule(&mut state, Reach::Few);
    }

    /// Reads once, into the thread's buffer. Empty: the client is gone.
    pub(crate) fn poll_read<T>(&self, cx: &mut Context<'_>, use_it: impl FnOnce(io::Result<&[u8]>) -> T) -> Poll<T> {
        self.socket.get().map_or(Poll::Pending, |socket| socket.poll_read(cx, use_it))
    }

    /// Does what this task has to for the output, and says what comes next. Without `mails` the mailbox has to wait. Unless
    /// something is next, the task will be woken when there is.
    pub(crate) fn next(&self, cx: &mut Context<'_>, mails: bool) -> Next {
        // Declared before the lock is taken, so that a payload's own `drop` runs when it is free again.
        let mut too_old = Vec::new();
        let state = &mut *self.lock();
        self.output(state, cx);
        let mut held = false;
        let next = self.next_mail(state, mails, &mut held, &mut too_old).unwrap_or_else(|| {
            if state.outbound.has_room() {
                return Next::Client { held };
            }
            store(&mut state.outbound.room, cx);
            Next::Nothing
        });
        if held && !matches!(next, Next::Client { .. }) {
            self.tell_writer(state, Reach::Few);
        }
        next
    }

    /// What comes before the client's turn. Frames go from the mailbox to the outbound queue, and are `held` if nobody writes
    /// them yet.
    fn next_mail(&self, state: &mut State, mails: bool, held: &mut bool, too_old: &mut Vec<Event>) -> Option<Next> {
        match state.outbound.stage {
            Stage::Broken => return Some(Next::Broken),
            Stage::Closing(code) => return Some(Next::Closing(code)),
            Stage::Connecting | Stage::Open => {}
        }
        if !mails {
            return None;
        }
        while !state.holds_back()
            && let Some((at, mail)) = state.mailbox.pop_front()
        {
            if let Mail::Gap(gap) = mail {
                // Never too old.
                if gap == Gap::Restored {
                    state.gaps = Gaps::Told(gap);
                }
                state.busy = true;
                return Some(Next::Gap(gap));
            }
            let expired = !state.fresh && at.elapsed() >= self.flusher.layer().config().expiry;
            state.fresh = !expired;
            if expired {
                self.counters().count_expired();
            }
            match mail {
                Mail::Frame(frame, _) => {
                    state.outbound.weight -= state.outbound.weigh_mail(&frame);
                    // Its turn has come, and it needs no handler.
                    if !expired && state.outbound.stage == Stage::Open {
                        state.outbound.push(&frame);
                        *held |= state.outbound.claims_writer(Reach::Few);
                    }
                }
                Mail::Event(event, _) => {
                    state.events -= 1;
                    if !expired {
                        state.busy = true;
                        return Some(Next::Event(event));
                    }
                    too_old.push(event);
                }
                Mail::Gap(_) => unreachable!("it was given out above"),
            }
        }
        if state.layer_closed {
            return Some(Next::LayerClosed);
        }
        state.busy = false;
        state.fresh = false;
        None
    }

    /// Writes what [`Self::next`] left to this task: its socket is at hand now, and nobody else has to be woken.
    pub(crate) fn write_held(&self, cx: &mut Context<'_>) {
        if matches!(self.socket.get(), Some(Socket::Stream(_))) {
            self.poll_output(cx);
        } else if self.flush(Reach::Few) {
            self.hand_over();
        }
    }

    /// Leaves what [`Self::next`] left to this task to whoever writes otherwise.
    pub(crate) fn hand_over(&self) {
        if !matches!(self.socket.get(), Some(Socket::Stream(_))) {
            self.push(Reach::Few);
        }
        // Otherwise it is this task, whenever it is polled again, as it will be: something is next.
    }

    fn push(&self, reach: Reach) {
        if let Some(this) = self.this.upgrade() {
            self.flusher.push(this, reach);
        }
    }

    /// The handler of a client's message is about to run.
    pub(crate) fn begin(&self) {
        self.idle.store(0, Relaxed);
        self.lock().busy = true;
    }

    /// The client lives: it sent something, or it takes what waited for it.
    pub(crate) fn heard(&self) {
        self.silent.store(0, Relaxed);
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
        self.schedule(state, Reach::Few);
        Ok(true)
    }

    /// Puts an answer to the protocol into the outbound queue. If the connection is closing, the client needs none.
    pub(crate) fn answer(&self, frame: &Rendered) {
        let mut state = self.lock();
        if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
            state.outbound.push(frame);
            self.schedule(&mut state, Reach::Few);
        }
    }

    /// Puts the close frame behind everything that waits. The first close counts.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.close_locked(&mut self.lock(), code, reason);
    }

    fn close_locked(&self, state: &mut State, code: CloseCode, reason: &str) {
        if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
            let connecting = state.outbound.stage == Stage::Connecting;
            if !state.busy {
                state.let_out();
            }
            state.outbound.push(&Rendered::close(code, reason));
            state.outbound.stage = Stage::Closing(code);
            if !connecting {
                self.schedule(state, Reach::Few);
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
    pub(crate) fn half_close(&self, cx: &mut Context<'_>) {
        if let Some(socket) = self.socket.get() {
            socket.shut_down(cx);
        }
    }

    /// This task lets others have their turn.
    pub(crate) fn rests(&self) {
        self.lock().fresh = false;
    }

    /// Waits for the output, as far as this task has to: helps a full socket on, or writes to a stream.
    ///
    /// `Flushed` means that nothing waits now; the task is woken when something does and it is this task that writes, and
    /// when the stage changes.
    pub(crate) fn poll_output(&self, cx: &mut Context<'_>) -> Output {
        let state = &mut *self.lock();
        state.fresh = false;
        self.output(state, cx)
    }

    fn output(&self, state: &mut State, cx: &mut Context<'_>) -> Output {
        store(&mut state.task, cx);
        if state.outbound.stage == Stage::Broken {
            return Output::Broken;
        }
        let Some(socket) = self.socket.get() else { return Output::Pending };
        if let Socket::Stream(stream) = socket {
            state.outbound.scheduled = Scheduled::default();
            let before = state.outbound.progress();
            let written = stream.poll_write(cx, &mut state.outbound);
            if state.outbound.blocked && before != state.outbound.progress() {
                self.heard();
            }
            state.outbound.blocked = written.is_pending();
            return state.outbound.written(&written);
        }
        if state.outbound.blocked {
            match socket.poll_write_ready(cx) {
                Poll::Pending => return Output::Pending,
                Poll::Ready(Err(_)) => {
                    state.outbound.break_off();
                    return Output::Broken;
                }
                Poll::Ready(Ok(())) => {
                    state.outbound.blocked = false;
                    // Somebody took what filled it.
                    self.heard();
                    // Who lets much wait is not served before others.
                    self.schedule(state, Reach::Many);
                }
            }
        }
        if state.outbound.is_empty() { Output::Flushed } else { Output::Pending }
    }

    // Everyone.

    /// The heartbeat passes by: asks a client that is silent, and lets go of one that did not answer.
    pub(crate) fn pass(&self, patience: &Patience) {
        let once_more = |count: &AtomicU16| u32::from(count.fetch_add(1, Relaxed)) + 1;
        let (mut silent, idle) = (once_more(&self.silent), once_more(&self.idle));
        if silent < patience.ask && idle < patience.idle {
            return;
        }
        let state = &mut *self.lock();
        if state.outbound.stage != Stage::Open {
            return;
        }
        if silent >= patience.lost {
            if !state.busy || state.outbound.blocked {
                count(&self.flusher.counters().unanswered);
                tracing::debug!("a client did not answer the heartbeat");
                state.outbound.break_off();
                if let Some(socket) = self.socket.get() {
                    socket.forget_unread();
                }
                wake(&mut state.task);
                return;
            }
            // Nobody listens while a handler runs, and the answer may lie in the socket. The client is asked anew, and
            // the answer must come when the handler is done.
            silent = patience.ask;
            self.silent.store(u16::try_from(silent).unwrap_or(u16::MAX), Relaxed);
        }
        // Behind a full socket a ping would not arrive.
        if silent == patience.ask && !state.outbound.blocked {
            state.outbound.push_bytes(&PING);
            self.schedule(state, Reach::Many);
        }
        if idle >= patience.idle {
            count(&self.flusher.counters().idle);
            self.close_locked(state, CloseCode::GOING_AWAY, "nothing was said for too long");
        }
    }

    /// How many events wait for the consumer, and how many bytes for the client.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let state = self.lock();
        (state.events.into(), state.outbound.weight as u64)
    }

    /// Wakes whoever writes, if something waits and nobody knows of it yet.
    fn schedule(&self, state: &mut State, reach: Reach) {
        if state.outbound.claims_writer(reach) {
            self.tell_writer(state, reach);
        }
    }

    fn tell_writer(&self, state: &mut State, reach: Reach) {
        if matches!(self.socket.get(), Some(Socket::Stream(_))) {
            wake(&mut state.task);
        } else {
            self.push(reach);
        }
    }

    /// The turn of one who is in this ring: writes all that waits, in one call where it fits. `true` if more is left to write:
    /// then it belongs at the end of the ring.
    pub(crate) fn flush(&self, reach: Reach) -> bool {
        let Some(socket) = self.socket.get() else { return false };
        let taken = {
            let outbound = &mut self.lock().outbound;
            let may_write = !outbound.blocked && outbound.stage != Stage::Broken;
            let Some(taken) = may_write.then(|| outbound.take()).flatten() else {
                outbound.scheduled.set(reach, false);
                return false;
            };
            taken
        };
        let result = taken.write_with(|pieces| socket.try_write(pieces));
        let state = &mut *self.lock();
        state.outbound.put_back(taken, *result.as_ref().unwrap_or(&0));
        match result {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => state.outbound.blocked = true,
            Err(_) => state.outbound.break_off(),
        }
        state.outbound.tell_room();
        if state.outbound.needs_task() {
            wake(&mut state.task);
        }
        let more = !state.outbound.is_empty() && !state.outbound.blocked && state.outbound.stage != Stage::Broken;
        state.outbound.scheduled.set(reach, more);
        more
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

impl State {
    /// Whether joined frames go into the outbound queue as they are, and count what each of them would: nothing is ahead of
    /// them, and there is room for all.
    fn takes_at_once(&self, frames: &Rendered) -> bool {
        let (bytes, limit) = (frames.as_bytes().len(), self.outbound.limit as usize);
        matches!(self.outbound.stage, Stage::Connecting | Stage::Open)
            && !self.busy
            && self.mailbox.is_empty()
            && bytes <= limit / 2
            && self.outbound.weight + bytes <= limit
    }

    fn tell(&mut self, gap: Gap, now: Instant) {
        match (self.gaps, gap) {
            (Gaps::Told(Gap::Restored), Gap::Lost) => self.gaps = Gaps::Told(gap),
            (Gaps::Told(Gap::Lost), Gap::Restored) => self.gaps = Gaps::Ending,
            (Gaps::Ending, Gap::Lost) => {
                // It has not heard of the end yet, and now this is not the end.
                self.mailbox.retain(|waiting| !matches!(waiting, Mail::Gap(Gap::Restored)));
                self.gaps = Gaps::Told(gap);
                return;
            }
            // It came in the middle of a gap, and has joined nothing before.
            _ => return,
        }
        self.mailbox.push_back(now, Mail::Gap(gap));
        if !self.busy {
            wake(&mut self.task);
        }
    }
}

impl Mailbox for Connection {
    fn name(&self) -> &ChannelName {
        &self.channel
    }

    fn prepare(&self) -> Prepare {
        self.prepare
    }

    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full> {
        // Declared before the lock is taken, so that a payload's own `drop` runs when it is free again.
        let mut gone = Vec::new();
        self.deliver_locked(&mut self.lock(), delivery, now, Reach::Few, &mut gone)
    }

    fn deliver_all(&self, batch: &Batch<'_>) -> Taken {
        let (mut gone, mut taken) = (Vec::new(), Taken::default());
        let state = &mut *self.lock();
        if let Some(frames) = &batch.joined
            && state.takes_at_once(frames)
        {
            state.outbound.push(frames);
            self.schedule(state, batch.reach);
            return Taken { delivered: batch.deliveries.len() as u64, full: 0 };
        }
        for (delivery, at) in &batch.deliveries {
            taken.add(&self.deliver_locked(state, delivery, *at, batch.reach, &mut gone));
        }
        taken
    }

    fn layer_closed(&self) {
        let mut state = self.lock();
        state.layer_closed = true;
        wake(&mut state.task);
    }
}

impl Connection {
    fn deliver_locked(
        &self,
        state: &mut State,
        delivery: &Delivery,
        now: Instant,
        reach: Reach,
        gone: &mut Vec<Mail>,
    ) -> Result<bool, Full> {
        if let Some(key) = delivery.loss().key()
            && let Some(outdated) = state.outdated(key)
        {
            self.counters().count_coalesced();
            gone.push(outdated);
        }
        match delivery {
            Delivery::Frame(frame, loss) => {
                if !matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
                    return Ok(true);
                }
                if self.gives_up(state, *loss) {
                    return Ok(false);
                }
                if state.outbound.weight > state.outbound.limit as usize {
                    self.make_room_for_frame(state);
                }
                if state.outbound.weight > state.outbound.limit as usize {
                    count(&self.flusher.counters().too_slow);
                    self.close_locked(state, CloseCode::TRY_AGAIN_LATER, "you read too slowly");
                } else if state.busy || !state.mailbox.is_empty() || (state.outbound.blocked && loss.key().is_some()) {
                    state.outbound.weight += state.outbound.weigh_mail(frame);
                    state.mailbox.push_back(now, Mail::Frame(frame.clone(), *loss));
                } else {
                    // Nothing is ahead of it: it needs neither the consumer nor its task.
                    state.outbound.push(frame);
                    self.schedule(state, reach);
                }
                Ok(true)
            }
            Delivery::Gap(gap) => {
                state.tell(*gap, now);
                Ok(true)
            }
            // A connection asks for its messages prepared.
            Delivery::Raw(_) | Delivery::Nothing => Ok(true),
            Delivery::Event(event, loss, policy) => {
                if state.events >= self.mailbox_capacity && !self.make_room_for_event(state, *loss, *policy, gone)? {
                    return Ok(false);
                }
                state.events += 1;
                state.mailbox.push_back(now, Mail::Event(Arc::clone(event), *loss));
                if !state.busy {
                    wake(&mut state.task);
                }
                Ok(true)
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::pin::Pin;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::interleaving::Pipe;
    use super::outbound::tests::{queued, text};
    use super::*;
    use crate::consumer::MailboxPolicy;
    use crate::envelope::Envelope;
    use crate::event::Loss;
    use crate::frame::Frame;
    use crate::layer::local::Undeliverable;
    use crate::layer::{ChannelLayer, Config};

    #[derive(Debug, Clone)]
    enum Call {
        /// A rendered frame of so many bytes for the client.
        Frame(usize),
        /// Several of them in one visit.
        Frames(Vec<usize>),
        Event,
        /// The handler that runs sends so many bytes.
        Reply(usize),
        /// The handler is done; the task runs until it has nothing to do. The socket takes so many bytes.
        Run(usize),
        LayerClosed,
        Close,
    }

    fn calls() -> impl Strategy<Value = Vec<Call>> {
        let call = prop_oneof![
            8 => (0..6000_usize).prop_map(Call::Frame),
            4 => prop::collection::vec(0..2500_usize, 1..9).prop_map(Call::Frames),
            6 => Just(Call::Event),
            6 => (0..6000_usize).prop_map(Call::Reply),
            8 => prop_oneof![0..200_usize, 0..20_000_usize].prop_map(Call::Run),
            1 => Just(Call::LayerClosed),
            1 => Just(Call::Close),
        ];
        prop::collection::vec(call, 0..60)
    }

    /// Whether the task was woken since it went to sleep.
    #[derive(Default)]
    struct Alarm(AtomicBool);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    fn never(_: &Envelope) -> Result<Delivery, Undeliverable> {
        Ok(Delivery::Nothing)
    }

    /// What connections with a mailbox of this capacity share.
    pub(super) fn flusher(capacity: usize, outbound: usize) -> Arc<Flusher> {
        let inbound = Rate { frames: 1, bytes: 1 };
        let layer = ChannelLayer::in_memory_with(Config::default().with_capacity(capacity));
        Flusher::new(layer, Limits { max_message: 1, outbound, inbound })
    }

    pub(super) fn connection(flusher: Arc<Flusher>, socket: Socket) -> Arc<Connection> {
        let channel = ChannelName::new("specific.0!1").unwrap();
        let connection = Connection::new(never, channel, Scope::of_worker("client"), flusher, false);
        connection.open(socket);
        connection
    }

    /// A client that takes so many bytes. Nobody is woken when it may take more.
    #[derive(Clone, Default)]
    struct Client(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Client {
        fn takes(&self, bytes: usize) {
            self.0.lock().unwrap().0 = bytes;
        }

        fn takes_nothing(&self) -> bool {
            self.0.lock().unwrap().0 == 0
        }
    }

    impl AsyncWrite for Client {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let (takes, taken) = &mut *self.0.lock().unwrap();
            let now = bytes.len().min(*takes);
            if now == 0 {
                return Poll::Pending;
            }
            *takes -= now;
            taken.extend_from_slice(&bytes[..now]);
            Poll::Ready(Ok(now))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Client {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    /// Text that begins with its place in the order.
    pub(super) fn labelled(label: usize, size: usize) -> Rendered {
        Rendered::new(&Frame::text(format!("{label:06}{}", "x".repeat(size))))
    }

    /// The labels of the frames, in their order; a close frame is `None`.
    pub(super) fn labels(mut bytes: &[u8]) -> Vec<Option<usize>> {
        let mut all = Vec::new();
        while let [first, length, rest @ ..] = bytes {
            let (length, rest) = match (*length, rest) {
                (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
                (126, _) => break,
                (short, rest) => (usize::from(short), rest),
            };
            // The last one may be under way.
            let Some((payload, next)) = rest.split_at_checked(length) else { break };
            all.push((*first == 0x81).then(|| std::str::from_utf8(&payload[..6]).unwrap().parse().unwrap()));
            bytes = next;
        }
        all
    }

    /// Every method takes the one lock once, so threads that call them at the same time are an order of calls. Here are
    /// orders: nobody sleeps while there is something to do, nothing overtakes, and every byte is counted.
    fn run(calls: Vec<Call>) {
        let capacity = 3;
        let client = Client::default();
        let connection = connection(flusher(capacity, 8 * 1024), Socket::Stream(Stream::new(client.clone())));
        let alarm = Arc::<Alarm>::default();
        let waker = Waker::from(Arc::clone(&alarm));
        let mut task = Context::from_waker(&waker);
        let (mut label, mut handling, mut asleep) = (0, None, false);
        let (mut handled, mut accepted) = (Vec::new(), Vec::new());
        let mut over = false;
        for call in calls {
            label += 1;
            match call {
                Call::Frame(size) => {
                    let frame = Delivery::Frame(labelled(label, size), Loss::default());
                    assert_eq!(connection.deliver(&frame, Instant::now()), Ok(true));
                }
                Call::Frames(sizes) => {
                    let mut frame = |size| {
                        label += 1;
                        Delivery::Frame(labelled(label, size), Loss::default())
                    };
                    let frames: Vec<_> = sizes.into_iter().map(&mut frame).collect();
                    let batch = Batch::of(frames.iter().map(|frame| (frame, Instant::now())).collect(), Reach::Few);
                    assert_eq!(connection.deliver_all(&batch).delivered, frames.len() as u64);
                }
                Call::Event => {
                    let waiting = accepted.len() - handled.len();
                    let event = Delivery::Event(Arc::new(label), Loss::default(), MailboxPolicy::default());
                    let delivered = connection.deliver(&event, Instant::now());
                    assert_eq!(delivered.is_ok(), waiting < capacity, "{waiting} events wait");
                    if delivered.is_ok() {
                        accepted.push(label);
                    }
                }
                Call::Reply(size) => {
                    if let Some(of) = handling {
                        _ = connection.offer(labelled(of, size).as_bytes());
                    }
                }
                Call::LayerClosed => connection.layer_closed(),
                Call::Close => connection.close(CloseCode::NORMAL, ""),
                Call::Run(takes) => {
                    handling = None;
                    asleep = false;
                    alarm.0.store(false, Relaxed);
                    client.takes(takes);
                    while !over && handling.is_none() && !asleep {
                        match connection.next(&mut task, true) {
                            Next::Event(event) => {
                                let event = *event.downcast_ref::<usize>().unwrap();
                                handled.push(event);
                                handling = Some(event);
                            }
                            Next::Gap(_) => panic!("this consumer does not hear of gaps"),
                            Next::LayerClosed => connection.close(CloseCode::GOING_AWAY, ""),
                            // The client says nothing. What the task was woken for while it looked, it looks at again.
                            next @ (Next::Client { .. } | Next::Nothing) => {
                                if let Next::Client { held: true } = next {
                                    connection.write_held(&mut task);
                                }
                                asleep = !alarm.0.swap(false, Relaxed);
                            }
                            Next::Closing(_) => over = true,
                            Next::Broken => panic!("this socket does not break"),
                        }
                    }
                }
            }
            let state = connection.lock();
            let outbound = &state.outbound;
            let mails = state.mailbox.iter().filter_map(|(_, mail)| match mail {
                Mail::Frame(frame, _) => Some(outbound.weigh_mail(frame)),
                Mail::Event(..) | Mail::Gap(_) => None,
            });
            assert_eq!(outbound.weight, mails.sum::<usize>() + queued(outbound), "what waits is what is counted");
            assert_eq!(state.events as usize, accepted.len() - handled.len());
            if asleep && !alarm.0.load(Relaxed) {
                assert!(state.mailbox.is_empty() && !state.layer_closed, "asleep beside mail");
                assert!(matches!(outbound.stage, Stage::Open), "asleep beside {:?}", outbound.stage);
                assert!(outbound.is_empty() || client.takes_nothing(), "asleep beside output");
            }
        }
        assert_eq!(handled, accepted[..handled.len()], "events in their order, each once");
        let labels = labels(&client.0.lock().unwrap().1);
        let data = labels.iter().take_while(|label| label.is_some()).count();
        assert!(labels.len() - data <= 1, "nothing stands behind a close frame: {labels:?}");
        assert!(labels[..data].is_sorted(), "nothing overtakes: {labels:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn nobody_sleeps_beside_work_and_nothing_overtakes(calls in calls()) {
            run(calls);
        }
    }

    /// What became of frames.
    #[derive(Debug, PartialEq)]
    struct Delivered {
        taken: Taken,
        weight: usize,
        stage: Stage,
        written: Vec<u8>,
    }

    /// What becomes of them where `some` wait already, of which the client takes so many bytes.
    fn delivered(some: &[Delivery], takes: usize, deliver: impl FnOnce(&Connection) -> Taken) -> Delivered {
        let client = Client::default();
        let connection = connection(flusher(3, 8 * 1024), Socket::Stream(Stream::new(client.clone())));
        let mut task = Context::from_waker(Waker::noop());
        assert!(matches!(connection.next(&mut task, true), Next::Client { .. }));
        for frame in some {
            assert_eq!(connection.deliver(frame, Instant::now()), Ok(true));
        }
        client.takes(takes);
        connection.poll_output(&mut task);
        let taken = deliver(&connection);
        let (weight, stage) = {
            let state = connection.lock();
            (state.outbound.weight, state.outbound.stage)
        };
        client.takes(usize::MAX);
        while connection.poll_output(&mut task) == Output::Pending {}
        let written = client.0.lock().unwrap().1.clone();
        Delivered { taken, weight, stage, written }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn several_frames_in_one_visit_are_as_many_visits(
            some in prop::collection::vec(0..3000_usize, 0..6),
            takes in 0..3000_usize,
            sizes in prop::collection::vec(0..1000_usize, 2..9),
        ) {
            let mut labels = 0..;
            let mut frames = |sizes: Vec<usize>| -> Vec<Delivery> {
                let labelled = labels.by_ref().zip(sizes).map(|(label, size)| labelled(label, size));
                labelled.map(|frame| Delivery::Frame(frame, Loss::default())).collect()
            };
            let (some, frames) = (frames(some), frames(sizes));
            let now = Instant::now();
            let together = delivered(&some, takes, |connection| {
                connection.deliver_all(&Batch::of(frames.iter().map(|frame| (frame, now)).collect(), Reach::Few))
            });
            let one_by_one = delivered(&some, takes, |connection| {
                let mut taken = Taken::default();
                frames.iter().for_each(|frame| taken.add(&connection.deliver(frame, now)));
                taken
            });
            prop_assert_eq!(together, one_by_one);
        }
    }

    /// Connections whose consumers have nothing to do, all of one flusher, and its turns.
    struct Written {
        connections: Vec<(Arc<Connection>, Arc<Pipe>)>,
        flushing: Pin<Box<dyn Future<Output = ()>>>,
    }

    impl Written {
        fn new(many: usize) -> Self {
            let flusher = flusher(3, 8 * 1024);
            let mut task = Context::from_waker(Waker::noop());
            let mut connections = Vec::new();
            for _ in 0..many {
                let pipe = Arc::<Pipe>::default();
                let connection = connection(Arc::clone(&flusher), Socket::Model(Arc::clone(&pipe)));
                assert!(matches!(connection.next(&mut task, true), Next::Client { .. }));
                connections.push((connection, pipe));
            }
            Self { connections, flushing: Box::pin(flusher.run(std::future::pending())) }
        }

        fn send(&self, to: usize, labels: &[usize], reach: Reach) {
            let frame = |label: &usize| Delivery::Frame(labelled(*label, 10), Loss::default());
            let frames: Vec<_> = labels.iter().map(frame).collect();
            let batch = Batch::of(frames.iter().map(|frame| (frame, Instant::now())).collect(), reach);
            assert_eq!(self.connections[to].0.deliver_all(&batch).delivered, frames.len() as u64);
        }

        /// In how many rings it has a place: each holds it.
        fn places(&self, of: usize) -> usize {
            Arc::strong_count(&self.connections[of].0) - 1
        }

        /// The flusher has one turn: it lets the others go first, and then writes.
        fn turn(&mut self) {
            let mut task = Context::from_waker(Waker::noop());
            assert!(self.flushing.as_mut().poll(&mut task).is_pending());
        }

        /// What each client has, by its place; of those that have something.
        fn received(&self) -> BTreeMap<usize, Vec<usize>> {
            let received = self.connections.iter().enumerate().map(|(place, (_, pipe))| (place, pipe.labels()));
            let received = received.map(|(place, labels)| (place, labels.into_iter().flatten().collect::<Vec<_>>()));
            received.filter(|(_, labels)| !labels.is_empty()).collect()
        }
    }

    #[test]
    fn what_is_for_few_waits_for_no_round_of_many_and_overtakes_nothing() {
        let mut written = Written::new(100);
        (0..100).for_each(|to| written.send(to, &[1], Reach::Many));
        written.send(50, &[2], Reach::Few);
        assert!(written.connections[99].0.offer(labelled(3, 10).as_bytes()).unwrap());
        assert_eq!((written.places(0), written.places(50), written.places(99)), (1, 2, 2));
        (0..100).for_each(|to| written.send(to, &[4], Reach::Many));
        written.send(50, &[5], Reach::Few);
        assert_eq!((written.places(0), written.places(50)), (1, 2), "one in each at most");
        written.turn();
        assert!(written.received().is_empty(), "the readers go first");
        written.turn();
        let mut expected: BTreeMap<_, _> = (0..14).map(|place| (place, vec![1, 4])).collect();
        expected.extend([(50, vec![1, 2, 4, 5]), (99, vec![1, 3, 4])]);
        assert_eq!(written.received(), expected);
        // They still have their places in the other ring, where nothing is left to write but what came since.
        written.send(50, &[6], Reach::Many);
        assert_eq!((written.places(0), written.places(50)), (0, 1));
        (0..7).for_each(|_| written.turn());
        let mut expected: BTreeMap<_, _> = (0..100).map(|place| (place, vec![1, 4])).collect();
        expected.extend([(50, vec![1, 2, 4, 5, 6]), (99, vec![1, 3, 4])]);
        assert_eq!(written.received(), expected, "all of it, once");
        assert_eq!((0..100).map(|of| written.places(of)).sum::<usize>(), 0);
    }

    #[test]
    fn what_is_for_many_gets_half_of_each_turn_whatever_is_for_few() {
        let mut written = Written::new(80);
        // Joined before they are handed over; one by one they are in the test above.
        (0..40).for_each(|to| written.send(to, &[1, 2], Reach::Many));
        written.turn();
        for turn in 1..=5 {
            // More than a turn writes, each time.
            (40..80).for_each(|to| written.send(to, &[turn], Reach::Few));
            written.turn();
            let of_many = written.received().range(..40).count();
            assert_eq!(of_many, 8 * turn);
        }
    }

    #[test]
    fn a_client_that_takes_what_waits_for_it_lives() {
        let patience = Patience::new(Some((Duration::from_secs(20), Duration::from_secs(30))), None).unwrap();
        let client = Client::default();
        let connection = connection(flusher(3, 1 << 20), Socket::Stream(Stream::new(client.clone())));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(connection.offer(text(10_000).as_bytes()).unwrap());
        let mut take = |bytes: usize| {
            client.takes(bytes);
            assert_eq!(connection.poll_output(cx), Output::Pending);
        };
        for bytes in [0, 1, 1, 1] {
            take(bytes);
            for _ in 1..patience.lost {
                connection.pass(&patience);
            }
            assert_eq!(connection.lock().outbound.stage, Stage::Open);
        }
        take(0);
        connection.pass(&patience);
        assert_eq!(connection.lock().outbound.stage, Stage::Broken);
    }
}
