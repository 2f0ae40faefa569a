//! Calls of a consumer's methods, and the decoding of their arguments.

use std::future::{Future, ready};

use crate::codec::{self, Envelope, ParsedFrame, Received};
use crate::consumer::{BoxFuture, Consumer, Context, Decoded, Delivered, blocking};
use crate::error::{CommandError, DecodeError, Error, Reject, Result};
use crate::event::{DropHint, Event, HistoryLost};
use crate::websocket::{Frame, FromFrame, IntoFrame};

/// A return type of a method with `&mut self`.
#[diagnostic::on_unimplemented(
    message = "a method with `&mut self` cannot return `{Self}`",
    label = "return `Result<()>` or nothing",
    note = "it sends with `cx.send_json(..)`; only a handler without `self` returns the frame for the client",
    note = "the error of a `Result` implements `std::error::Error`; `.map_err(Error::from_boxed)?` converts a boxed error, or one of `anyhow`",
    note = "only a `#[receive(\"name\")]` answers its client: it returns `Result<Reply, Refused>`, or `Result<Result<(), Refused>>`"
)]
pub trait Outcome {
    fn into_result(self) -> Result<()>;
}

#[diagnostic::do_not_recommend]
impl Outcome for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// A return type of `#[connect]`.
#[diagnostic::on_unimplemented(
    message = "`#[connect]` of `{C}` cannot return `{Self}`",
    label = "return `Result<Self, Reject>` or `Self`",
    note = "`?` converts any `std::error::Error` into a `Reject` with status 500",
    note = "`.map_err(Error::from_boxed)?` converts a boxed error, or one of `anyhow`"
)]
pub trait Accept<C> {
    fn into_accept(self) -> Result<C, Reject>;
}

#[diagnostic::do_not_recommend]
impl<C: Consumer> Accept<C> for C {
    fn into_accept(self) -> Result<C, Reject> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<C: Consumer> Accept<C> for Result<C, Reject> {
    fn into_accept(self) -> Self {
        self
    }
}

/// A consumer without `#[connect]`, which `Default` creates.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` has neither a `#[connect]` method nor a `Default`",
    label = "`{Self}` needs one of them to be created when a client connects",
    note = "add `#[connect] async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject>`, or `#[derive(Default)]`"
)]
pub trait MadeByDefault: Default {}

#[diagnostic::do_not_recommend]
impl<T: Default> MadeByDefault for T {}

/// The consumer in the `Context` of a method.
#[diagnostic::on_unimplemented(
    message = "the context of `{C}` is a `Context<Self>`, not a `Context<{Self}>`",
    label = "write `Self`",
    note = "a method of `{C}` belongs to a connection of `{C}`: `cx: &mut Context<Self>`"
)]
pub trait OwnContext<C>: Sized {
    fn of(cx: &mut Context<C>) -> &mut Context<Self>;
}

#[diagnostic::do_not_recommend]
impl<C> OwnContext<C> for C {
    fn of(cx: &mut Context<C>) -> &mut Context<Self> {
        cx
    }
}

/// Returns the context for a method that names its consumer by another path than `Self`.
pub fn own_context<C, T: OwnContext<C>>(cx: &mut Context<C>) -> &mut Context<T> {
    T::of(cx)
}

/// Runs an async method with `&mut self`.
pub fn run<'a, O, F>(future: F) -> BoxFuture<'a, Result<()>>
where
    O: Outcome,
    F: Future<Output = O> + Send + 'a,
{
    Box::pin(async move { future.await.into_result() })
}

/// Returns the result of a plain method with `&mut self`, which has already run.
pub fn ran<'a, O: Outcome>(outcome: O) -> BoxFuture<'a, Result<()>> {
    Box::pin(ready(outcome.into_result()))
}

/// Runs a method that may block its thread.
pub fn run_blocking<'a, O, F>(call: F) -> BoxFuture<'a, Result<()>>
where
    O: Outcome,
    F: FnOnce() -> O + Send + 'a,
{
    Box::pin(async move { blocking::run(call).into_result() })
}

/// Runs an async `#[connect]`.
pub fn connecting<'a, C, O, F>(future: F) -> BoxFuture<'a, Result<C, Reject>>
where
    C: Consumer,
    O: Accept<C>,
    F: Future<Output = O> + Send + 'a,
{
    Box::pin(async move { future.await.into_accept() })
}

/// Returns the result of a plain `#[connect]`, which has already run.
pub fn connected<'a, C: Consumer, O: Accept<C>>(outcome: O) -> BoxFuture<'a, Result<C, Reject>> {
    Box::pin(ready(outcome.into_accept()))
}

/// Runs a `#[connect]` that may block its thread.
pub fn connecting_blocking<'a, C, O, F>(call: F) -> BoxFuture<'a, Result<C, Reject>>
where
    C: Consumer,
    O: Accept<C>,
    F: FnOnce() -> O + Send + 'a,
{
    Box::pin(async move { blocking::run(call).into_accept() })
}

/// Creates a consumer without `#[connect]`.
pub fn connected_by_default<'a, C: Consumer + MadeByDefault>() -> BoxFuture<'a, Result<C, Reject>> {
    Box::pin(ready(Ok(C::default())))
}

