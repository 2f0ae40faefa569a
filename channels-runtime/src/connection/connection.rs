//! One connection: its inbox, its outbound queue, and the state of its socket.

use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::{fmt, io};

use tokio::time::Instant;

use crate::connection::heartbeat::HeartbeatPolicy;
use crate::connection::inbox::{Event, Inbox, InboxItem};
use crate::connection::outbound::{Outbound, Output, Scheduled, Stage};
use crate::connection::shared::Shared;
use crate::connection::transport::Socket;
use crate::connection::write_queue::Writable;
use crate::layer::{Batch, Counters, Delivery, DeliveryCount, Full, Gap, Mailbox, MailboxKind, WritePriority};
use crate::name::ChannelName;
use crate::scope::Scope;
use crate::support::{count, lock, store, wake};
use crate::websocket::{CloseCode, EncodedFrame, PING};

/// One connection, as senders and the flusher see it. There are many, so what all of them share is the flusher's.
pub(crate) struct Connection {
    this: Weak<Self>,
    kind: &'static MailboxKind,
    channel: ChannelName,
    scope: Scope,
    state: Mutex<State>,
    /// From when the handshake is answered.
    socket: OnceLock<Socket>,
    pub(super) shared: Arc<Shared>,
    pub(super) mailbox_capacity: u32,
    /// How often the heartbeat passed by since the client was last heard.
    silent: AtomicU16,
    /// And since it last sent a message: a pong is none.
    idle: AtomicU16,
}

