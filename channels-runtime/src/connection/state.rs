//! The state of one connection, without a socket, a clock, a waker or a queue.
//!
//! Every method is synchronous and returns [`Effects`], which [`Connection`](super::connection::Connection) executes. So only
//! the order of calls determines the state, and a test can make the calls in any order.
//!
//! Three enums describe a connection:
//!
//! - [`Stage`] is its lifecycle: `Connecting`, `Open`, `Closing` or `Broken`.
//! - [`HandlerState`] describes its consumer: `Idle`, or `Handling` until the task has emptied the inbox. A frame that arrives
//!   in `Handling` waits in the inbox, so it does not overtake earlier events.
//! - [`SocketState`] describes its output: `Ready`, `Writing` while the write queue writes without the lock, or `Full`.
//!
//! In addition, `scheduled` is the set of priorities with which the connection is in the write queue. A method that adds a
//! priority returns it in `Effects::schedule`, and the caller pushes the connection. So the connection is in each queue at
//! most once, even if the caller pushes it late.
//!
//! In the table, the waiter is the task that waits for space in the outbound queue.
//!
//! | state | event | next state | effects |
//! |---|---|---|---|
//! | `Connecting` | the handshake is answered | `Open` | output: schedule interactive |
//! | `Connecting` | output | `Connecting`, queued | none |
//! | `Connecting`, `Open` | a close | `Closing`, after the close frame | wake task and waiter; `Open`: schedule interactive |
//! | `Closing` | the handshake is answered | `Closing` | schedule interactive |
//! | `Closing`, `Broken` | a close, a frame, a heartbeat round | the same | none |
//! | `Closing` | the last byte is written | `Closing` | wake task and waiter |
//! | any stage | the client has disconnected, or a stream fails | `Broken` | wake waiter |
//! | any stage | a write of the write queue fails | `Broken` | wake task and waiter |
//! | `Open` | a silent client is due for a ping | `Open` | a ping unless `Full`: schedule bulk |
//! | `Open`; `Idle` or `Full` | no answer to the heartbeat | `Broken` | wake task and waiter, `Unanswered` |
//! | `Open`; `Handling`, not `Full` | no answer to the heartbeat | `Open`, pinged again | a ping: schedule bulk |
//! | `Open` | the idle limit is reached | `Closing` | those of a close, `Idle` |
//! | `Idle`, empty inbox, not `Full` | a frame | output | schedule its priority |
//! | `Handling`, or a filled inbox | a frame | in the inbox | none |
//! | `Full` | a frame with a key | in the inbox | none |
//! | over the limit | a frame | `Closing` | those of a close, `TooSlow` |
//! | `Idle` | an event, a gap, a lost history | in the inbox | wake task |
//! | `Handling` | an event, a gap, a lost history | in the inbox | none |
//! | `Handling` | missed events | in the inbox, before all others | none |
//! | any | next: a kept event that is too old | `Closing` | those of a close, `Behind` |
//! | `Idle` | a handler begins | `Handling`, age not checked | none |
//! | any | next: an event | `Handling`, age checked | frames came first: schedule interactive |
//! | any | next: a gap, a lost history | `Handling` | frames came first: schedule interactive |
//! | any | next: the inbox is empty | `Idle` | none; frames came first: [`Next::Client`] with `held` |
//! | `Handling`, age checked | the turn ends | `Handling`, age not checked | none |
//! | `Ready`, not scheduled | output | scheduled | schedule its priority |
//! | `Ready`, scheduled bulk | interactive output | scheduled twice | schedule interactive |
//! | `Ready`, scheduled | other output | the same | none |
//! | `Full` | output | the same | none |
//! | `Ready` with output | a write starts | `Writing` | none |
//! | `Ready` without output, `Writing`, `Full`, `Broken` | a write starts | not scheduled | none |
//! | `Writing` | all is written | `Ready`, not scheduled | wake waiter |
//! | `Writing` | a part is written, or there is later output | `Ready`, scheduled | wake waiter |
//! | `Writing` | the socket is full | `Full`, not scheduled | wake task and waiter |
//! | `Full` | the socket is writable | `Ready`, scheduled bulk | schedule bulk |
//! | any | a stream takes all output | `Ready`, not scheduled | wake waiter |
//! | any | a stream is full | `Full`, not scheduled | wake waiter |
//!
//! A row that does not mention an enum applies to all of its values. "Wake waiter" is an effect only if there is space for a
//! handler's frame, except after a close and in `Broken`.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::heartbeat::HeartbeatPolicy;
use crate::connection::inbox::{Event, Inbox, InboxItem};
use crate::connection::outbound::{Outbound, Queue, SocketState};
use crate::connection::state_effects::{Effects, EndRule, Priorities};
use crate::event::HistoryLost;
use crate::layer::{Gap, WritePriority};
use crate::websocket::{CloseCode, EncodedFrame, PING, Window};

