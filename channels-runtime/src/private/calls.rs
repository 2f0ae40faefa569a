//! What the expansions of the macros call. Not part of the public API: it changes without notice.

use std::future::{Future, ready};

use crate::codec::Envelope;
use crate::consumer::{BoxFuture, Consumer, Context, Decoded, Delivered, blocking};
use crate::error::{CommandError, DecodeError, Error, Reject, Result};
use crate::event::{DropHint, Event};
use crate::websocket::{Frame, FromFrame, IntoFrame};

/// What a handler with `&mut self` may return.
#[diagnostic::on_unimplemented(
    message = "a method with `&mut self` cannot return `{Self}`",
    label = "return `Result<()>` or nothing",
    note = "it sends with `cx.send_json(..)`; a handler without `self` returns what the client is sent",
    note = "the error of a `Result` implements `std::error::Error`; `.map_err(Error::from_boxed)?` takes a boxed one, or `anyhow`'s"
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

/// What `#[connect]` may return.
#[diagnostic::on_unimplemented(
    message = "`#[connect]` of `{C}` cannot return `{Self}`",
    label = "return `Result<Self, Reject>` or `Self`",
    note = "`?` makes a `Reject` of whatever implements `std::error::Error`: that is status 500",
    note = "`.map_err(Error::from_boxed)?` takes a boxed one, or `anyhow`'s"
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

/// A consumer without `#[connect]` is made by `Default`.
#[diagnostic::on_unimplemented(
    message = "consumer `{Self}` has neither a `#[connect]` method nor a `Default`",
    label = "how is `{Self}` made when a client connects?",
    note = "add `#[connect] async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject>`, or `#[derive(Default)]`"
)]
pub trait MadeByDefault: Default {}

#[diagnostic::do_not_recommend]
impl<T: Default> MadeByDefault for T {}

/// The consumer in the `Context` that a method takes.
#[diagnostic::on_unimplemented(
    message = "the context of `{C}` is a `Context<Self>`, and not a `Context<{Self}>`",
    label = "write `Self`",
    note = "a method of `{C}` acts for a connection of `{C}`: `cx: &mut Context<Self>`"
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

/// The context for a method that calls its consumer by a name other than `Self`.
pub fn own_context<C, T: OwnContext<C>>(cx: &mut Context<C>) -> &mut Context<T> {
    T::of(cx)
}

/// An async method with `&mut self`.
pub fn run<'a, O, F>(future: F) -> BoxFuture<'a, Result<()>>
where
    O: Outcome,
    F: Future<Output = O> + Send + 'a,
{
    Box::pin(async move { future.await.into_result() })
}

/// A plain method with `&mut self`, which has run already.
pub fn ran<'a, O: Outcome>(outcome: O) -> BoxFuture<'a, Result<()>> {
    Box::pin(ready(outcome.into_result()))
}

/// A method that may block its thread.
pub fn run_blocking<'a, O, F>(call: F) -> BoxFuture<'a, Result<()>>
where
    O: Outcome,
    F: FnOnce() -> O + Send + 'a,
{
    Box::pin(async move { blocking::run(call).into_result() })
}

/// An async `#[connect]`.
pub fn connecting<'a, C, O, F>(future: F) -> BoxFuture<'a, Result<C, Reject>>
where
    C: Consumer,
    O: Accept<C>,
    F: Future<Output = O> + Send + 'a,
{
    Box::pin(async move { future.await.into_accept() })
}

/// A plain `#[connect]`, which has run already.
pub fn connected<'a, C: Consumer, O: Accept<C>>(outcome: O) -> BoxFuture<'a, Result<C, Reject>> {
    Box::pin(ready(outcome.into_accept()))
}

/// A `#[connect]` that may block its thread.
pub fn connecting_blocking<'a, C, O, F>(call: F) -> BoxFuture<'a, Result<C, Reject>>
where
    C: Consumer,
    O: Accept<C>,
    F: FnOnce() -> O + Send + 'a,
{
    Box::pin(async move { blocking::run(call).into_accept() })
}

/// No `#[connect]` at all.
pub fn connected_by_default<'a, C: Consumer + MadeByDefault>() -> BoxFuture<'a, Result<C, Reject>> {
    Box::pin(ready(Ok(C::default())))
}

/// The payload of a handler with `&mut self` (or an async one without), in its variant.
pub fn decoded<E: Event, V>(envelope: &Envelope, variant: impl FnOnce(E) -> V) -> Result<Decoded<V>, DecodeError> {
    let event = envelope.decode::<E>()?;
    let loss = DropHint::of(&event);
    Ok(Decoded::Event(variant(event), loss))
}

/// What `#[handler(_)]` may take, as a reference.
#[diagnostic::on_unimplemented(
    message = "`#[handler(_)]` gets what no other handler is for, as it came: an `Envelope`, and not a `{Self}`",
    label = "write `&Envelope`",
    note = "`envelope.event_name()` is its name, `envelope.to_value()` its fields, `envelope.decode::<ChatMessage>()` an event"
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

/// The argument of `#[handler(_)]`, in its variant.
pub fn undecoded<T: Undecoded, V>(
    envelope: &Envelope,
    variant: impl FnOnce(T) -> V,
) -> Result<Decoded<V>, DecodeError> {
    Ok(Decoded::Event(variant(T::of(envelope)), DropHint::default()))
}

/// What `#[receive(_)]` may take.
#[diagnostic::on_unimplemented(
    message = "`#[receive(_)]` is told why a frame is no command: by a `CommandError`, and not by a `{Self}`",
    label = "write `CommandError`",
    note = "`cx.refuse(&error).await` answers as it is done without `#[receive(_)]`"
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

/// The argument of `#[receive(_)]`.
pub fn refused<T: Refused>(error: CommandError) -> T {
    T::of(error)
}

/// A plain handler without `self`: runs once for a message, however many members there are.
pub fn rendered<E, F, V>(envelope: &Envelope, render: impl FnOnce(&E) -> F) -> Result<Decoded<V>, DecodeError>
where
    E: Event,
    F: IntoFrame,
{
    let event = envelope.decode::<E>()?;
    let frame =
        render(&event).into_encoded().map_err(|source| DecodeError::Render { event: E::TYPE.into(), source })?;
    Ok(Decoded::Frame(frame, DropHint::of(&event)))
}

/// The arm of a plain handler without `self`, whose variant is never made: `decode` gave its frame.
pub fn rendered_already<'a>() -> BoxFuture<'a, Result<()>> {
    Box::pin(ready(Ok(())))
}

/// An async handler without `self`: the first member's task runs it, the others share what it made.
pub fn render_once<'a, O, C, V, F>(
    cx: &'a mut Context<C>,
    delivered: &'a Delivered<V>,
    future: F,
) -> BoxFuture<'a, Result<()>>
where
    O: IntoFrame + Send,
    C: Consumer,
    V: Sync,
    F: Future<Output = O> + Send + 'a,
{
    Box::pin(async move {
        let render = async { future.await.into_encoded() };
        if let Some(frame) = delivered.rendered.get_or_try_init(|| render).await? {
            cx.send_rendered(frame).await?;
        }
        Ok(())
    })
}

/// The argument of `#[receive]` without a name.
pub fn decode_frame<T: FromFrame>(frame: Frame) -> Result<T, CommandError> {
    T::from_frame(frame).map_err(CommandError::from)
}
