//! What the expansions of the macros call. Not part of the public API: it changes without notice.

use std::fmt;
use std::future::{Future, ready};
use std::hash::{BuildHasher, Hash, RandomState};
use std::marker::PhantomData;
pub use std::num::NonZeroU64;
use std::sync::LazyLock;

pub use serde;

pub use crate::check::{check_consumer, check_direct, check_group, check_name};
pub use crate::consumer::{
    BoxFuture, CommandInfo, Consumer, ConsumerInfo, Decoded, Delivered, HandlerInfo, MailboxPolicy, OnlySends,
};
pub use crate::context::Context;
pub use crate::envelope::Envelope;
pub use crate::error::{CommandError, DecodeError, Error, Reject, Result};
pub use crate::event::{Carries, Event, EventInfo, Group, GroupInfo, Handles, JoinedBy, Joins, Sends};
pub use crate::frame::{CloseCode, Frame, FromFrame, FromJson, IntoFrame, ToJson};
pub use crate::layer::Gap;
pub use crate::name::{GroupName, NameError};
pub use crate::wire::Rendered;

use crate::blocking;
use crate::envelope;
use crate::event::Loss;
use crate::fields::fields_of;

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
    let loss = Loss::of(&event);
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
    Ok(Decoded::Event(variant(T::of(envelope)), Loss::default()))
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
        render(&event).into_rendered().map_err(|source| DecodeError::Render { event: E::TYPE.into(), source })?;
    Ok(Decoded::Frame(frame, Loss::of(&event)))
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
        let render = async { future.await.into_rendered() };
        if let Some(frame) = delivered.rendered.get_or_try_init(|| render).await? {
            cx.send_rendered(frame).await?;
        }
        Ok(())
    })
}

/// A client's frame that may name a command: the JSON text, and the name in its tag.
#[derive(Debug)]
pub enum Named {
    /// A JSON object whose `tag` is this string.
    Command { name: String, text: String },
    /// Anything else: the frame for `#[receive]` without a name, and what is said if there is none.
    Other { frame: Frame, error: CommandError },
}

/// Looks for the name of a command in a client's frame.
pub fn named(frame: Frame, tag: &'static str) -> Named {
    envelope::named_command(frame, tag)
}

/// The payload of `#[receive("name")]`.
pub fn decode_command<T: FromJson>(text: &str, tag: &'static str, name: &'static str) -> Result<T, CommandError> {
    envelope::decode_command(text, tag, name)
}

/// The argument of `#[receive]` without a name.
pub fn decode_frame<T: FromFrame>(frame: Frame) -> Result<T, CommandError> {
    T::from_frame(frame).map_err(CommandError::from)
}

/// The path of a Rust type that is sent, asked for its serde where the user lists it.
pub const fn sent<T: ToJson>() -> fn() -> &'static str {
    std::any::type_name::<T>
}

/// A group that a consumer lists, asked there whether the consumer handles what it carries.
pub const fn joined<C, G: JoinedBy<C>>() -> GroupInfo {
    GroupInfo::of::<G>()
}

/// Two events that every group carries, and that do not exist.
///
/// Where a group carries a single event, or a consumer handles or sends a single one, the compiler infers that it must be
/// the one that is meant, and calls every other a mistaken type. With more than one it asks, and says which is missing.
/// There are two, so that neither is inferred where there is nothing else, as for a `str` that is taken for a group.
#[derive(Debug)]
pub enum Nothing {}

#[derive(Debug)]
pub enum NothingElse {}

/// A consumer that handles what its handlers say. One with a handler that is too wrong to say it handles everything, so
/// that the joining of its groups is not reported as well.
pub trait HandlesListed {}

/// A consumer that lists the groups which it joins. One that lists none joins any.
pub trait JoinsListed {}

macro_rules! nothing {
    ($($nothing:ident)*) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<G: Group<Itself = G> + ?Sized> Carries<$nothing> for G {}

            #[diagnostic::do_not_recommend]
            impl<C: Consumer> Sends<$nothing> for C {}

            #[diagnostic::do_not_recommend]
            impl<C: HandlesListed, G: ?Sized> Handles<$nothing, G> for C {}

            #[diagnostic::do_not_recommend]
            impl<C: JoinsListed> Joins<$nothing> for C {}
        )*
    };
}