/// The state of one connection.
pub(super) struct State {
    /// Bound: `capacity` events. Policy: the consumer's. Frames in the inbox count as outbound bytes instead, because they are
    /// written without a handler.
    pub(super) inbox: Inbox,
    /// The number of events in the inbox.
    pub(super) events: u32,
    /// The maximum number of events in the inbox.
    pub(super) capacity: u32,
    pub(super) outbound: Outbound,
    pub(super) stage: Stage,
    pub(super) handler: HandlerState,
    /// The priorities with which the connection is in the write queue, or will be pushed to it.
    pub(super) scheduled: Priorities,
    pub(super) gaps: GapState,
    pub(super) layer_closed: bool,
}

/// The lifecycle of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The handshake is not answered yet. Output is queued but not written.
    Connecting,
    /// Output is written.
    Open,
    /// The close frame is queued, as the last frame.
    Closing(CloseCode),
    /// The client has disconnected, or the socket has failed. Output is discarded.
    Broken,
}

/// The activity of the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandlerState {
    /// The task has emptied the inbox. New frames go directly to the outbound queue.
    Idle,
    /// A handler runs, or one ran and the task has not emptied the inbox since. New messages wait in the inbox.
    Handling {
        /// The task has checked the age of an item in this turn. Later items are younger, so they are not checked.
        age_checked: bool,
    },
}

/// The gap of the layer, as the consumer is notified of it.
///
/// Bound: at most one `Lost` and then one `Restored` wait in the inbox, even if the layer is lost several times in this time.
/// The consumer is notified only of the end of the last gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapState {
    /// The consumer has no gap methods.
    Ignored,
    /// The layer has no gap, as far as the consumer knows.
    NoGap,
    /// `Lost` waits in the inbox, or was handled.
    Lost,
    /// `Restored` waits in the inbox.
    Restoring,
}

/// The next action of the connection's task.
#[derive(Debug)]
pub(crate) enum Next {
    Event(Event),
    Gap(Gap),
    HistoryLost(Arc<HistoryLost>),
    /// The inbox is empty, so the client's next message is handled.
    Client {
        /// The task must pass on frames that were in the inbox. If the client has not sent a message, the task writes them
        /// before it sleeps ([`Connection::write_held`]). Otherwise it leaves them to the write queue
        /// ([`Connection::hand_over`]).
        ///
        /// [`Connection::write_held`]: super::connection::Connection::write_held
        /// [`Connection::hand_over`]: super::connection::Connection::hand_over
        held: bool,
    },
    /// The inbox is empty. The client does not read its output, so the task does not read the client's messages.
    Nothing,
    /// The server has queued the close frame.
    Closing(CloseCode),
    /// The layer is closed.
    LayerClosed,
    /// The client has disconnected, or the socket has failed.
    Broken,
}

/// The state of the output after a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Flushed,
    Pending,
    Broken,
}

