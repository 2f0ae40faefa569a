//! The handle of one connection: locks the connection's state, and executes the effects of each change.

use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::{fmt, io};

use tokio::time::Instant;

use crate::connection::compression_state::CompressionState;
use crate::connection::heartbeat::HeartbeatPolicy;
use crate::connection::position_marker::PositionMarker;
use crate::connection::shared::Shared;
use crate::connection::state::{Closed, Next, Output, Stage, State};
use crate::connection::state_effects::{Dropped, Effects, EndRule, Priorities};
use crate::connection::transport::Socket;
use crate::event::Position;
use crate::layer::TooMuch;
use crate::layer::{
    Batch, Counters, Delivery, DeliveryCount, Full, Mailbox, MailboxKind, Scheduled, Writable, WritePriority,
};
use crate::name::ChannelName;
use crate::scope::Scope;
use crate::support::{Lease, Revoke, count, lock, store};
use crate::websocket::{CloseCode, Compression, EncodedFrame, Window};

/// One connection, as its task, senders and the write queue use it. To save memory, everything that connections share is in
/// [`Shared`].
pub(crate) struct Connection {
    this: Weak<Self>,
    kind: &'static MailboxKind,
    channel: ChannelName,
    scope: Scope,
    guarded: Mutex<Guarded>,
    /// Set when the handshake is answered.
    socket: OnceLock<Socket>,
    shared: Arc<Shared>,
    /// The number of heartbeat rounds since the last [`Self::mark_alive`].
    silent: AtomicU16,
    /// The number of heartbeat rounds since the client last sent a message. A pong is not a message.
    idle: AtomicU16,
    /// The window of a client that has offered compression.
    window: Window,
    compression: CompressionState,
}

/// The state, and the wakers of the tasks that wait for a change.
struct Guarded {
    state: State,
    /// The connection's task, while it sleeps.
    task: Option<Waker>,
    /// The waiter: a task that waits for space in the outbound queue. A handler may wait in a nested future with its own
    /// waker, so this is not always the waker of the connection's task.
    waiter: Option<Waker>,
}

