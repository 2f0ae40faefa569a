//! The calls of a consumer's handlers.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use crate::codec::Received;
use crate::connection::{Connection, LargeFrames, PositionMarker};
use crate::consumer::{BoxFuture, Consumer, Context, Delivered};
use crate::error::{CommandError, Error, shown, shown_error, without_value};
use crate::layer::batching;
use crate::session::close::CloseWait;
use crate::session::spans;
use crate::session::spans::within;
use crate::session::step::{Step, Trigger};
use crate::support::{CatchPanic, catch_panic, count, metrics, panic_message};
use crate::websocket::{ClientMessage, CloseCode, EncodedFrame, Frame};

/// A call that has begun.
type Call<'a> = CatchPanic<'a, Result<(), Error>>;

/// Starts the handler of a step, or handles a step that has none. Sets the trigger to the command's index, or to the end of the
/// connection.
///
/// This is a function of its own, so that the future of a connection does not contain the step while its handler waits.
pub(super) fn begin<'a, C: Consumer>(
    consumer: &'a mut C,
    cx: &'a mut Context<C>,
    connection: &Connection,
    step: Step,
    event: &'a mut Option<Arc<Delivered<C::Event>>>,
    trigger: &'a mut Trigger,
) -> Option<Call<'a>> {
    let began = metrics::start_call();
    let attribute = trigger.attribute();
    if const { C::INFO.has_uncompressed_event() } {
        connection.set_plain_event(is_uncompressed::<C>(&step));
    }
    let call = match step {
        Step::Event(delivered) => {
            let event = &**event.insert(delivered.downcast().expect("prepared for this consumer"));
            let span = spans::event::<C>(event.event());
            connection.mark_position(PositionMarker::WithNext(event.position()));
            catch_panic(|| within(span, || consumer.dispatch(cx, event)))
        }
        Step::Gap(gap) => {
            let span = spans::call::<C>(gap.attribute());
            catch_panic(|| within(span, || consumer.gap(cx, gap)))
        }
        Step::HistoryLost(lost) => {
            let span = spans::call::<C>(trigger.attribute());
            catch_panic(|| {
                Box::pin(async move {
                    let handled = within(span, || consumer.history_lost(&mut *cx, &lost)).await;
                    // Afterwards, because the client must have the notice before it has a position behind the gap.
                    cx.connection().mark_position(PositionMarker::Now(&lost.at));
                    handled
                })
            })
        }
        Step::Client(ClientMessage::Frame(frame)) if LargeFrames::include(&frame) => {
            connection.begin();
            catch_panic(|| Box::pin(receive_large(consumer, cx, frame, trigger)))
        }
        Step::Client(ClientMessage::Frame(frame)) => {
            connection.begin();
            catch_panic(|| match C::decode_command(frame) {
                Ok(received) => receive(consumer, cx, received, trigger),
                Err(error) => within(spans::call::<C>("receive"), || refuse(consumer, cx, error)),
            })
        }
        other => {
            if let Some((code, wait)) = run_without_handler(connection, other) {
                *trigger = Trigger::End(code, wait);
            }
            return None;
        }
    };
    Some(CatchPanic(metrics::timed(C::INFO.name, attribute, began, call.0)))
}

/// Returns whether the handler of a step must send plain messages.
fn is_uncompressed<C: Consumer>(step: &Step) -> bool {
    let Step::Event(event) = step else { return false };
    let delivered = event.downcast_ref::<Delivered<C::Event>>();
    let handler = delivered.and_then(|delivered| C::INFO.handlers.get(C::event_index(delivered.event())));
    handler.is_some_and(|handler| handler.uncompressed)
}

/// Starts the `#[receive]` of a command, and sets the trigger to the command's index.
fn receive<'a, C: Consumer>(
    consumer: &'a mut C,
    cx: &'a mut Context<C>,
    received: Received<C::Command>,
    trigger: &mut Trigger,
) -> BoxFuture<'a, Result<(), Error>> {
    let index = spans::command_index::<C>(&received.command);
    *trigger = Trigger::Command(index);
    within(spans::command::<C>(index), || consumer.receive(cx, received))
}

