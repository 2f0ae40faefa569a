//! What a connection shares with the rest of the process: its mailbox, and its outbound queue.
//!
//! Everything that a client is sent goes through the one outbound queue: replies, rendered events, pongs, the close
//! frame. So one sender's order holds, whoever writes to the socket. Both queues are behind one lock that is never held
//! over an await, and whoever puts something in never waits.

#[cfg(test)]
mod interleaving;
mod outbound;
mod pressure;
mod socket;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::Loss;
use crate::flusher::Flusher;
use crate::frame::CloseCode;
use crate::layer::Gap;
use crate::layer::local::{Counters, Delivery, Full, Mailbox, Prepare};
use crate::living::Patience;
use crate::meter::Rate;
use crate::stats::{count, counted};
use crate::wire::{PING, Rendered};
use outbound::Stage;

pub(crate) use outbound::{Outbound, Output};
pub(crate) use socket::Socket;

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

/// One connection, as senders and the flusher see it.
pub(crate) struct Connection {
    this: Weak<Self>,
    prepare: Prepare,
    state: Mutex<State>,
    /// The socket, if it is one that the flusher can write to. Otherwise the connection's own task writes.
    socket: OnceLock<Socket>,
    flusher: Arc<Flusher>,
    mailbox_capacity: u32,
    /// How often the heartbeat passed by since the client was last heard.
    silent: AtomicU16,
    /// And since it last sent a message: a pong is none.
    idle: AtomicU16,
    /// In milliseconds.
    expiry: u32,
    layer: Arc<Counters>,
}