nothing!(Nothing NothingElse);

/// What a field of an event may be. Its serde is asked through this trait alone, once for both directions.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel in an event",
    label = "serde cannot write and read this",
    note = "`#[derive(serde::Serialize, serde::Deserialize)]` stands above the type of a field, and above what that holds",
    note = "a type of another crate has serde by a feature of that crate; otherwise `#[serde(with = \"..\")]` or `#[serde(skip)]`"
)]
pub trait Travels<'de>: serde::Deserialize<'de> {
    // `Serialize` as a second supertrait would be asked for at each field again: it has no lifetime.
    fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

#[diagnostic::do_not_recommend]
impl<'de, T: serde::Serialize + serde::Deserialize<'de>> Travels<'de> for T {
    fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

/// Writes a field of an event as its own serde does.
pub fn write_field<T, S>(field: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: for<'de> Travels<'de>,
    S: serde::Serializer,
{
    field.write(serializer)
}

/// What an event with type parameters may be used with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel in an event",
    label = "serde cannot write and read this",
    note = "an event is used with types that have serde: `#[derive(serde::Serialize, serde::Deserialize)]` stands above them"
)]
pub trait Whole: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static> Whole for T {}

/// What can stand in the name of a group.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in the name of a group",
    label = "a field of the name implements `Display`",
    note = "implement `std::fmt::Display` for `{Self}`, or use a number or a `String`"
)]
pub trait Part: fmt::Display {}

#[diagnostic::do_not_recommend]
impl<T: fmt::Display> Part for T {}

/// A field of a group, asked for its `Display` where the user wrote its type and nowhere else.
pub fn part<T: Part>(field: &T) -> &dyn fmt::Display {
    field
}

/// What can be the key of `coalesce`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of `coalesce`",
    label = "of this type it cannot be said for sure that two values are the same",
    note = "a key implements `Hash`: use a number without a fraction, a `String`, or a type of your own with `#[derive(Hash)]`"
)]
pub trait Key: Hash {}

#[diagnostic::do_not_recommend]
impl<T: Hash> Key for T {}

/// The key of an event that waits. Two keys that differ collide once in 2^63, and nobody outside of this process can
/// know which.
pub fn key<T: Key>(event: &'static str, field: &T) -> Option<NonZeroU64> {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    NonZeroU64::new(HASHER.hash_one((event, field))).or(Some(NonZeroU64::MIN))
}

/// The name of a group, checked.
pub fn group_name(name: fmt::Arguments<'_>) -> Result<GroupName, NameError> {
    GroupName::written(name)
}

/// The name of an event, asked of a type that may be none.
///
/// That a payload is no event is reported by `decode`; a second question would be a second error. So
/// `NameOf::<T>::NAME` is the constant below for an event, and that of [`NotAnEvent`], empty, for everything else.
#[derive(Debug)]
pub struct NameOf<T>(PhantomData<T>);

impl<E: Event> NameOf<E> {
    pub const NAME: &'static str = E::TYPE;
    pub const DEFINED: &'static str = E::DEFINED;
    pub const FIELDS: fn() -> &'static [&'static str] = fields_of::<E>;
}

pub trait NotAnEvent {
    const NAME: &'static str = "";
    const DEFINED: &'static str = "";
    const FIELDS: fn() -> &'static [&'static str] = || &[];
}

impl<T> NotAnEvent for NameOf<T> {}

/// As [`NameOf`], the fields of a command: that it has no serde is reported by `decode_command`.
#[derive(Debug)]
pub struct FieldsOf<T>(PhantomData<T>);

impl<T: serde::de::DeserializeOwned> FieldsOf<T> {
    pub const FIELDS: fn() -> &'static [&'static str] = fields_of::<T>;
}

pub trait NotACommand {
    const FIELDS: fn() -> &'static [&'static str] = || &[];
}

impl<T> NotACommand for FieldsOf<T> {}
