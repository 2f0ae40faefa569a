//! One connection's life: connect, one message at a time, disconnect.
//!
//! A consumer is never called twice at once. Events of the layer and frames of the client take turns, each kind in its
//! order. However the connection ends, its groups are left, `disconnect` runs once, and then the socket is closed.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use tracing::Instrument;

use crate::connection::{self, Connection, Next, Output, PauseEvent, RateLimiter, Socket};
use crate::consumer::{BoxFuture, Consumer, Context, Delivered};
use crate::error::{CommandError, Error, shown, without_value};
use crate::layer::{Gap, batching};
use crate::session::end::end;
use crate::session::open::Opened;
use crate::session::spans;
use crate::session::spans::within;
use crate::support::{CatchPanic, catch_panic, count, metrics, panic_message};
use crate::websocket::{ClientMessage, CloseCode, Decoder, EncodedFrame, ProtocolError};

/// How long the client may take to answer a close frame before the socket is closed anyway.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// How many events of the layer are handled before a frame of the client gets its turn: as many as the mailbox holds by
/// default, so that a client who talks much does not make its own mailbox overflow.
const MAILS: u8 = 100;

/// How many frames of one read are handled before the sockets are written to.
const BURST: u8 = 16;

impl<C: Consumer> Opened<C> {
    /// Serves the connection to its end.
    pub(crate) fn into_session(self, socket: Socket, read_ahead: &[u8]) -> Session<C> {
        let Self { consumer, cx, span: _ } = self;
        cx.connection().open(socket);
        let mut decoder = Decoder::default();
        decoder.keep(read_ahead);
        let rate_limiter = RateLimiter::new(cx.connection().shared().limits.inbound);
        Session { consumer, cx, decoder, rate_limiter, mails_left: MAILS, burst: 0 }
    }

    /// The client was gone before the handshake was answered.
    pub(crate) async fn abandon(mut self) {
        end(&mut self.consumer, &mut self.cx, CloseCode::ABNORMAL).instrument(self.span).await;
    }
}

/// A handler that has begun.
type Begun<'a> = CatchPanic<'a, Result<(), Error>>;

/// Begins what the step asks for: a handler, or what is done without one; and says more of the trigger, where there is more.
///
/// A function of its own, so that a connection that waits for its handler does not carry the step with it.
fn begin<'a, C: Consumer>(
    consumer: &'a mut C,
    cx: &'a mut Context<C>,
    connection: &Connection,
    step: Step,
    event: &'a mut Option<Arc<Delivered<C::Event>>>,
    trigger: &mut Trigger,
) -> Option<Begun<'a>> {
    let began = metrics::begun();
    let call = match step {
        Step::Event(delivered) => {
            let event = &**event.insert(delivered.downcast().expect("prepared for this consumer"));
            let span = spans::event::<C>(event.event());
            catch_panic(|| within(span, || consumer.dispatch(cx, event)))
        }
        Step::Gap(gap) => {
            let span = spans::call::<C>(gap.attribute());
            catch_panic(|| within(span, || consumer.gap(cx, gap)))
        }
        Step::Client(ClientMessage::Frame(frame)) => {
            connection.begin();
            catch_panic(|| match C::decode_command(frame) {
                Ok(received) => {
                    let place = spans::command_index::<C>(&received);
                    *trigger = Trigger::Command(place);
                    within(spans::command::<C>(place), || consumer.receive(cx, received))
                }
                Err(error) => within(spans::call::<C>("receive"), || refuse(consumer, cx, error)),
            })
        }
        other => {
            if let Some((code, last)) = without_handler(connection, other) {
                *trigger = Trigger::End(code, last);
            }
            return None;
        }
    };
    Some(CatchPanic(metrics::timed(C::INFO.name, trigger.attribute(), began, call.0)))
}

/// Does what needs no handler. Gives how the connection ends, if it is over.
fn without_handler(connection: &Connection, step: Step) -> Option<(CloseCode, CloseWait)> {
    match step {
        Step::Event(_) | Step::Gap(_) | Step::Client(ClientMessage::Frame(_)) => unreachable!("they have handlers"),
        Step::Client(ClientMessage::Pong) => None,
        Step::Client(ClientMessage::Ping(payload)) => {
            connection.answer(&EncodedFrame::pong(&payload));
            None
        }
        Step::Client(ClientMessage::Close(code)) => {
            connection.close(code, "");
            Some((code, CloseWait::Flush))
        }
        Step::ProtocolError(violation) => {
            connection.close(violation.code, violation.reason);
            Some((violation.code, CloseWait::HangUp))
        }
        Step::LayerClosed => {
            connection.close(CloseCode::GOING_AWAY, "the channel layer is closed");
            None
        }
        Step::Closing(code) => Some((code, CloseWait::Answer)),
        Step::Gone => {
            connection.break_off();
            Some((CloseCode::ABNORMAL, CloseWait::Flush))
        }
    }
}