struct State {
    /// Bound: `capacity` events. Policy: the consumer's; unless it says otherwise the new one is dropped, counted, and its
    /// sender told where it can be. Frames that wait here for their turn count as outbound bytes instead: they need nobody's
    /// attention, only room.
    mailbox: VecDeque<(Instant, Mail)>,
    /// How many of the mailbox are events.
    events: u32,
    outbound: Outbound,
    /// The connection's task, while it sleeps.
    task: Option<Waker>,
    /// A handler runs. What arrives now waits its turn in the mailbox, rendered frames too: nothing overtakes.
    busy: bool,
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

/// What waits in the mailbox.
enum Mail {
    Event(Event, Loss),
    Frame(Rendered, Loss),
    Gap(Gap),
}

/// What the connection's task does next.
pub(crate) enum Next {
    Event(Event),
    Gap(Gap),
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
        hears_of_gaps: bool,
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
                gaps: if hears_of_gaps { Gaps::Told(Gap::Restored) } else { Gaps::Deaf },
            }),
            socket: OnceLock::new(),
            flusher,
            mailbox_capacity: small(mailbox_capacity),
            silent: AtomicU16::new(0),
            idle: AtomicU16::new(0),
            expiry: u32::try_from(expiry.as_millis()).unwrap_or(u32::MAX),
            layer,
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

    // The connection's task.

    /// The handshake is answered: what was sent so far goes out. Without a socket the connection's task writes.
    pub(crate) fn open(&self, socket: Option<Socket>) {
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
            while !state.holds_back()
                && let Some((at, mail)) = state.mailbox.pop_front()
            {
                if let Mail::Gap(gap) = mail {
                    // Never too old.
                    if gap == Gap::Restored {
                        state.gaps = Gaps::Told(gap);
                    }
                    state.busy = true;
                    return Next::Gap(gap);
                }
                let expired = !*fresh && at.elapsed().as_millis() >= self.expiry.into();
                *fresh = !expired;
                if expired {
                    self.layer.count_expired();
                }
                match mail {
                    Mail::Frame(frame, _) => {
                        state.outbound.weight -= state.outbound.weigh_mail(&frame);
                        // Its turn has come, and it needs no handler.
                        if !expired && state.outbound.stage == Stage::Open {
                            state.outbound.push(&frame);
                            self.schedule(state);
                        }
                    }
                    Mail::Event(event, _) => {
                        state.events -= 1;
                        if !expired {
                            state.busy = true;
                            return Next::Event(event);
                        }
                        too_old.push(event);
                    }
                    Mail::Gap(_) => unreachable!("it was given out above"),
                }
            }
            if state.mailbox.is_empty() && state.mailbox.capacity() > 0 {
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
            if !state.busy {
                state.let_out();
            }
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
            socket.shut_down();
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
            let before = state.outbound.progress();
            let written = write(cx, &mut state.outbound);
            if state.outbound.blocked && before != state.outbound.progress() {
                self.heard();
            }
            state.outbound.blocked = written.is_pending();
            return state.outbound.written(&written);
        };
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
                    self.schedule(state);
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
            self.schedule(state);
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
        let Some(socket) = self.socket.get() else { return false };
        let taken = {
            let outbound = &mut self.lock().outbound;
            if outbound.blocked || outbound.stage == Stage::Broken || outbound.is_empty() {
                outbound.scheduled = false;
                return false;
            }
            outbound.take()
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
        state.outbound.scheduled =
            !state.outbound.is_empty() && !state.outbound.blocked && state.outbound.stage != Stage::Broken;
        state.outbound.scheduled
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
    fn tell(&mut self, gap: Gap, now: Instant) {
        match (self.gaps, gap) {
            (Gaps::Told(Gap::Restored), Gap::Lost) => self.gaps = Gaps::Told(gap),
            (Gaps::Told(Gap::Lost), Gap::Restored) => self.gaps = Gaps::Ending,
            (Gaps::Ending, Gap::Lost) => {
                // It has not heard of the end yet, and now this is not the end.
                self.mailbox.retain(|(_, waiting)| !matches!(waiting, Mail::Gap(Gap::Restored)));
                self.gaps = Gaps::Told(gap);
                return;
            }
            // It came in the middle of a gap, and has joined nothing before.
            _ => return,
        }
        self.mailbox.push_back((now, Mail::Gap(gap)));
        if !self.busy {
            wake(&mut self.task);
        }
    }
}

impl Mailbox for Connection {
    fn prepare(&self) -> Prepare {
        self.prepare
    }

    fn deliver(&self, delivery: &Delivery, now: Instant) -> Result<bool, Full> {
        // Declared before the lock is taken, so that a payload's own `drop` runs when it is free again.
        let mut gone = Vec::new();
        let state = &mut *self.lock();
        if let Some(key) = delivery.loss().key()
            && let Some(outdated) = state.outdated(key)
        {
            self.layer.count_coalesced();
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
                    state.mailbox.push_back((now, Mail::Frame(frame.clone(), *loss)));
                } else {
                    // Nothing is ahead of it: it needs neither the consumer nor its task.
                    state.outbound.push(frame);
                    self.schedule(state);
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
                if state.events >= self.mailbox_capacity
                    && !self.make_room_for_event(state, *loss, *policy, &mut gone)?
                {
                    return Ok(false);
                }
                state.events += 1;
                state.mailbox.push_back((now, Mail::Event(Arc::clone(event), *loss)));
                if !state.busy {
                    wake(&mut state.task);
                }
                Ok(true)
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
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use proptest::prelude::*;

    use super::outbound::tests::{queued, take, text};
    use super::*;
    use crate::consumer::MailboxPolicy;
    use crate::envelope::Envelope;
    use crate::frame::Frame;
    use crate::layer::local::Undeliverable;

    #[derive(Debug, Clone)]
    enum Call {
        /// A rendered frame of so many bytes for the client.
        Frame(usize),
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

    pub(super) fn never(_: &Envelope) -> Result<Delivery, Undeliverable> {
        Ok(Delivery::Nothing)
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
        let limits = Limits { max_message: 1, outbound: 8 * 1024, inbound: Rate { frames: 1, bytes: 1 } };
        let connection = Connection::new(
            never,
            Flusher::new(limits),
            limits,
            capacity,
            Duration::from_secs(3600),
            Arc::default(),
            false,
        );
        connection.open(None);
        let alarm = Arc::<Alarm>::default();
        let waker = Waker::from(Arc::clone(&alarm));
        let mut task = Context::from_waker(&waker);
        let (mut label, mut handling, mut asleep, mut output_waits) = (0, None, false, false);
        let (mut handled, mut accepted, mut written) = (Vec::new(), Vec::new(), Vec::new());
        let mut over = false;
        for call in calls {
            label += 1;
            match call {
                Call::Frame(size) => {
                    let frame = Delivery::Frame(labelled(label, size), Loss::default());
                    assert_eq!(connection.deliver(&frame, Instant::now()), Ok(true));
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
                Call::Run(mut takes) => {
                    handling = None;
                    asleep = false;
                    alarm.0.store(false, Relaxed);
                    let mut fresh = false;
                    while !over && handling.is_none() && !asleep {
                        let next = connection.next(&mut task, true, &mut fresh, |_, outbound| {
                            output_waits = !take(outbound, &mut takes, &mut written);
                            if output_waits { Poll::Pending } else { Poll::Ready(Ok(())) }
                        });
                        match next {
                            Next::Event(event) => {
                                let event = *event.downcast_ref::<usize>().unwrap();
                                handled.push(event);
                                handling = Some(event);
                            }
                            Next::Gap(_) => panic!("this consumer does not hear of gaps"),
                            Next::LayerClosed => connection.close(CloseCode::GOING_AWAY, ""),
                            // The client says nothing. What the task was woken for while it looked, it looks at again.
                            Next::Client | Next::Nothing => asleep = !alarm.0.swap(false, Relaxed),
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
                assert!(outbound.is_empty() || output_waits, "asleep beside output");
            }
        }
        assert_eq!(handled, accepted[..handled.len()], "events in their order, each once");
        let labels = labels(&written);
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

    /// A connection over a stream that takes what the test says.
    fn connection() -> Arc<Connection> {
        let inbound = Rate { frames: 1, bytes: 1 };
        let limits = Limits { max_message: 1, outbound: 1 << 20, inbound };
        let nothing = |_: &crate::envelope::Envelope| Ok(Delivery::Nothing);
        let connection =
            Connection::new(nothing, Flusher::new(limits), limits, 3, Duration::from_secs(60), Arc::default(), false);
        connection.open(None);
        connection
    }

    #[test]
    fn a_client_that_takes_what_waits_for_it_lives() {
        let patience = Patience::new(Some((Duration::from_secs(20), Duration::from_secs(30))), None).unwrap();
        let connection = connection();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(connection.offer(text(10_000).as_bytes()).unwrap());
        let mut take = |bytes: usize| {
            let takes = |_: &mut Context<'_>, outbound: &mut Outbound| {
                outbound.advance(bytes);
                Poll::Pending
            };
            assert_eq!(connection.poll_output(cx, takes), Output::Pending);
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
