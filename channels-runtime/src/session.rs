//! One connection's life: connect, one message at a time, disconnect.
//!
//! A consumer is never called twice at once. Events of the layer and frames of the client take turns, each kind in its
//! order. However the connection ends, its groups are left, `disconnect` runs once, and then the socket is closed.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use tracing::{Instrument, Span};

use crate::connection::{self, Connection, Next, Output, Socket};
use crate::consumer::{BoxFuture, Consumer, Decoded, Delivered};
use crate::context::Context;
use crate::envelope::Envelope;
use crate::error::{CommandError, Error, Reject, shown, without_value};
use crate::frame::CloseCode;
use crate::layer::Gap;
use crate::layer::burst;
use crate::layer::local::{Delivery, Mailbox, Undeliverable};
use crate::meter::Meter;
use crate::scope::Scope;
use crate::server::Server;
use crate::spans::{self, within};
use crate::stats::count;
use crate::wire::{Decoder, Incoming, Rendered, Violation};

/// How long the client may take to answer a close frame before the socket is closed anyway.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// How many events of the layer are handled before a frame of the client gets its turn: as many as the mailbox holds by
/// default, so that a client who talks much does not make its own mailbox overflow.
const MAILS: u8 = 100;

/// How many frames of one read are handled before the sockets are written to.
const BURST: u8 = 16;

/// A consumer that has accepted its connection; the client does not know it yet.
pub(crate) struct Opened<C: Consumer> {
    pub(crate) consumer: C,
    pub(crate) cx: Context<C>,
    /// What is logged on its behalf stands in it, if anybody asks for that.
    pub(crate) span: Span,
}

/// Runs `#[connect]`. If it refuses, fails, panics or is dropped, nothing of the connection stays behind.
pub(crate) async fn open<C: Consumer>(
    server: &Server,
    scope: Scope,
    captures: C::Captures,
) -> Result<Opened<C>, Reject> {
    let backend = server.layer().backend();
    let channel = backend.new_channel_name();
    let span = spans::connection::<C>(&scope, &channel);
    let connection =
        Connection::new(prepare::<C>, channel.clone(), scope, Arc::clone(server.flusher()), C::HEARS_OF_GAPS);
    backend.table().register(&(Arc::clone(&connection) as Arc<dyn Mailbox>));
    // From here on the context takes the channel out of the layer again, whatever happens.
    let mut cx = Context::new(connection);
    backend.announce(&channel).await?;
    let connecting =
        span.in_scope(|| guarded(|| within(spans::call::<C>("connect"), || C::connect(&mut cx, captures))));
    let consumer = match connecting.instrument(span.clone()).await {
        Ok(connected) => connected?,
        Err(panic) => return Err(Error::msg(format!("`connect` panicked: {}", message(&*panic))).into()),
    };
    Ok(Opened { consumer, cx, span })
}

/// Decodes a message for all connections of `C` in this process, and renders it where no state is needed.
pub(crate) fn prepare<C: Consumer>(envelope: &Envelope) -> Result<Delivery, Undeliverable> {
    // A handler without `self` is the user's code, and it runs in whoever sends: a panic must not hurt the sender.
    let decode = || spans::decode::<C>(envelope).in_scope(|| C::decode(envelope));
    #[cfg(feature = "metrics")]
    let began = crate::figures::begun();
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(decode));
    #[cfg(feature = "metrics")]
    if let (Ok(Ok(Decoded::Frame(..))), Some(began)) = (&decoded, began) {
        drop(crate::figures::Timing::new::<C>("handler", began));
    }
    let decoded = decoded.unwrap_or_else(|panic| {
        Err(crate::error::DecodeError::Panicked { event: envelope.event_name().into(), message: message(&*panic) })
    });
    #[cfg(feature = "metrics")]
    if matches!(decoded, Ok(Decoded::Event(..) | Decoded::Frame(..))) {
        crate::figures::received::<C>(envelope.event_name());
    }
    match decoded {
        Ok(Decoded::Event(event, loss)) => Ok(Delivery::Event(Arc::new(Delivered::new(event)), loss, C::INFO.mailbox)),
        Ok(Decoded::Frame(Some(frame), loss)) => Ok(Delivery::Frame(frame, loss)),
        Ok(Decoded::Frame(None, _)) => Ok(Delivery::Nothing),
        Ok(Decoded::Unhandled) => Err(Undeliverable::Unhandled { consumer: C::INFO.name }),
        Err(error) => Err(Undeliverable::Undecodable { consumer: C::INFO.name, error }),
    }
}

pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a value that is no text").into()
}

impl<C: Consumer> Opened<C> {
    /// Serves the connection to its end.
    pub(crate) fn into_session(self, socket: Socket, read_ahead: &[u8]) -> Session<C> {
        let Self { consumer, cx, span: _ } = self;
        cx.connection().open(socket);
        let mut decoder = Decoder::default();
        decoder.keep(read_ahead);
        let meter = Meter::new(cx.connection().flusher().limits().inbound);
        Session { consumer, cx, decoder, meter, mails_left: MAILS, burst: 0 }
    }

    /// The client was gone before the handshake was answered.
    pub(crate) async fn abandon(mut self) {
        end(&mut self.consumer, &mut self.cx, CloseCode::ABNORMAL).instrument(self.span).await;
    }
}

/// Leaves the groups, ends what goes on beside the handlers, then runs `#[disconnect]`, once.
pub(crate) async fn end<C: Consumer>(consumer: &mut C, cx: &mut Context<C>, code: CloseCode) {
    cx.leave();
    cx.end_background().await;
    match guarded(|| within(spans::call::<C>("disconnect"), || consumer.disconnect(cx, code))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(consumer = C::INFO.name, %error, "`disconnect` failed"),
        Err(panic) => tracing::error!(consumer = C::INFO.name, panic = message(&*panic), "`disconnect` panicked"),
    }
}

/// A handler that has begun.
type Begun<'a> = Guarded<'a, Result<(), Error>>;

/// Begins what the step asks for: a handler, or what is done without one; and says more of the cause, where there is more.
///
/// A function of its own, so that a connection that waits for its handler does not carry the step with it.
fn begin<'a, C: Consumer>(
    consumer: &'a mut C,
    cx: &'a mut Context<C>,
    connection: &Connection,
    step: Step,
    event: &'a mut Option<Arc<Delivered<C::Event>>>,
    cause: &mut Cause,
) -> Option<Begun<'a>> {
    #[cfg(feature = "metrics")]
    let began = crate::figures::begun();
    let call = match step {
        Step::Event(delivered) => {
            let event = &**event.insert(delivered.downcast().expect("prepared for this consumer"));
            let span = spans::event::<C>(event.event());
            guarded(|| within(span, || consumer.dispatch(cx, event)))
        }
        Step::Gap(gap) => {
            let span = spans::call::<C>(gap.attribute());
            guarded(|| within(span, || consumer.gap(cx, gap)))
        }
        Step::Client(Incoming::Frame(frame)) => {
            connection.begin();
            guarded(|| match C::decode_command(frame) {
                Ok(received) => {
                    let place = spans::command_place::<C>(&received);
                    *cause = Cause::Command(place);
                    within(spans::command::<C>(place), || consumer.receive(cx, received))
                }
                Err(error) => within(spans::call::<C>("receive"), || refuse(consumer, cx, error)),
            })
        }
        other => {
            if let Some((code, last)) = without_handler(connection, other) {
                *cause = Cause::End(code, last);
            }
            return None;
        }
    };
    #[cfg(feature = "metrics")]
    let call = match began {
        Some(began) => Guarded(crate::figures::timed::<C, _>(cause.attribute(), began, call.0)),
        None => call,
    };
    Some(call)
}