pub(super) struct State {
    /// Bound: `capacity` events. Policy: the consumer's; unless it says otherwise the new one is dropped, counted, and its
    /// sender told where it can be. Frames that wait here for their turn count as outbound bytes instead: they need nobody's
    /// attention, only room.
    pub(super) mailbox: Inbox,
    /// How many of the mailbox are events.
    pub(super) events: u32,
    pub(super) outbound: Outbound,
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
        kind: &'static MailboxKind,
        channel: ChannelName,
        scope: Scope,
        shared: Arc<Shared>,
        has_gap_methods: bool,
    ) -> Arc<Self> {
        let small = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let mailbox_capacity = small(shared.layer.config().capacity_of(channel.as_str()));
        let outbound = Outbound::new(small(shared.limits.outbound));
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kind,
            channel,
            scope,
            // `connect` runs before anything is taken from the mailbox.
            state: Mutex::new(State {
                mailbox: Inbox::default(),
                events: 0,
                outbound,
                task: None,
                busy: true,
                fresh: false,
                layer_closed: false,
                gaps: if has_gap_methods { Gaps::Told(Gap::Restored) } else { Gaps::Deaf },
            }),
            socket: OnceLock::new(),
            shared,
            mailbox_capacity,
            silent: AtomicU16::new(0),
            idle: AtomicU16::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        crate::support::point_before(&self.state);
        // Only code of this file runs under the lock, so a poisoned state is still whole.
        lock(&self.state)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn channel(&self) -> &ChannelName {
        &self.channel
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What happens to the messages of its layer.
    pub(crate) fn counters(&self) -> &Counters {
        self.shared.layer.backend().table().counters()
    }

    // The connection's task.

    /// The handshake is answered: what was sent so far goes out.
    pub(crate) fn open(&self, socket: Socket) {
        assert!(self.socket.set(socket).is_ok(), "a connection is opened once");
        let mut state = self.lock();
        if state.outbound.stage == Stage::Connecting {
            state.outbound.stage = Stage::Open;
        }
        self.schedule(&mut state, WritePriority::Interactive);
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
            self.tell_writer(state, WritePriority::Interactive);
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
            if let InboxItem::Gap(gap) = mail {
                // Never too old.
                if gap == Gap::Restored {
                    state.gaps = Gaps::Told(gap);
                }
                state.busy = true;
                return Some(Next::Gap(gap));
            }
            let expired = !state.fresh && at.elapsed() >= self.shared.layer.config().expiry;
            state.fresh = !expired;
            if expired {
                self.counters().count_expired();
            }
            match mail {
                InboxItem::Frame(frame, _) => {
                    state.outbound.weight -= state.outbound.weigh_mail(&frame);
                    // Its turn has come, and it needs no handler.
                    if !expired && state.outbound.stage == Stage::Open {
                        state.outbound.push(&frame);
                        *held |= state.outbound.claims_writer(WritePriority::Interactive);
                    }
                }
                InboxItem::Event(event, _) => {
                    state.events -= 1;
                    if !expired {
                        state.busy = true;
                        return Some(Next::Event(event));
                    }
                    too_old.push(event);
                }
                InboxItem::Gap(_) => unreachable!("it was given out above"),
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
        } else if self.flush(WritePriority::Interactive) {
            self.hand_over();
        }
    }

    /// Leaves what [`Self::next`] left to this task to whoever writes otherwise.
    pub(crate) fn hand_over(&self) {
        if !matches!(self.socket.get(), Some(Socket::Stream(_))) {
            self.push(WritePriority::Interactive);
        }
        // Otherwise it is this task, whenever it is polled again, as it will be: something is next.
    }

    fn push(&self, reach: WritePriority) {
        if let Some(this) = self.this.upgrade() {
            self.shared.write_queue.push(this, reach);
        }
    }

    /// The handler of a client's message is about to run.
    pub(crate) fn begin(&self) {
        self.idle.store(0, Relaxed);
        self.lock().busy = true;
    }

    /// The client lives: it sent something, or it takes what waited for it.
    pub(crate) fn mark_alive(&self) {
        self.silent.store(0, Relaxed);
    }

    /// Puts a frame of the connection's own into the outbound queue, if there is room.
    pub(crate) fn offer(&self, frame: &[u8]) -> Result<bool, Closed> {
        let mut state = self.lock();
        self.offer_locked(&mut state, |outbound| outbound.push_bytes(frame))
    }

    /// Puts a frame of the connection's own into the outbound queue, when there is room.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, frame: &EncodedFrame) -> Poll<Result<(), Closed>> {
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
        self.schedule(state, WritePriority::Interactive);
        Ok(true)
    }

    /// Puts an answer to the protocol into the outbound queue. If the connection is closing, the client needs none.
    pub(crate) fn answer(&self, frame: &EncodedFrame) {
        let mut state = self.lock();
        if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
            state.outbound.push(frame);
            self.schedule(&mut state, WritePriority::Interactive);
        }
    }

    /// Puts the close frame behind everything that waits. The first close counts.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.close_locked(&mut self.lock(), code, reason);
    }

    pub(super) fn close_locked(&self, state: &mut State, code: CloseCode, reason: &str) {
        if matches!(state.outbound.stage, Stage::Connecting | Stage::Open) {
            let connecting = state.outbound.stage == Stage::Connecting;
            if !state.busy {
                state.let_out();
            }
            state.outbound.push(&EncodedFrame::close(code, reason));
            state.outbound.stage = Stage::Closing(code);
            if !connecting {
                self.schedule(state, WritePriority::Interactive);
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
    pub(crate) fn end_turn(&self) {
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
                self.mark_alive();
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
                    self.mark_alive();
                    // Who lets much wait is not served before others.
                    self.schedule(state, WritePriority::Bulk);
                }
            }
        }
        if state.outbound.is_empty() { Output::Flushed } else { Output::Pending }
    }

    // Everyone.

    /// The heartbeat passes by: asks a client that is silent, and lets go of one that did not answer.
    pub(crate) fn check_heartbeat(&self, policy: &HeartbeatPolicy) {
        let once_more = |count: &AtomicU16| u32::from(count.fetch_add(1, Relaxed)) + 1;
        let (mut silent, idle) = (once_more(&self.silent), once_more(&self.idle));
        if silent < policy.ask && idle < policy.idle {
            return;
        }
        let state = &mut *self.lock();
        if state.outbound.stage != Stage::Open {
            return;
        }
        if silent >= policy.lost {
            if !state.busy || state.outbound.blocked {
                count(&self.shared.counters.unanswered);
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
            silent = policy.ask;
            self.silent.store(u16::try_from(silent).unwrap_or(u16::MAX), Relaxed);
        }
        // Behind a full socket a ping would not arrive.
        if silent == policy.ask && !state.outbound.blocked {
            state.outbound.push_bytes(&PING);
            self.schedule(state, WritePriority::Bulk);
        }
        if idle >= policy.idle {
            count(&self.shared.counters.idle);
            self.close_locked(state, CloseCode::GOING_AWAY, "nothing was said for too long");
        }
    }

    /// How many events wait for the consumer, and how many bytes for the client.
    pub(crate) fn backlog(&self) -> (u64, u64) {
        let state = self.lock();
        (state.events.into(), state.outbound.weight as u64)
    }

    /// Wakes whoever writes, if something waits and nobody knows of it yet.
    fn schedule(&self, state: &mut State, reach: WritePriority) {
        if state.outbound.claims_writer(reach) {
            self.tell_writer(state, reach);
        }
    }

    fn tell_writer(&self, state: &mut State, reach: WritePriority) {
        if matches!(self.socket.get(), Some(Socket::Stream(_))) {
            wake(&mut state.task);
        } else {
            self.push(reach);
        }
    }
}

