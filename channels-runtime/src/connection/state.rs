//! The state of one connection, without a socket, a clock, a waker or a queue.
//!
//! Every method is synchronous and returns [`Effects`], which [`Connection`](super::connection::Connection) executes. So the
//! order of events alone determines the state, and the tests play any order.
//!
//! Three enums describe a connection:
//!
//! - [`Stage`] is its life: `Connecting`, `Open`, `Closing` or `Broken`.
//! - [`HandlerState`] is its consumer: `Idle`, or `Handling` until its task has emptied the inbox. Nothing overtakes: a frame
//!   that arrives while the consumer handles waits in the inbox.
//! - [`SocketState`] is its output: `Ready`, `Writing` while the write queue writes without the lock, or `Full`.
//!
//! Next to these, `scheduled` is the set of priorities with which the connection is in the write queue. A method that adds a
//! priority returns it in `Effects::schedule`, and the caller pushes the connection. So the connection is in each queue at
//! most once, however late the caller pushes it.
//!
//! | state | event | next state | effects |
//! |---|---|---|---|
//! | `Connecting` | the handshake is answered | `Open` | output: schedule interactive |
//! | `Connecting` | output | `Connecting`, queued | none |
//! | `Connecting`, `Open` | a close | `Closing`, after the close frame | wake task and room; `Open`: schedule interactive |
//! | `Closing` | the handshake is answered | `Closing` | schedule interactive |
//! | `Closing`, `Broken` | a close, a frame, a heartbeat round | the same | none |
//! | `Closing` | the last byte is written | `Closing` | wake task and room |
//! | any stage | the client is gone, or a stream fails | `Broken` | wake room |
//! | any stage | a write of the write queue fails | `Broken` | wake task and room |
//! | `Open` | a silent client is due for a ping | `Open` | a ping unless `Full`: schedule bulk |
//! | `Open`; `Idle` or `Full` | no answer to the heartbeat | `Broken` | wake task and room, `Unanswered` |
//! | `Open`; `Handling`, not `Full` | no answer to the heartbeat | `Open`, asked again | a ping: schedule bulk |
//! | `Open` | the idle limit is reached | `Closing` | those of a close, `Idle` |
//! | `Idle`, empty inbox, not `Full` | a frame | output | schedule its priority |
//! | `Handling`, or a filled inbox | a frame | in the inbox | none |
//! | `Full` | a frame with a key | in the inbox | none |
//! | over the limit | a frame | `Closing` | those of a close, `TooSlow` |
//! | `Idle` | an event, a gap | in the inbox | wake task |
//! | `Handling` | an event, a gap | in the inbox | none |
//! | `Idle` | a handler begins | `Handling`, age not checked | none |
//! | any | next: an event | `Handling`, age checked | frames came first: schedule interactive |
//! | any | next: a gap | `Handling` | frames came first: schedule interactive |
//! | any | next: nothing more | `Idle` | none; frames came first: [`Next::Client`] with `held` |
//! | `Handling`, age checked | the turn ends | `Handling`, age not checked | none |
//! | `Ready`, not scheduled | output | scheduled | schedule its priority |
//! | `Ready`, scheduled bulk | interactive output | scheduled twice | schedule interactive |
//! | `Ready`, scheduled | other output | the same | none |
//! | `Full` | output | the same | none |
//! | `Ready` with output | a write starts | `Writing` | none |
//! | `Ready` without output, `Writing`, `Full`, `Broken` | a write starts | not scheduled | none |
//! | `Writing` | all is written | `Ready`, not scheduled | wake room |
//! | `Writing` | a part is written, or there is later output | `Ready`, scheduled | wake room |
//! | `Writing` | the socket takes no more | `Full`, not scheduled | wake task and room |
//! | `Full` | the socket is writable | `Ready`, scheduled bulk | schedule bulk |
//! | any | a stream takes all output | `Ready`, not scheduled | wake room |
//! | any | a stream takes no more | `Full`, not scheduled | wake room |
//!
//! A row that leaves out an enum holds for all of its values. "Wake room" is an effect only if there is room for a handler's
//! frame, except after a close and in `Broken`.

use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::effects::{Effects, EndRule, Priorities};
use crate::connection::heartbeat::HeartbeatPolicy;
use crate::connection::inbox::{Event, Inbox, InboxItem};
use crate::connection::outbound::{Outbound, Queue, SocketState};
use crate::layer::{Gap, WritePriority};
use crate::websocket::{CloseCode, EncodedFrame, PING};