impl Connection {
    /// Makes the connection of an accepted client. Messages can be sent to it, but its output waits until [`Self::open`].
    pub(crate) fn new(
        kind: &'static MailboxKind,
        channel: ChannelName,
        scope: Scope,
        shared: Arc<Shared>,
        has_gap_methods: bool,
        window: Window,
    ) -> Arc<Self> {
        let saturate = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let capacity = saturate(shared.layer.config().capacity_of(channel.as_str()));
        let mut state = State::new(capacity, saturate(shared.limits.outbound), has_gap_methods);
        state.outbound.window = window;
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kind,
            channel,
            scope,
            guarded: Mutex::new(Guarded { state, task: None, waiter: None }),
            socket: OnceLock::new(),
            shared,
            silent: AtomicU16::new(0),
            idle: AtomicU16::new(0),
            window,
            compression: CompressionState::default(),
        })
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

    /// Returns the counters of the connection's layer.
    pub(crate) fn counters(&self) -> &Counters {
        self.shared.layer.backend().table().counters()
    }

    // The lock and the execution of effects.

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        #[cfg(test)]
        crate::support::point_before(&self.guarded);
        lock(&self.guarded)
    }

    /// Changes the state, and executes the effects.
    fn update(&self, change: impl FnOnce(&mut State) -> Effects) {
        self.update_with(|state| ((), change(state)));
    }

    /// Changes the state, executes the effects, and returns the result of the change.
    fn update_with<T>(&self, change: impl FnOnce(&mut State) -> (T, Effects)) -> T {
        let mut guarded = self.lock();
        let (result, effects) = change(&mut guarded.state);
        self.execute(guarded, effects);
        result
    }

    /// Unlocks, and executes the effects.
    fn execute(&self, guarded: MutexGuard<'_, Guarded>, effects: Effects) {
        self.execute_but_schedule(guarded, effects).iter().for_each(|priority| self.push(priority));
    }

    /// Unlocks, and executes the effects except for the pushes to the write queue. Returns the priorities to push.
    ///
    /// The caller may push late: the connection is marked as scheduled, so no other thread pushes it.
    #[inline]
    fn execute_but_schedule(&self, mut guarded: MutexGuard<'_, Guarded>, effects: Effects) -> Priorities {
        let task_writes = !effects.schedule.is_empty() && self.task_writes();
        let task = if effects.wake_task || task_writes { guarded.task.take() } else { None };
        let waiter = if effects.wake_waiter { guarded.waiter.take() } else { None };
        drop(guarded);
        if effects.has_counts() {
            self.count(effects);
        }
        if let Some(task) = task {
            task.wake();
        }
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        if task_writes { Priorities::NONE } else { effects.schedule }
    }

    /// Returns whether the connection's task writes the output, not the write queue.
    fn task_writes(&self) -> bool {
        matches!(self.socket.get(), Some(Socket::Stream(_)))
    }

    fn push(&self, priority: WritePriority) {
        if let Some(this) = self.this.upgrade() {
            self.shared.write_queue.push(this, priority);
        }
    }

    #[cold]
    fn count(&self, effects: Effects) {
        let Dropped { expired, volatile, coalesced, oldest } = effects.dropped;
        let counters = self.counters();
        (0..expired).for_each(|_| counters.count_expired());
        if volatile > 0 {
            counters.count_volatile(volatile as usize);
        }
        (0..coalesced).for_each(|_| counters.count_coalesced());
        (0..oldest).for_each(|_| counters.count_oldest());
        let counters = &self.shared.counters;
        match effects.ended {
            None => {}
            Some(EndRule::TooSlow) => count(&counters.too_slow),
            Some(EndRule::Behind) => count(&counters.behind),
            Some(EndRule::Idle) => count(&counters.idle),
            Some(EndRule::Unfinished) => count(&counters.unfinished),
            Some(EndRule::Unanswered) => {
                count(&counters.unanswered);
                tracing::debug!("a client did not answer the heartbeat");
                if let Some(socket) = self.socket.get() {
                    socket.forget_unread();
                }
            }
        }
    }

    // Methods for the connection's task.

    /// Starts the output after the handshake is answered.
    pub(crate) fn open(&self, socket: Socket) {
        assert!(self.socket.set(socket).is_ok(), "a connection is opened once");
        self.update(State::open);
    }

    /// Reads once, into the thread's buffer. An empty slice means that the client has closed the connection.
    pub(crate) fn poll_read<T>(&self, cx: &mut Context<'_>, use_bytes: impl FnOnce(io::Result<&[u8]>) -> T) -> Poll<T> {
        self.socket.get().map_or(Poll::Pending, |socket| socket.poll_read(cx, use_bytes))
    }

    /// Does this task's part of the output, and returns the task's next action. If `inbox` is `false`, the inbox is not
    /// touched.
    ///
    /// If there is nothing to do, the task is woken when this changes.
    pub(crate) fn next(&self, cx: &mut Context<'_>, inbox: bool) -> Next {
        // Dropped after unlocking: a payload's Drop is user code.
        let mut expired = Vec::new();
        let mut guarded = self.lock();
        let (_, written) = self.write(&mut guarded, cx);
        let expiry = self.shared.layer.config().expiry;
        let (next, mut effects) = guarded.state.next(inbox, expiry, Instant::now, &mut expired);
        if matches!(next, Next::Nothing) {
            store(&mut guarded.waiter, cx);
        }
        effects.wake_waiter |= written.wake_waiter;
        effects.schedule |= written.schedule;
        self.execute(guarded, effects);
        next
    }

    /// Writes the output that [`Self::next`] left to this task. This is cheap: no other task is woken, and the socket is in the
    /// cache.
    pub(crate) fn write_held(&self, cx: &mut Context<'_>) {
        if self.task_writes() {
            self.poll_output(cx);
        } else if self.flush(WritePriority::Interactive) {
            self.hand_over();
        }
    }

    /// Passes the output that [`Self::next`] left to this task on to the write queue.
    pub(crate) fn hand_over(&self) {
        if !self.task_writes() {
            self.push(WritePriority::Interactive);
        }
        // Otherwise this task writes the output in its next poll. It has work to do, so that poll follows.
    }

    /// Returns a lease for the client's unfinished message.
    pub(crate) fn lease_memory(&self) -> Lease {
        let this: Weak<Self> = Weak::clone(&self.this);
        self.shared.unfinished.lease(this)
    }

    /// Prepares the state for the handler of a client's message.
    pub(crate) fn begin(&self) {
        self.idle.store(0, Relaxed);
        self.lock().state.begin_handler();
    }

    /// Resets the count of silent rounds, because the client has sent bytes or received pending ones.
    pub(crate) fn mark_alive(&self) {
        self.silent.store(0, Relaxed);
    }

    /// Queues a frame of the connection's own handler. Returns `false` if the outbound queue has no space.
    pub(crate) fn offer(&self, frame: &[u8]) -> Result<bool, Closed> {
        self.update_with(|state| state.send(|outbound| outbound.push_bytes(frame)))
    }

    /// Queues a frame of the connection's own handler as soon as the outbound queue has space.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, frame: &EncodedFrame) -> Poll<Result<(), Closed>> {
        let mut guarded = self.lock();
        let (sent, effects) = guarded.state.send(|outbound| outbound.push(frame));
        if sent == Ok(false) {
            store(&mut guarded.waiter, cx);
        }
        self.execute(guarded, effects);
        match sent {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(closed) => Poll::Ready(Err(closed)),
        }
    }

    /// Returns the compression for a frame of the connection's own handler. `None` if the frame is sent plain.
    pub(crate) fn compression_of_reply(&self, frame: &[u8]) -> Option<&Compression> {
        let compression = self.shared.compression.as_deref()?;
        let is_compressed = compression.includes_reply(frame)
            && self.window.is_some()
            && self.window.holds(frame.len())
            && self.compression.compresses_replies();
        is_compressed.then_some(compression)
    }

    /// Records that a frame of the connection's own handler was compressed.
    pub(crate) fn reply_compressed(&self) {
        self.compression.mark_used();
    }

    /// Sends the client plain messages from now on.
    pub(crate) fn turn_off_compression(&self) {
        self.compression.turn_off();
        self.lock().state.turn_off_compression();
    }

    /// Starts or ends the handler of an event that is never compressed.
    pub(crate) fn set_plain_event(&self, is_plain: bool) {
        self.compression.set_plain_event(is_plain);
    }

    /// Accepts the client's offer of compression. Returns `false` if the consumer has turned compression off.
    pub(crate) fn accept_compression(&self) -> bool {
        self.compression.accept()
    }

    /// Returns whether the client may compress its messages.
    pub(crate) fn allows_compressed(&self) -> bool {
        self.compression.is_accepted()
    }

    /// Queues a response of the WebSocket protocol, such as a pong. Has no effect on a closing connection.
    pub(crate) fn answer(&self, frame: &EncodedFrame) {
        self.update(|state| state.answer(frame));
    }

    /// Marks the client's position in the output, if the client receives server-sent events.
    #[inline]
    pub(crate) fn mark_position(&self, marker: PositionMarker<&Position>) {
        if self.kind.marks_positions
            && let Some(frame) = marker.encode()
        {
            self.answer(&frame);
        }
    }

    /// Queues the close frame after all other output. Further calls have no effect.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.update(|state| state.close(code, reason));
    }

    /// Stops the output after the client has disconnected.
    pub(crate) fn break_off(&self) {
        self.update(State::break_off);
    }

    /// Shuts down the sending half of the socket. The client may still send.
    pub(crate) fn half_close(&self, cx: &mut Context<'_>) {
        if let Some(socket) = self.socket.get() {
            socket.shut_down(cx);
        }
    }

    /// Ends this task's turn.
    pub(crate) fn end_turn(&self) {
        self.lock().state.end_turn();
    }

    /// Does this task's part of the output: waits until a full socket is writable, or writes to a stream.
    ///
    /// Returns `Flushed` if no output is pending. The task is woken when the stage changes, and when there is output that the
    /// task must write.
    pub(crate) fn poll_output(&self, cx: &mut Context<'_>) -> Output {
        let mut guarded = self.lock();
        guarded.state.end_turn();
        let (output, effects) = self.write(&mut guarded, cx);
        self.execute(guarded, effects);
        output
    }

    fn write(&self, guarded: &mut Guarded, cx: &mut Context<'_>) -> (Output, Effects) {
        store(&mut guarded.task, cx);
        let state = &mut guarded.state;
        if state.stage == Stage::Broken {
            return (Output::Broken, Effects::default());
        }
        let Some(socket) = self.socket.get() else { return (Output::Pending, Effects::default()) };
        let was_blocked = state.outbound.is_blocked();
        if let Socket::Stream(stream) = socket {
            let outbound = state.start_stream_write();
            let before = outbound.progress();
            let written = stream.poll_write(cx, outbound);
            if was_blocked && before != outbound.progress() {
                self.mark_alive();
            }
            return state.end_stream_write(&written);
        }
        let mut effects = Effects::default();
        if was_blocked {
            match socket.poll_write_ready(cx) {
                Poll::Pending => return (Output::Pending, effects),
                Poll::Ready(Err(_)) => return (Output::Broken, state.break_off()),
                Poll::Ready(Ok(())) => {
                    self.mark_alive();
                    effects = state.socket_writable();
                }
            }
        }
        (if state.outbound.is_empty() { Output::Flushed } else { Output::Pending }, effects)
    }

    // Methods for any task.

    /// Counts a heartbeat round. Pings a client that is silent, drops one that did not answer, and closes one that is idle.
    pub(crate) fn check_heartbeat(&self, policy: &HeartbeatPolicy) {
        let add_round = |rounds: &AtomicU16| u32::from(rounds.fetch_add(1, Relaxed)) + 1;
        let (mut silent, idle) = (add_round(&self.silent), add_round(&self.idle));
        if silent < policy.ping_after && idle < policy.close_idle_after {
            return;
        }
        let counted = silent;
        let mut guarded = self.lock();
        let effects = guarded.state.check_heartbeat(&mut silent, idle, policy);
        if silent != counted {
            self.silent.store(u16::try_from(silent).unwrap_or(u16::MAX), Relaxed);
        }
        self.execute(guarded, effects);
    }

    /// Returns the number of events that wait for the consumer, and the number of bytes that wait for the client.
    pub(crate) fn backlog(&self) -> (u64, u64) {
        let state = &self.lock().state;
        (state.events.into(), state.outbound.weight as u64)
    }
}

