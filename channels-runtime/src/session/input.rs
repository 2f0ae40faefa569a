//! The input of a session: the client's messages, read at most at the permitted rate. `turns` decides when each is handled.

use std::task::{Context as Task, Poll, ready};

use crate::connection::{PauseEvent, Rate, RateLimiter, inflate, milliseconds};
use crate::consumer::{Consumer, Context};
use crate::session::turn_budget::TurnBudget;
use crate::support::yield_now;
use crate::websocket::{ClientMessage, CompressedMessage, Decoder, InflatedMessage, MessageRules, ProtocolError};

/// The input of a session. The fields are in one struct, because two would pad each idle connection.
pub(super) struct Input {
    decoder: Decoder,
    rate_limiter: RateLimiter,
    /// The number of events that are handled before the client's turn.
    pub(super) events_left: u8,
    /// The work since the task last yielded.
    pub(super) turn: TurnBudget,
}

/// The number of events that are handled before the client's turn. It is the default capacity of a mailbox, so that a client
/// that sends much does not overflow its own mailbox.
pub(super) const EVENTS: u8 = 100;

/// The client's next message. `Ok(None)` if the client has disconnected.
pub(super) type Read = Result<Option<ClientMessage>, ProtocolError>;

impl Input {
    /// Creates the input of a connection. `read_ahead` holds the bytes that the client sent after its request.
    pub(super) fn new(read_ahead: &[u8], rate: Rate) -> Self {
        let mut decoder = Decoder::default();
        decoder.keep(read_ahead);
        Self { decoder, rate_limiter: RateLimiter::new(rate), events_left: EVENTS, turn: TurnBudget::default() }
    }

    /// Returns whether bytes have been read that are not decoded yet.
    pub(super) fn has_rest(&self) -> bool {
        self.decoder.has_rest()
    }

    /// Drops a message that the client has not finished, so that a closing connection does not hold it.
    pub(super) fn drop_message(&mut self) -> bool {
        self.decoder.drop_message()
    }

    /// Reads the next message while the client may send, and counts it against the client's rate.
    pub(super) fn poll_message<C: Consumer>(&mut self, cx: &mut Context<C>, task: &mut Task<'_>) -> Poll<Read> {
        ready!(self.poll_may_send(cx, task));
        let read = match cx.poll_inflation(task) {
            None => ready!(self.poll_read(cx, task)),
            Some(inflated) => self.count_inflated(ready!(inflated)),
        };
        let read = match read {
            Ok(Some(ClientMessage::Compressed(message))) => ready!(self.poll_inflate(message, cx, task)),
            read => read,
        };
        if let Ok(Some(_)) = read {
            self.rate_limiter.count_message();
        }
        Poll::Ready(read)
    }

    /// Inflates a message, on another thread if it is large.
    #[cold]
    fn poll_inflate<C: Consumer>(
        &mut self,
        message: CompressedMessage,
        cx: &mut Context<C>,
        task: &mut Task<'_>,
    ) -> Poll<Read> {
        let (connection, inflation) = cx.connection_and_inflation();
        let inflated = match inflate(connection, message, inflation) {
            Some(inflated) => inflated,
            None => ready!(cx.poll_inflation(task).expect("it has begun")),
        };
        Poll::Ready(self.count_inflated(inflated))
    }

    /// Counts an inflated message against the client's rate.
    fn count_inflated(&mut self, inflated: Result<InflatedMessage, ProtocolError>) -> Read {
        let InflatedMessage { frame, cost } = inflated?;
        self.rate_limiter.read(cost);
        self.turn.count_bytes(cost);
        Ok(Some(ClientMessage::Frame(frame)))
    }

    /// Pauses reading from a client that has sent more than it may.
    fn poll_may_send<C: Consumer>(&mut self, cx: &mut Context<C>, task: &mut Task<'_>) -> Poll<()> {
        if !self.rate_limiter.is_empty() {
            return Poll::Ready(());
        }
        let (connection, pause) = cx.connection_and_pause();
        let rate = connection.shared().limits.inbound;
        let on_pause = |event| match event {
            PauseEvent::Began => connection.shared().counters.count_throttled(),
            // Nothing was read during the pause, so the client does not count as silent.
            PauseEvent::Ended => connection.mark_alive(),
        };
        self.rate_limiter.poll_full(rate, pause, on_pause, task)
    }

    /// Counts a step. Returns whether the turn is over, and then starts the next one.
    pub(super) fn ends_turn(&mut self) -> bool {
        self.turn.count_step(milliseconds);
        let is_over = self.turn.is_spent();
        if is_over {
            self.turn.restart();
        }
        is_over
    }

    /// Reads the next message. Yields to other tasks if bytes keep coming without completing a message.
    pub(super) fn poll_read<C: Consumer>(&mut self, cx: &mut Context<C>, task: &mut Task<'_>) -> Poll<Read> {
        let connection = cx.connection();
        let max = connection.shared().limits.max_message;
        let rules = MessageRules { max, allow_compressed: connection.allows_compressed() };
        let mut fragments = 0;
        if self.decoder.has_rest() {
            let next = self.decoder.next(&[], rules, &mut fragments);
            self.rate_limiter.count_fragments(fragments);
            match next {
                Ok(None) => {}
                next => return Poll::Ready(next),
            }
        }
        loop {
            let Self { decoder, rate_limiter, turn, .. } = self;
            let connection = cx.connection();
            fragments = 0;
            let read = connection.poll_read(task, |read| match read {
                Ok(bytes) if !bytes.is_empty() => {
                    connection.mark_alive();
                    rate_limiter.read(bytes.len());
                    turn.count_bytes(bytes.len());
                    decoder.next(bytes, rules, &mut fragments).map(Some)
                }
                _ => Ok(None),
            });
            let read = ready!(read);
            rate_limiter.count_fragments(fragments);
            decoder.count_memory(|| connection.lease_memory());
            match read {
                // The bytes do not complete a message yet.
                Ok(Some(None)) => {
                    ready!(self.poll_may_send(cx, task));
                    if self.ends_turn() {
                        return yield_now(task);
                    }
                }
                Ok(Some(message)) => return Poll::Ready(Ok(message)),
                Ok(None) => return Poll::Ready(Ok(None)),
                Err(violation) => return Poll::Ready(Err(violation)),
            }
        }
    }
}