/// The state of one connection.
pub(super) struct State {
    /// Bound: `capacity` events. Policy: the consumer's. Frames that wait here for their turn count as outbound bytes
    /// instead: they need space, but no handler.
    pub(super) inbox: Inbox,
    /// The number of events in the inbox.
    pub(super) events: u32,
    pub(super) capacity: u32,
    pub(super) outbound: Outbound,
    pub(super) stage: Stage,
    pub(super) handler: HandlerState,
    /// The priorities with which the connection is in the write queue, or about to be pushed to it.
    pub(super) scheduled: Priorities,
    pub(super) gaps: GapState,
    pub(super) layer_closed: bool,
}

/// The life of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The handshake is not answered yet. Output is queued and not written.
    Connecting,
    Open,
    /// The close frame is the last one in the outbound queue.
    Closing(CloseCode),
    /// The socket is gone.
    Broken,
}

/// What the consumer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandlerState {
    /// The task has emptied the inbox. Frames for the client need not wait.
    Idle,
    /// A handler runs, or the task has not emptied the inbox since. Everything that arrives waits in the inbox.
    Handling {
        /// The task has compared the age of an item with the clock in this turn. Later items are younger.
        age_checked: bool,
    },
}

/// What a consumer knows of gaps. Bound: one `Lost` and one `Restored` wait in the inbox, in this order, however often the
/// layer is lost meanwhile. The consumer is notified of the end of the last gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapState {
    /// The consumer has no gap methods.
    Ignored,
    /// There is no gap.
    Whole,
    /// `Lost` waits in the inbox, or was handled.
    Lost,
    /// `Restored` waits in the inbox.
    Restoring,
}

/// What the connection's task does next.
#[derive(Debug)]
pub(crate) enum Next {
    Event(Event),
    Gap(Gap),
    /// The inbox is empty, so the client's next message is handled.
    Client {
        /// Frames of the inbox were left to this task. If the client has sent nothing, the task writes them
        /// ([`Connection::write_held`]) before it sleeps, otherwise the write queue does ([`Connection::hand_over`]).
        ///
        /// [`Connection::write_held`]: super::connection::Connection::write_held
        /// [`Connection::hand_over`]: super::connection::Connection::hand_over
        held: bool,
    },
    /// The inbox is empty, and the client does not read its output, so its messages are not read.
    Nothing,
    /// The connection is being closed from this side.
    Closing(CloseCode),
    LayerClosed,
    /// The socket is gone.
    Broken,
}

/// The progress of the output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Flushed,
    Pending,
    Broken,
}