/// The error of a send on a connection that is closing or closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl State {
    /// Makes the state of a connection whose handshake is not answered yet. `connect` counts as a handler, so messages wait in
    /// the inbox until it has run.
    pub(super) fn new(capacity: u32, outbound_limit: u32, has_gap_methods: bool) -> Self {
        Self {
            inbox: Inbox::default(),
            events: 0,
            capacity,
            outbound: Outbound::new(outbound_limit),
            stage: Stage::Connecting,
            handler: HandlerState::Handling { age_checked: false },
            scheduled: Priorities::NONE,
            gaps: if has_gap_methods { GapState::NoGap } else { GapState::Ignored },
            layer_closed: false,
        }
    }

    /// Returns whether frames may still be queued: the close frame is not queued, and the socket works.
    pub(super) fn accepts_frames(&self) -> bool {
        matches!(self.stage, Stage::Connecting | Stage::Open)
    }

    /// Returns whether a handler may queue a frame.
    ///
    /// Frames in the inbox count against the limit. But they wait for the handler, so the handler must not wait for them: if
    /// the outbound queue is empty, there is always space.
    pub(super) fn has_space(&self) -> bool {
        !self.outbound.is_half_full() || self.outbound.is_empty()
    }

    /// Schedules a write if there is output that is not scheduled with this or a higher priority. Returns the added priority.
    pub(super) fn schedule(&mut self, priority: WritePriority) -> Priorities {
        let is_scheduled = self.scheduled.contains(WritePriority::Interactive) || self.scheduled.contains(priority);
        if is_scheduled || self.outbound.is_blocked() || self.outbound.is_empty() || self.stage == Stage::Connecting {
            return Priorities::NONE;
        }
        self.scheduled.set(priority, true);
        priority.into()
    }

    /// Starts the output after the handshake is answered.
    pub(super) fn open(&mut self) -> Effects {
        if self.stage == Stage::Connecting {
            self.stage = Stage::Open;
        }
        Effects::schedule(self.schedule(WritePriority::Interactive))
    }

    /// Queues the close frame after all other output. Further calls have no effect.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) -> Effects {
        let mut effects = Effects::default();
        self.close_into(code, reason, &mut effects);
        effects
    }

    /// Closes like [`Self::close`], and adds the effects to `effects`.
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
        effects.wake_waiter = true;
    }

    /// Closes the connection of a consumer that is too slow for its events. Its client reconnects, and receives kept events
    /// then.
    pub(super) fn close_behind(&mut self, reason: &str, effects: &mut Effects) {
        if self.accepts_frames() {
            effects.ended = Some(EndRule::Behind);
            self.close_into(CloseCode::TRY_AGAIN_LATER, reason, effects);
        }
    }

    /// Stops the output after the client has disconnected.
    pub(super) fn break_off(&mut self) -> Effects {
        self.stage = Stage::Broken;
        Effects { wake_waiter: true, ..Effects::default() }
    }

    /// Marks the consumer as handling, before the handler of a client's message runs.
    pub(super) fn begin_handler(&mut self) {
        if self.handler == HandlerState::Idle {
            self.handler = HandlerState::Handling { age_checked: false };
        }
    }

    /// Ends the task's turn. Time passes until the next turn, so the age of the next item is checked again.
    pub(super) fn end_turn(&mut self) {
        if let HandlerState::Handling { age_checked } = &mut self.handler {
            *age_checked = false;
        }
    }

    /// Returns the task's next action, and takes its event from the inbox. Frames at the front of the inbox move to the
    /// outbound queue. If `inbox` is `false`, the inbox is not touched. Expired events are moved to `expired`, which the caller
    /// drops after unlocking.
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
            None if self.has_space() => {
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
                    self.gaps = GapState::NoGap;
                }
                self.handler = HandlerState::Handling { age_checked };
                return Some(Next::Gap(gap));
            }
            if let InboxItem::HistoryLost(lost) = item {
                self.handler = HandlerState::Handling { age_checked };
                return Some(Next::HistoryLost(lost));
            }
            let is_expired = !age_checked && clock().saturating_duration_since(at) >= expiry;
            age_checked = !is_expired;
            effects.dropped.expired += u32::from(is_expired);
            if is_expired && item.hint().is_kept() {
                // The frames behind it stay in the inbox: their positions would be after the missed one.
                self.handler = HandlerState::Handling { age_checked };
                self.close_behind("a kept event waited too long", effects);
            }
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
                InboxItem::Gap(_) | InboxItem::HistoryLost(_) => unreachable!("a gap is returned above"),
            }
            if let Stage::Closing(code) = self.stage {
                return Some(Next::Closing(code));
            }
        }
        if self.layer_closed {
            return Some(Next::LayerClosed);
        }
        self.handler = HandlerState::Idle;
        None
    }

    /// Queues a frame of the connection's own handler. Returns `false` if the outbound queue has no space.
    pub(super) fn send(&mut self, push: impl FnOnce(&mut Outbound)) -> (Result<bool, Closed>, Effects) {
        match self.stage {
            Stage::Closing(_) | Stage::Broken => return (Err(Closed), Effects::default()),
            // Nothing is written yet, so waiting would never end.
            Stage::Connecting => {}
            Stage::Open if self.has_space() => {}
            Stage::Open => return (Ok(false), Effects::default()),
        }
        push(&mut self.outbound);
        (Ok(true), Effects::schedule(self.schedule(WritePriority::Interactive)))
    }

    /// Queues a response of the WebSocket protocol, such as a pong. Has no effect on a closing connection.
    pub(super) fn answer(&mut self, frame: &EncodedFrame) -> Effects {
        if !self.accepts_frames() {
            return Effects::default();
        }
        self.outbound.push(frame);
        Effects::schedule(self.schedule(WritePriority::Interactive))
    }

    /// Sends the client plain messages from now on.
    pub(super) fn turn_off_compression(&mut self) {
        let weigh = |state: &Self| {
            let frames = state.inbox.iter().map(|(_, item)| match item {
                InboxItem::Frame(frame, _) => state.outbound.inbox_weight(frame),
                InboxItem::Event(..) | InboxItem::Gap(_) | InboxItem::HistoryLost(_) => 0,
            });
            frames.sum::<usize>()
        };
        // Frames in the inbox have no form yet.
        self.outbound.weight -= weigh(self);
        self.outbound.window = Window::NONE;
        self.outbound.weight += weigh(self);
    }

    /// Notifies the task that the layer is closed.
    pub(super) fn close_layer(&mut self) -> Effects {
        self.layer_closed = true;
        Effects { wake_task: true, ..Effects::default() }
    }

    /// Applies the heartbeat policy to a client that has sent nothing for `silent` rounds, and has not sent a message for
    /// `idle` rounds. Reduces `silent` if the client is pinged again instead of dropped.
    pub(super) fn check_heartbeat(&mut self, silent: &mut u32, idle: u32, policy: &HeartbeatPolicy) -> Effects {
        let mut effects = Effects::default();
        if self.stage != Stage::Open {
            return effects;
        }
        if *silent >= policy.drop_after {
            if self.handler == HandlerState::Idle || self.outbound.is_blocked() {
                let ended = Some(EndRule::Unanswered);
                return Effects { wake_task: true, ended, ..self.break_off() };
            }
            // While a handler runs, the task does not read the socket, so the pong may have arrived unread. The client is
            // pinged again, and must answer after the handler has returned.
            *silent = policy.ping_after;
        }
        // A full socket cannot send a ping.
        if *silent == policy.ping_after && !self.outbound.is_blocked() {
            self.outbound.push_bytes(&PING);
            effects.schedule |= self.schedule(WritePriority::Bulk);
        }
        if idle >= policy.close_idle_after {
            effects.ended = Some(EndRule::Idle);
            self.close_into(CloseCode::GOING_AWAY, "no message for too long", &mut effects);
        }
        effects
    }

    /// Closes the connection, because its unfinished message needs memory.
    pub(super) fn close_unfinished(&mut self) -> Effects {
        let mut effects = Effects::default();
        if self.accepts_frames() {
            effects.ended = Some(EndRule::Unfinished);
            self.close_into(
                CloseCode::TRY_AGAIN_LATER,
                "your message is not finished, and memory is short",
                &mut effects,
            );
        }
        effects
    }

    // Methods for the write queue and for tasks that write.

    /// Takes the output, to write it without the lock.
    ///
    /// Returns `None` if the output is empty, if another thread writes, or if the socket is full or broken. In these cases the
    /// connection leaves the queue of this priority.
    pub(super) fn start_write(&mut self, priority: WritePriority) -> Option<Queue> {
        let taken = if self.stage == Stage::Broken { None } else { self.outbound.take() };
        if taken.is_none() {
            self.scheduled.set(priority, false);
        }
        taken
    }

    /// Puts back the output that was not written. Returns whether the caller must append the connection to the queue again.
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
            wake_waiter: self.has_space() || self.stage == Stage::Broken,
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
        let effects = Effects { wake_waiter: self.has_space(), ..Effects::default() };
        match written {
            Poll::Ready(Ok(())) => (Output::Flushed, effects),
            Poll::Pending => (Output::Pending, effects),
            Poll::Ready(Err(_)) => (Output::Broken, self.break_off()),
        }
    }

    /// Schedules the rest of the output after a full socket has become writable. The priority is bulk: a client with much
    /// pending output must not delay other clients.
    pub(super) fn socket_writable(&mut self) -> Effects {
        self.outbound.set_socket(SocketState::Ready);
        Effects::schedule(self.schedule(WritePriority::Bulk))
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