/// Does what needs no handler. Gives how the connection ends, if it is over.
fn without_handler(connection: &Connection, step: Step) -> Option<(CloseCode, Last)> {
    match step {
        Step::Event(_) | Step::Gap(_) | Step::Client(Incoming::Frame(_)) => unreachable!("they have handlers"),
        Step::Client(Incoming::Pong) => None,
        Step::Client(Incoming::Ping(payload)) => {
            connection.answer(&Rendered::pong(&payload));
            None
        }
        Step::Client(Incoming::Close(code)) => {
            connection.close(code, "");
            Some((code, Last::Flush))
        }
        Step::Violation(violation) => {
            connection.close(violation.code, violation.reason);
            Some((violation.code, Last::HangUp))
        }
        Step::LayerClosed => {
            connection.close(CloseCode::GOING_AWAY, "the channel layer is closed");
            None
        }
        Step::Closing(code) => Some((code, Last::Answer)),
        Step::Gone => {
            connection.break_off();
            Some((CloseCode::ABNORMAL, Last::Flush))
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
    #[cfg(feature = "metrics")]
    crate::figures::refused::<C>(error.code());
    count(&cx.connection().flusher().counters().refused);
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

/// A call of the user's code: a panic is its result, and goes no further.
struct Guarded<'a, T>(BoxFuture<'a, T>);

fn guarded<'a, T: Send + 'a>(call: impl FnOnce() -> BoxFuture<'a, T>) -> Guarded<'a, T> {
    Guarded(match std::panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(future) => future,
        // Goes on where the future is polled.
        Err(panic) => Box::pin(async { std::panic::resume_unwind(panic) }),
    })
}

impl<T> Future for Guarded<'_, T> {
    type Output = Result<T, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(task))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// One connection with its consumer.
pub(crate) struct Session<C: Consumer> {
    consumer: C,
    cx: Context<C>,
    decoder: Decoder,
    meter: Meter,
    /// How many events are handled before it is the client's turn.
    mails_left: u8,
    /// How much was handled without a turn for the others.
    burst: u8,
}

/// What happens next.
enum Step {
    Event(connection::Event),
    Gap(Gap),
    Client(Incoming),
    Violation(Violation),
    /// The connection is closing from this side.
    Closing(CloseCode),
    LayerClosed,
    /// The client is gone.
    Gone,
}

impl Step {
    fn with_cause(self) -> (Self, Cause) {
        let cause = match &self {
            Self::Event(_) => Cause::Event,
            Self::Gap(gap) => Cause::Gap(*gap),
            _ => Cause::Client,
        };
        (self, cause)
    }
}

/// What a handler runs for; or that none does, because the connection is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Event,
    Client,
    /// The client, too: a command, by its place among those of its consumer.
    Command(u8),
    Gap(Gap),
    End(CloseCode, Last),
}