/// The connection is closed, or is closing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl State {
    /// Makes the state before the handshake is answered. `connect` runs before anything is taken from the inbox.
    pub(super) fn new(capacity: u32, outbound_limit: u32, has_gap_methods: bool) -> Self {
        Self {
            inbox: Inbox::default(),
            events: 0,
            capacity,
            outbound: Outbound::new(outbound_limit),
            stage: Stage::Connecting,
            handler: HandlerState::Handling { age_checked: false },
            scheduled: Priorities::NONE,
            gaps: if has_gap_methods { GapState::Whole } else { GapState::Ignored },
            layer_closed: false,
        }
    }

    /// Returns whether a frame may still be put before the close frame.
    pub(super) fn accepts_frames(&self) -> bool {
        matches!(self.stage, Stage::Connecting | Stage::Open)
    }

    /// Returns whether a handler may queue a frame. Frames in the inbox count, but they wait for the handler, so the handler
    /// never waits for them: when all other output is written, there is room.
    pub(super) fn has_room(&self) -> bool {
        !self.outbound.is_half_full() || self.outbound.is_empty()
    }

    /// Schedules a write, if there is output that is not scheduled, or not with this priority. Returns the priority then.
    pub(super) fn schedule(&mut self, priority: WritePriority) -> Priorities {
        let is_scheduled = self.scheduled.contains(WritePriority::Interactive) || self.scheduled.contains(priority);
        if is_scheduled || self.outbound.is_blocked() || self.outbound.is_empty() || self.stage == Stage::Connecting {
            return Priorities::NONE;
        }
        self.scheduled.set(priority, true);
        priority.into()
    }

    /// Starts the output: the handshake is answered.
    pub(super) fn open(&mut self) -> Effects {
        if self.stage == Stage::Connecting {
            self.stage = Stage::Open;
        }
        Effects::schedule(self.schedule(WritePriority::Interactive))
    }

    /// Queues the close frame after all other output. Only the first close has an effect.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) -> Effects {
        let mut effects = Effects::default();
        self.close_into(code, reason, &mut effects);
        effects
    }

    pub(super) fn close_into(&mut self, code: CloseCode, reason: &str, effects: &mut Effects) {
        if !self.accepts_frames() {
            return;
        }
        if self.handler == HandlerState::Idle {
            self.release_frames();
        }
        self.outbound.push(&EncodedFrame::close(code, reason));
        let is_connecting = self.stage == Stage::Connecting;
        self.stage = Stage::Closing(code);
        if !is_connecting {
            effects.schedule |= self.schedule(WritePriority::Interactive);
        }
        effects.wake_task = true;
        effects.wake_room = true;
    }

    /// Stops the output: the client is gone.
    pub(super) fn break_off(&mut self) -> Effects {
        self.stage = Stage::Broken;
        Effects { wake_room: true, ..Effects::default() }
    }

    /// Marks the consumer as handling: the handler of a client's message is about to run.
    pub(super) fn begin_handler(&mut self) {
        if self.handler == HandlerState::Idle {
            self.handler = HandlerState::Handling { age_checked: false };
        }
    }

    /// Ends the task's turn: time passes, so the age of the next item is checked again.
    pub(super) fn end_turn(&mut self) {
        if let HandlerState::Handling { age_checked } = &mut self.handler {
            *age_checked = false;
        }
    }

    /// Takes what the task does next. Frames that come first in the inbox move to the outbound queue. Without `inbox`, the
    /// inbox has to wait. Expired events are moved to `expired`, which the caller drops after unlocking.
    pub(super) fn next(
        &mut self,
        inbox: bool,
        expiry: Duration,
        clock: impl Fn() -> Instant,
        expired: &mut Vec<Event>,
    ) -> (Next, Effects) {
        let mut effects = Effects::default();
        let next = match self.stage {
            Stage::Broken => Some(Next::Broken),
            Stage::Closing(code) => Some(Next::Closing(code)),
            Stage::Connecting | Stage::Open if inbox => self.next_of_inbox(expiry, clock, expired, &mut effects),
            Stage::Connecting | Stage::Open => None,
        };
        let next = match next {
            Some(next) => next,
            None if self.has_room() => {
                let held = !effects.schedule.is_empty();
                effects.schedule = Priorities::NONE;
                Next::Client { held }
            }
            None => Next::Nothing,
        };
        (next, effects)
    }

    fn next_of_inbox(
        &mut self,
        expiry: Duration,
        clock: impl Fn() -> Instant,
        expired: &mut Vec<Event>,
        effects: &mut Effects,
    ) -> Option<Next> {
        let mut age_checked = self.handler == HandlerState::Handling { age_checked: true };
        while !self.holds_back()
            && let Some((at, item)) = self.inbox.pop_front()
        {
            if let InboxItem::Gap(gap) = item {
                // A gap never expires.
                if gap == Gap::Restored {
                    self.gaps = GapState::Whole;
                }
                self.handler = HandlerState::Handling { age_checked };
                return Some(Next::Gap(gap));
            }
            let is_expired = !age_checked && clock().saturating_duration_since(at) >= expiry;
            age_checked = !is_expired;
            effects.dropped.expired += u32::from(is_expired);
            match item {
                InboxItem::Frame(frame, _) => {
                    self.outbound.weight -= self.outbound.inbox_weight(&frame);
                    if !is_expired && self.stage == Stage::Open {
                        self.outbound.push(&frame);
                        effects.schedule |= self.schedule(WritePriority::Interactive);
                    }
                }
                InboxItem::Event(event, _) => {
                    self.events -= 1;
                    if !is_expired {
                        self.handler = HandlerState::Handling { age_checked };
                        return Some(Next::Event(event));
                    }
                    expired.push(event);
                }
                InboxItem::Gap(_) => unreachable!("a gap is returned above"),
            }
        }
        if self.layer_closed {
            return Some(Next::LayerClosed);
        }
        self.handler = HandlerState::Idle;
        None
    }

    /// Queues a frame of the connection's own handler. Returns `false` if there is no room.
    pub(super) fn send(&mut self, push: impl FnOnce(&mut Outbound)) -> (Result<bool, Closed>, Effects) {
        match self.stage {
            Stage::Closing(_) | Stage::Broken => return (Err(Closed), Effects::default()),
            // Nothing is written yet, so waiting would never end.
            Stage::Connecting => {}
            Stage::Open if self.has_room() => {}
            Stage::Open => return (Ok(false), Effects::default()),
        }
        push(&mut self.outbound);
        (Ok(true), Effects::schedule(self.schedule(WritePriority::Interactive)))
    }

    /// Queues a frame that answers the protocol. A connection that is closing needs none.
    pub(super) fn answer(&mut self, frame: &EncodedFrame) -> Effects {
        if !self.accepts_frames() {
            return Effects::default();
        }
        self.outbound.push(frame);
        Effects::schedule(self.schedule(WritePriority::Interactive))
    }

    /// Notifies the task that the layer is closed.
    pub(super) fn close_layer(&mut self) -> Effects {
        self.layer_closed = true;
        Effects { wake_task: true, ..Effects::default() }
    }

    /// Checks a client that has sent nothing for `silent` rounds, and no message for `idle` rounds. Changes `silent` if
    /// the client gets another chance.
    pub(super) fn check_heartbeat(&mut self, silent: &mut u32, idle: u32, policy: &HeartbeatPolicy) -> Effects {
        let mut effects = Effects::default();
        if self.stage != Stage::Open {
            return effects;
        }
        if *silent >= policy.lost {
            if self.handler == HandlerState::Idle || self.outbound.is_blocked() {
                let ended = Some(EndRule::Unanswered);
                return Effects { wake_task: true, ended, ..self.break_off() };
            }
            // While a handler runs the socket is not read, so the pong may have arrived. The client is asked again, and has
            // to answer after the handler.
            *silent = policy.ask;
        }
        // A full socket would not send a ping.
        if *silent == policy.ask && !self.outbound.is_blocked() {
            self.outbound.push_bytes(&PING);
            effects.schedule |= self.schedule(WritePriority::Bulk);
        }
        if idle >= policy.idle {
            effects.ended = Some(EndRule::Idle);
            self.close_into(CloseCode::GOING_AWAY, "no message for too long", &mut effects);
        }
        effects
    }

    // Writing.

    /// Takes the output, to write it without the lock. Returns `None` if there is none, if another thread writes, or if the
    /// socket is full or gone; then the connection has left the queue of this priority.
    pub(super) fn start_write(&mut self, priority: WritePriority) -> Option<Queue> {
        let taken = if self.stage == Stage::Broken { None } else { self.outbound.take() };
        if taken.is_none() {
            self.scheduled.set(priority, false);
        }
        taken
    }

    /// Puts back what was not written. Returns whether the connection belongs at the end of the queue again.
    pub(super) fn end_write(
        &mut self,
        taken: Queue,
        written: &io::Result<usize>,
        priority: WritePriority,
    ) -> (bool, Effects) {
        match written {
            Ok(written) => self.outbound.put_back(taken, *written, SocketState::Ready),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.outbound.put_back(taken, 0, SocketState::Full);
            }
            Err(_) => {
                self.outbound.put_back(taken, 0, SocketState::Ready);
                self.stage = Stage::Broken;
            }
        }
        let is_over = match self.stage {
            Stage::Connecting | Stage::Open => false,
            Stage::Closing(_) => self.outbound.is_empty(),
            Stage::Broken => true,
        };
        let effects = Effects {
            wake_task: is_over || self.outbound.is_blocked(),
            wake_room: self.has_room() || self.stage == Stage::Broken,
            ..Effects::default()
        };
        let more = !self.outbound.is_empty() && !self.outbound.is_blocked() && self.stage != Stage::Broken;
        self.scheduled.set(priority, more);
        (more, effects)
    }

    /// Returns the output for a task that writes its own stream.
    pub(super) fn start_stream_write(&mut self) -> &mut Outbound {
        self.scheduled = Priorities::NONE;
        &mut self.outbound
    }

    /// Ends the write of a task that writes its own stream.
    pub(super) fn end_stream_write(&mut self, written: &Poll<io::Result<()>>) -> (Output, Effects) {
        self.outbound.set_socket(if written.is_pending() { SocketState::Full } else { SocketState::Ready });
        let effects = Effects { wake_room: self.has_room(), ..Effects::default() };
        match written {
            Poll::Ready(Ok(())) => (Output::Flushed, effects),
            Poll::Pending => (Output::Pending, effects),
            Poll::Ready(Err(_)) => (Output::Broken, self.break_off()),
        }
    }

    /// Schedules the rest of the output: the full socket takes bytes again. A client with much pending output is not served
    /// before others.
    pub(super) fn socket_writable(&mut self) -> Effects {
        self.outbound.set_socket(SocketState::Ready);
        Effects::schedule(self.schedule(WritePriority::Bulk))
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