/// Decodes the payload of a handler that needs a connection: with `&mut self`, or async without `self`.
pub fn decoded<E: Event, V>(envelope: &Envelope, variant: impl FnOnce(E) -> V) -> Result<Decoded<V>, DecodeError> {
    let event = envelope.decode::<E>()?;
    let hint = DropHint::of(&event);
    Ok(Decoded::Event(variant(event), hint))
}

/// The argument type of `#[handler(_)]`, without its reference.
#[diagnostic::on_unimplemented(
    message = "`#[handler(_)]` takes events without another handler, still encoded: an `Envelope`, not a `{Self}`",
    label = "write `&Envelope`",
    note = "`envelope.event_name()` returns its name, `envelope.to_value()` its fields, `envelope.decode::<ChatMessage>()` an event"
)]
pub trait Undecoded {
    fn of(envelope: &Envelope) -> Self;
}

#[diagnostic::do_not_recommend]
impl Undecoded for Envelope {
    fn of(envelope: &Envelope) -> Self {
        envelope.clone()
    }
}

/// Returns the argument of `#[handler(_)]`, in its variant.
pub fn undecoded<T: Undecoded, V>(
    envelope: &Envelope,
    variant: impl FnOnce(T) -> V,
) -> Result<Decoded<V>, DecodeError> {
    Ok(Decoded::Event(variant(T::of(envelope)), DropHint::default()))
}

/// The argument type of `#[receive(_)]`.
#[diagnostic::on_unimplemented(
    message = "`#[receive(_)]` takes the reason why a frame is not a command: a `CommandError`, not a `{Self}`",
    label = "write `CommandError`",
    note = "`cx.refuse(&error).await` sends the response of a consumer without `#[receive(_)]`"
)]
pub trait Refused {
    fn of(error: CommandError) -> Self;
}

#[diagnostic::do_not_recommend]
impl Refused for CommandError {
    fn of(error: CommandError) -> Self {
        error
    }
}

/// Returns the argument of `#[receive(_)]`.
pub fn refused<T: Refused>(error: CommandError) -> T {
    T::of(error)
}

/// The argument type of `#[history_lost]`, without its reference.
#[diagnostic::on_unimplemented(
    message = "`#[history_lost]` takes the notice that events were missed: a `HistoryLost`, not a `{Self}`",
    label = "write `&HistoryLost`",
    note = "`lost.group` is the group, and `lost.cause` is the reason"
)]
pub trait LossNotice {
    fn of(lost: &HistoryLost) -> &Self;
}

#[diagnostic::do_not_recommend]
impl LossNotice for HistoryLost {
    fn of(lost: &HistoryLost) -> &Self {
        lost
    }
}

/// Returns the argument of `#[history_lost]`.
pub fn loss_notice<T: LossNotice>(lost: &HistoryLost) -> &T {
    T::of(lost)
}

/// Runs a plain handler without `self`: once for a message, for all members.
pub fn rendered<E, F, V>(envelope: &Envelope, render: impl FnOnce(&E) -> F) -> Result<Decoded<V>, DecodeError>
where
    E: Event,
    F: IntoFrame,
{
    let event = envelope.decode::<E>()?;
    let frame = render(&event)
        .into_encoded()
        .map_err(|error| DecodeError::Render { event: E::TYPE.into(), source: error.into() })?;
    Ok(Decoded::Frame(frame, DropHint::of(&event)))
}

/// Returns the result for a plain handler without `self`. Never called: `decode` returns a frame instead of its variant.
pub fn rendered_already<'a>() -> BoxFuture<'a, Result<()>> {
    Box::pin(ready(Ok(())))
}

/// Runs an async handler without `self` in the task of the first member. The other members share its frame.
///
/// If it fails, no member gets a frame. The connection of the first member stays open, as those of the others.
pub fn render_once<'a, O, C, F>(
    cx: &'a mut Context<C>,
    delivered: &'a Delivered<C::Event>,
    future: F,
) -> BoxFuture<'a, Result<()>>
where
    O: IntoFrame + Send,
    C: Consumer,
    F: Future<Output = O> + Send + 'a,
{
    Box::pin(async move {
        let mut failed = None;
        let render = async {
            let frame = future.await.into_encoded().unwrap_or_else(|error| {
                failed = Some(error);
                None
            })?;
            Some(match &delivered.compressor {
                Some(compressor) => compressor.compress(frame),
                None => frame,
            })
        };
        let frame = delivered.rendered.get_or_init(|| render).await;
        if let Some(frame) = frame {
            cx.send_rendered(frame).await?;
        }
        if let Some(error) = failed {
            let handler = C::INFO.handlers.get(C::event_index(delivered.event()));
            cx.count_failed(C::INFO.name, handler.map_or("", |handler| handler.event), &error);
        }
        Ok(())
    })
}

/// Decodes the argument of `#[receive]` without a name, into its variant. Such a method never answers.
pub fn decode_frame<T: FromFrame, V>(frame: Frame, variant: impl FnOnce(T) -> V) -> Result<Received<V>, CommandError> {
    Ok(Received { command: variant(T::from_frame(frame)?), reference: None })
}

/// Finds the name and the reference of a command in a client's frame.
pub fn named_command<C: Consumer>(frame: Frame) -> ParsedFrame {
    codec::named_command(frame, const { &C::INFO.command_fields() })
}