/// A frame that is no command is counted, logged and answered. Quietly, because any client can send a lot of them.
#[cold]
fn refuse<'a, C: Consumer>(
    consumer: &'a mut C,
    cx: &'a mut Context<C>,
    error: CommandError,
) -> BoxFuture<'a, Result<(), Error>> {
    metrics::refused(C::INFO.name, error.code());
    count(&cx.connection().shared().counters.refused);
    tracing::debug!(
        consumer = C::INFO.name,
        command = error.command().map(shown),
        field = error.field().map(shown),
        channel = cx.channel_name().as_str(),
        peer = cx.scope().client().map(|client| client.to_string()),
        error = shown(&without_value(&error.to_string())),
        "a client's frame is no command"
    );
    consumer.refuse(cx, error)
}

/// One connection with its consumer.
pub(crate) struct Session<C: Consumer> {
    consumer: C,
    cx: Context<C>,
    decoder: Decoder,
    rate_limiter: RateLimiter,
    /// How many events are handled before it is the client's turn.
    mails_left: u8,
    /// How much was handled without a turn for the others.
    burst: u8,
}

/// What happens next.
enum Step {
    Event(connection::Event),
    Gap(Gap),
    Client(ClientMessage),
    ProtocolError(ProtocolError),
    /// The connection is closing from this side.
    Closing(CloseCode),
    LayerClosed,
    /// The client is gone.
    Gone,
}

impl Step {
    fn with_cause(self) -> (Self, Trigger) {
        let trigger = match &self {
            Self::Event(_) => Trigger::Event,
            Self::Gap(gap) => Trigger::Gap(*gap),
            _ => Trigger::Client,
        };
        (self, trigger)
    }
}

/// What a handler runs for; or that none does, because the connection is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Event,
    Client,
    /// The client, too: a command, by its place among those of its consumer.
    Command(u8),
    Gap(Gap),
    End(CloseCode, CloseWait),
}

impl Trigger {
    /// What stands above the handler, for the log.
    fn attribute(self) -> &'static str {
        match self {
            Self::Event => "handler",
            Self::Client | Self::Command(_) => "receive",
            Self::Gap(gap) => gap.attribute(),
            Self::End(..) => "disconnect",
        }
    }
}