impl Writable for Connection {
    fn flush(&self, priority: WritePriority) -> bool {
        let Some(socket) = self.socket.get() else { return false };
        let taken = self.lock().state.start_write(priority);
        let Some(taken) = taken else { return false };
        let written = taken.write_with(|pieces| socket.try_write(pieces));
        let mut guarded = self.lock();
        let (more, effects) = guarded.state.end_write(taken, &written, priority);
        // The end of a write schedules none.
        _ = self.execute_but_schedule(guarded, effects);
        more
    }
}

impl Revoke for Connection {
    fn revoke(&self) {
        self.update(State::close_unfinished);
    }
}

impl Mailbox for Connection {
    fn name(&self) -> &ChannelName {
        &self.channel
    }

    fn kind(&self) -> &'static MailboxKind {
        self.kind
    }

    fn compression(&self) -> Option<&Arc<Compression>> {
        self.shared.compression.as_ref().filter(|_| self.window.is_some())
    }

    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full> {
        // Dropped after unlocking: a payload's Drop is user code.
        let mut dropped = Vec::new();
        self.update_with(|state| state.deliver(delivery, now, WritePriority::Interactive, &mut dropped))
    }

    fn deliver_all<'a>(&'a self, batch: &Batch<'_>, scheduled: &mut Scheduled<'a>) -> DeliveryCount {
        // Dropped after unlocking: a payload's Drop is user code.
        let mut dropped = Vec::new();
        let mut guarded = self.lock();
        let (count, effects) = guarded.state.deliver_all(batch, &mut dropped);
        let mut schedule = self.execute_but_schedule(guarded, effects);
        if schedule.contains(batch.priority)
            && let Some(this) = self.this.upgrade()
        {
            schedule.set(batch.priority, false);
            scheduled.add(&self.shared.write_queue, this, batch.priority);
        }
        // A close is interactive in a bulk batch, too.
        schedule.iter().for_each(|priority| self.push(priority));
        count
    }

    fn replay(&self, missed: &[Delivery]) -> Result<(), TooMuch> {
        let now = Instant::now();
        self.update_with(|state| match state.replay(missed, now) {
            Ok(effects) => (Ok(()), effects),
            Err(too_much) => (Err(too_much), Effects::default()),
        })
    }

    fn layer_closed(&self) {
        self.update(State::close_layer);
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