impl Cause {
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
                // A local that is borrowed, as `cause` would borrow the step here, is kept while the handler runs.
                let (step, mut cause) = poll_fn(|task| self.poll_step(&connection, task).map(Step::with_cause)).await;
                burst::expect_more(matches!(step, Step::Client(_)) && self.decoder.has_rest());
                {
                    let Self { consumer, cx, .. } = &mut self;
                    let mut event = None;
                    // Awaited where it is made: what has a name of its own is kept twice.
                    let done =
                        beside(&connection, begin(consumer, cx, &connection, step, &mut event, &mut cause)).await;
                    check::<C>(&connection, done, cause, event.as_deref());
                }
                if let Cause::End(code, last) = cause {
                    break (code, last);
                }
                if self.has_had_its_turn(&connection) {
                    tokio::task::yield_now().await;
                }
            };
            let Self { consumer, cx, .. } = &mut self;
            // Boxed, because an idle connection should not carry the room for its end with it.
            let ending: BoxFuture<'_, ()> = Box::pin(end(consumer, cx, code));
            beside(&connection, Some(ending)).await;
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
            burst::settle();
            connection.rests();
        }
        over
    }

    fn poll_step(&mut self, connection: &Connection, task: &mut Task<'_>) -> Poll<Step> {
        let step = self.poll_next(connection, task);
        if step.is_pending() {
            burst::settle();
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
                self.meter.heard();
                Step::Client(incoming)
            }
            Ok(None) => Step::Gone,
            Err(violation) => Step::Violation(violation),
        })
    }

    /// A client that has said more than it may is not listened to, for a moment.
    fn poll_may_speak(&mut self, task: &mut Task<'_>) -> Poll<()> {
        if !self.meter.is_empty() {
            return Poll::Ready(());
        }
        let (connection, pause) = self.cx.connection_and_pause();
        self.meter.poll_full(pause, connection, task)
    }

    /// The client's next message; `None` when it is gone.
    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Incoming>, Violation>> {
        let max_message = self.cx.connection().flusher().limits().max_message;
        if self.decoder.has_rest() {
            match self.decoder.next(&[], max_message) {
                Ok(None) => {}
                next => return Poll::Ready(next),
            }
        }
        loop {
            let Self { cx, decoder, meter, .. } = self;
            let connection = cx.connection();
            let read = connection.poll_read(task, |read| match read {
                Ok(bytes) if !bytes.is_empty() => {
                    connection.heard();
                    meter.read(bytes.len());
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
    async fn linger(&mut self, mut last: Last) {
        let mut half_closed = false;
        if last == Last::Flush && self.decoder.has_rest() {
            // It speaks on behind its close frame.
            last = Last::HangUp;
        }
        poll_fn(|task| {
            let output = self.connection().poll_output(task);
            if output == Output::Broken {
                return Poll::Ready(());
            }
            while last == Last::Answer {
                match ready!(self.poll_read(task)) {
                    Ok(Some(Incoming::Close(_)) | None) => last = Last::Flush,
                    Ok(Some(_)) => {}
                    Err(_) => last = Last::HangUp,
                }
            }
            if last == Last::HangUp && output == Output::Flushed && !half_closed {
                // The client sees the close frame and then the end, and hangs up too.
                half_closed = true;
                self.connection().half_close(task);
            }
            while last == Last::HangUp {
                if ready!(self.connection().poll_read(task, |read| read.map_or(true, <[u8]>::is_empty))) {
                    last = Last::Flush;
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
    cause: Cause,
    event: Option<&Delivered<C::Event>>,
) {
    let Some(done) = done.filter(|done| !matches!(done, Ok(Ok(())))) else { return };
    let at = cause.attribute();
    let event = event.map(|event| spans::event_name::<C>(event.event()));
    let command = if let Cause::Command(place) = cause { Some(spans::command_name::<C>(place)) } else { None };
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(consumer = C::INFO.name, at, event, command, %error, "a handler failed"),
        Err(panic) => {
            tracing::error!(
                consumer = C::INFO.name,
                at,
                event,
                command,
                panic = message(&*panic),
                "a handler panicked"
            );
        }
    }
    connection.close(CloseCode::INTERNAL_ERROR, "");
}

/// Runs the user's code, if there is some, and the output beside it: a handler that waits for room in the queue, or for
/// anything else, must not keep from the client what is in the queue already.
fn beside<F: Future + Unpin>(connection: &Connection, mut code: Option<F>) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |task| {
        let Some(code) = &mut code else { return Poll::Ready(None) };
        let done = Pin::new(code).poll(task);
        if done.is_pending() {
            burst::settle();
            // What this finds out (the client is gone, the queue is flushed) is found out again after the handler.
            connection.poll_output(task);
        }
        done.map(Some)
    })
}

/// What a connection that is over still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
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
    use crate::prelude::{CloseCode, consumer};

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