/// Decodes a large frame while other connections are served, and then runs its `#[receive]`.
async fn receive_large<C: Consumer>(
    consumer: &mut C,
    cx: &mut Context<C>,
    frame: Frame,
    trigger: &mut Trigger,
) -> Result<(), Error> {
    let shared = Arc::clone(cx.connection().shared());
    let decoded = shared.large_frames.decode(move || C::decode_command(frame)).await;
    match decoded {
        Ok(received) => receive(consumer, cx, received, trigger).await,
        Err(error) => within(spans::call::<C>("receive"), || refuse(consumer, cx, error)).await,
    }
}

/// Handles a step that has no handler. If the step ends the connection, returns the close code and the event to wait for.
fn run_without_handler(connection: &Connection, step: Step) -> Option<(CloseCode, CloseWait)> {
    match step {
        Step::Event(_)
        | Step::Gap(_)
        | Step::HistoryLost(_)
        | Step::Client(ClientMessage::Frame(_) | ClientMessage::Compressed(_)) => {
            unreachable!("they have handlers, and a compressed message was inflated")
        }
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
            Some((violation.code, CloseWait::Disconnect))
        }
        Step::LayerClosed => {
            connection.close(CloseCode::GOING_AWAY, "the channel layer is closed");
            None
        }
        Step::Closing(code) => Some((code, CloseWait::Answer)),
        Step::Disconnected => {
            connection.break_off();
            Some((CloseCode::ABNORMAL, CloseWait::Flush))
        }
    }
}

/// Counts and logs a frame that is not a command, then runs `#[receive(_)]` or its default. Logs at the level `debug`, because
/// any client can send many such frames.
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
        error = shown(&without_value(&error.log_text())),
        "a client's frame is not a command"
    );
    consumer.refuse(cx, error)
}

/// Runs the user's code, if there is any, and writes the connection's output while the code waits. Otherwise a handler that waits
/// for space in the outbound queue would keep the session from writing the queue to the client.
pub(super) fn drive_output_while<F: Future + Unpin>(
    connection: &Connection,
    mut code: Option<F>,
) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |task| {
        let Some(code) = &mut code else { return Poll::Ready(None) };
        let done = Pin::new(code).poll(task);
        if done.is_pending() {
            // Flushed before the output, which may include these messages.
            batching::flush();
            // The result is not needed: the session polls the output again after the handler.
            connection.poll_output(task);
        }
        done.map(Some)
    })
}

/// Checks the result of a handler. A handler that failed or panicked closes its own connection, without details for the client.
pub(super) fn check<C: Consumer>(
    connection: &Connection,
    result: Option<Result<Result<(), Error>, Box<dyn Any + Send>>>,
    trigger: Trigger,
    event: Option<&Delivered<C::Event>>,
) {
    let Some(result) = result.filter(|result| !matches!(result, Ok(Ok(())))) else { return };
    let at = trigger.attribute();
    let event = event.map(|event| spans::event_name::<C>(event.event()));
    let command = if let Trigger::Command(index) = trigger { Some(spans::command_name::<C>(index)) } else { None };
    match result {
        Ok(Ok(())) => {}
        // A client can send any name as often as it likes, so this is not an error of the program.
        Ok(Err(error)) if matches!(trigger, Trigger::Client | Trigger::Command(_)) && error.is_about_name() => {
            count(&connection.shared().counters.wrong_name);
            tracing::debug!(
                consumer = C::INFO.name,
                command,
                channel = connection.channel().as_str(),
                error = shown_error(error),
                "a client's frame contains a name that is not valid"
            );
            return connection.close(CloseCode::POLICY, "a name in this message is not valid");
        }
        // The same holds for a ticket. It was counted when it was verified.
        #[cfg(feature = "jwt")]
        Ok(Err(error))
            if matches!(trigger, Trigger::Client | Trigger::Command(_)) && error.refused_ticket().is_some() =>
        {
            tracing::debug!(
                consumer = C::INFO.name,
                command,
                channel = connection.channel().as_str(),
                error = shown_error(&error),
                "a client's ticket was refused"
            );
            let reason = error.refused_ticket().map(|refused| refused.to_string()).unwrap_or_default();
            return connection.close(CloseCode::POLICY, &reason);
        }
        Ok(Err(error)) => {
            tracing::error!(
                consumer = C::INFO.name,
                at,
                event,
                command,
                error = shown_error(error),
                "a handler failed"
            );
        }
        Err(panic) => {
            let panic = shown_error(panic_message(&*panic));
            tracing::error!(consumer = C::INFO.name, at, event, command, panic, "a handler panicked");
        }
    }
    connection.close(CloseCode::INTERNAL_ERROR, "");
}