impl Writable for Connection {
    /// The turn of one who is in this ring: writes all that waits, in one call where it fits. `true` if more is left to write:
    /// then it belongs at the end of the ring.
    fn flush(&self, reach: WritePriority) -> bool {
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

impl State {
    /// Whether joined frames go into the outbound queue as they are, and count what each of them would: nothing is ahead of
    /// them, and there is room for all.
    fn takes_at_once(&self, frames: &EncodedFrame) -> bool {
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
                self.mailbox.retain(|waiting| !matches!(waiting, InboxItem::Gap(Gap::Restored)));
                self.gaps = Gaps::Told(gap);
                return;
            }
            // It came in the middle of a gap, and has joined nothing before.
            _ => return,
        }
        self.mailbox.push_back(now, InboxItem::Gap(gap));
        if !self.busy {
            wake(&mut self.task);
        }
    }
}

impl Mailbox for Connection {
    fn name(&self) -> &ChannelName {
        &self.channel
    }

    fn kind(&self) -> &'static MailboxKind {
        self.kind
    }

    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full> {
        // Declared before the lock is taken, so that a payload's own `drop` runs when it is free again.
        let mut gone = Vec::new();
        self.deliver_locked(&mut self.lock(), delivery, now, WritePriority::Interactive, &mut gone)
    }

    fn deliver_all(&self, batch: &Batch<'_>) -> DeliveryCount {
        let (mut gone, mut taken) = (Vec::new(), DeliveryCount::default());
        let state = &mut *self.lock();
        if let Some(frames) = &batch.joined
            && state.takes_at_once(frames)
        {
            state.outbound.push(frames);
            self.schedule(state, batch.priority);
            return DeliveryCount { delivered: batch.deliveries.len() as u64, full: 0 };
        }
        for (delivery, at) in &batch.deliveries {
            taken.add(&self.deliver_locked(state, delivery, *at, batch.priority, &mut gone));
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
        reach: WritePriority,
        gone: &mut Vec<InboxItem>,
    ) -> Result<bool, Full> {
        if let Some(key) = delivery.drop_hint().key()
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
                    count(&self.shared.counters.too_slow);
                    self.close_locked(state, CloseCode::TRY_AGAIN_LATER, "you read too slowly");
                } else if state.busy || !state.mailbox.is_empty() || (state.outbound.blocked && loss.key().is_some()) {
                    state.outbound.weight += state.outbound.weigh_mail(frame);
                    state.mailbox.push_back(now, InboxItem::Frame(frame.clone(), *loss));
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
                state.mailbox.push_back(now, InboxItem::Event(Arc::clone(event), *loss));
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
#[path = "connection_tests.rs"]
pub(super) mod tests;