impl<C: Consumer> Session<C> {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.cx.connection()
    }

    /// Serves the connection to its end; `alive` is dropped with it.
    // One future that owns all of it: one inside of another would keep what both know twice, in every idle connection.
    pub(crate) fn run(mut self, alive: impl Send) -> impl Future<Output = ()> + Send {
        let connection = Arc::clone(self.connection());
        async move {
            // One message after the other, until it is over.
            let (code, last) = loop {
                // A local that is borrowed, as `trigger` would borrow the step here, is kept while the handler runs.
                let (step, mut trigger) = poll_fn(|task| self.poll_step(&connection, task).map(Step::with_cause)).await;
                batching::begin_batch(matches!(step, Step::Client(_)) && self.decoder.has_rest());
                {
                    let Self { consumer, cx, .. } = &mut self;
                    let mut event = None;
                    // Awaited where it is made: what has a name of its own is kept twice.
                    let done = drive_output_while(
                        &connection,
                        begin(consumer, cx, &connection, step, &mut event, &mut trigger),
                    )
                    .await;
                    check::<C>(&connection, done, trigger, event.as_deref());
                }
                if let Trigger::End(code, last) = trigger {
                    break (code, last);
                }
                if self.has_had_its_turn(&connection) {
                    tokio::task::yield_now().await;
                }
            };
            let Self { consumer, cx, .. } = &mut self;
            // Boxed, because an idle connection should not carry the room for its end with it.
            let ending: BoxFuture<'_, ()> = Box::pin(end(consumer, cx, code));
            drive_output_while(&connection, Some(ending)).await;
            // A close frame may still wait; the client's answer to it may, too.
            _ = Box::pin(tokio::time::timeout(CLOSE_DEADLINE, self.linger(last))).await;
            // Captured, and not moved, which it would have to remember.
            _ = &alive;
        }
    }

    /// Whether the sockets and the other connections get their turn now.
    ///
    /// What one read brought is handled together, so that what it sets off is written together. Neither a flood of frames
    /// (pings and pongs are frames, too) nor one of events can outrun the sockets. A client that has said all needs no rule:
    /// a read that did not fill the buffer was the last one until the readiness of its socket is asked for again.
    fn has_had_its_turn(&mut self, connection: &Connection) -> bool {
        self.burst += 1;
        let over = self.burst >= BURST;
        if over {
            self.burst = 0;
            batching::flush_batch();
            connection.end_turn();
        }
        over
    }

    fn poll_step(&mut self, connection: &Connection, task: &mut Task<'_>) -> Poll<Step> {
        let step = self.poll_next(connection, task);
        if step.is_pending() {
            batching::flush_batch();
            self.burst = 0;
        }
        step
    }

    fn poll_next(&mut self, connection: &Connection, task: &mut Task<'_>) -> Poll<Step> {
        // Whoever does not have the first turn has the second.
        let mails_first = self.mails_left > 0;
        for mails in [mails_first, true] {
            let step = match connection.next(task, mails) {
                Next::Event(event) => {
                    self.mails_left = self.mails_left.saturating_sub(1);
                    return Poll::Ready(Step::Event(event));
                }
                Next::Gap(gap) => Step::Gap(gap),
                Next::Client { held } => match self.poll_client(task) {
                    Poll::Ready(step) => {
                        // What that leads to can be written together with what is held.
                        if held {
                            connection.hand_over();
                        }
                        step
                    }
                    Poll::Pending => {
                        if held {
                            connection.write_held(task);
                        }
                        if mails {
                            return Poll::Pending;
                        }
                        // It was its turn.
                        self.mails_left = MAILS;
                        continue;
                    }
                },
                Next::Nothing if mails => return Poll::Pending,
                Next::Nothing => {
                    self.mails_left = MAILS;
                    continue;
                }
                Next::Closing(code) => Step::Closing(code),
                Next::LayerClosed => Step::LayerClosed,
                Next::Broken => Step::Gone,
            };
            self.mails_left = MAILS;
            return Poll::Ready(step);
        }
        Poll::Pending
    }

    fn poll_client(&mut self, task: &mut Task<'_>) -> Poll<Step> {
        ready!(self.poll_may_speak(task));
        let next = ready!(self.poll_read(task));
        Poll::Ready(match next {
            Ok(Some(incoming)) => {
                self.rate_limiter.count_message();
                Step::Client(incoming)
            }
            Ok(None) => Step::Gone,
            Err(violation) => Step::ProtocolError(violation),
        })
    }

    /// A client that has said more than it may is not listened to, for a moment.
    fn poll_may_speak(&mut self, task: &mut Task<'_>) -> Poll<()> {
        if !self.rate_limiter.is_empty() {
            return Poll::Ready(());
        }
        let (connection, pause) = self.cx.connection_and_pause();
        let rate = connection.shared().limits.inbound;
        let on_pause = |event| match event {
            PauseEvent::Began => connection.shared().counters.count_throttled(),
            // Nothing was read during the pause, so silence means nothing.
            PauseEvent::Ended => connection.mark_alive(),
        };
        self.rate_limiter.poll_full(rate, pause, on_pause, task)
    }

    /// The client's next message; `None` when it is gone.
    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<ClientMessage>, ProtocolError>> {
        let max_message = self.cx.connection().shared().limits.max_message;
        if self.decoder.has_rest() {
            match self.decoder.next(&[], max_message) {
                Ok(None) => {}
                next => return Poll::Ready(next),
            }
        }
        loop {
            let Self { cx, decoder, rate_limiter, .. } = self;
            let connection = cx.connection();
            let read = connection.poll_read(task, |read| match read {
                Ok(bytes) if !bytes.is_empty() => {
                    connection.mark_alive();
                    rate_limiter.read(bytes.len());
                    decoder.next(bytes, max_message).map(Some)
                }
                _ => Ok(None),
            });
            match ready!(read) {
                // Bytes came, but no whole message yet.
                Ok(Some(None)) => ready!(self.poll_may_speak(task)),
                Ok(Some(incoming)) => return Poll::Ready(Ok(incoming)),
                Ok(None) => return Poll::Ready(Ok(None)),
                Err(violation) => return Poll::Ready(Err(violation)),
            }
        }
    }

    /// Waits until the close frame is written, and until the client has done its part.
    ///
    /// What the client still says is read meanwhile: otherwise the kernel would answer it with a reset, which destroys
    /// the close frame on its way.
    async fn linger(&mut self, mut last: CloseWait) {
        let mut half_closed = false;
        if last == CloseWait::Flush && self.decoder.has_rest() {
            // It speaks on behind its close frame.
            last = CloseWait::HangUp;
        }
        poll_fn(|task| {
            let output = self.connection().poll_output(task);
            if output == Output::Broken {
                return Poll::Ready(());
            }
            while last == CloseWait::Answer {
                match ready!(self.poll_read(task)) {
                    Ok(Some(ClientMessage::Close(_)) | None) => last = CloseWait::Flush,
                    Ok(Some(_)) => {}
                    Err(_) => last = CloseWait::HangUp,
                }
            }
            if last == CloseWait::HangUp && output == Output::Flushed && !half_closed {
                // The client sees the close frame and then the end, and hangs up too.
                half_closed = true;
                self.connection().half_close(task);
            }
            while last == CloseWait::HangUp {
                if ready!(self.connection().poll_read(task, |read| read.map_or(true, <[u8]>::is_empty))) {
                    last = CloseWait::Flush;
                }
            }
            if output == Output::Flushed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A handler that failed ends its own connection, with no detail for the client.
fn check<C: Consumer>(
    connection: &Connection,
    done: Option<Result<Result<(), Error>, Box<dyn Any + Send>>>,
    trigger: Trigger,
    event: Option<&Delivered<C::Event>>,
) {
    let Some(done) = done.filter(|done| !matches!(done, Ok(Ok(())))) else { return };
    let at = trigger.attribute();
    let event = event.map(|event| spans::event_name::<C>(event.event()));
    let command = if let Trigger::Command(place) = trigger { Some(spans::command_name::<C>(place)) } else { None };
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(consumer = C::INFO.name, at, event, command, %error, "a handler failed"),
        Err(panic) => {
            tracing::error!(
                consumer = C::INFO.name,
                at,
                event,
                command,
                panic = panic_message(&*panic),
                "a handler panicked"
            );
        }
    }
    connection.close(CloseCode::INTERNAL_ERROR, "");
}

/// Runs the user's code, if there is some, and the output beside it: a handler that waits for room in the queue, or for
/// anything else, must not keep from the client what is in the queue already.
fn drive_output_while<F: Future + Unpin>(
    connection: &Connection,
    mut code: Option<F>,
) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |task| {
        let Some(code) = &mut code else { return Poll::Ready(None) };
        let done = Pin::new(code).poll(task);
        if done.is_pending() {
            batching::flush_batch();
            // What this finds out (the client is gone, the queue is flushed) is found out again after the handler.
            connection.poll_output(task);
        }
        done.map(Some)
    })
}

/// What a connection that is over still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseWait {
    /// Its output.
    Flush,
    /// The client's close frame, and then its output.
    Answer,
    /// That the client hangs up: after it broke the protocol, its bytes mean nothing.
    HangUp,
}

#[cfg(test)]
mod tests {
    use super::{Connection, Session};
    use crate::prelude::CloseCode;
    use crate::prelude::consumer;

    #[derive(Default)]
    struct Small;

    #[consumer(crate = crate)]
    impl Small {
        #[disconnect]
        fn disconnect(&mut self, _cx: &mut super::Context<Self>, _code: CloseCode) {}
    }

    fn size_of_output<S, F>(_: impl FnOnce(S) -> F) -> usize {
        size_of::<F>()
    }

    /// What an idle connection costs is mostly its task. If this fails, a branch that is rarely taken should be boxed.
    #[test]
    fn the_task_of_a_connection_stays_small() {
        let task = size_of_output(|session: Session<Small>| session.run(()));
        assert!(
            task <= 88,
            "{task} bytes for the future of a connection ({} of it the session), its consumer apart",
            size_of::<Session<Small>>()
        );
        assert!(size_of::<Connection>() <= 248, "{} bytes for a connection", size_of::<Connection>());
    }
}
