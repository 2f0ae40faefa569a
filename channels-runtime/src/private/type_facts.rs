//! Checks and facts of a type that may be the wrong one, without a second error for the same mistake.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::marker::PhantomData;
use std::mem::Discriminant;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use bytes::Bytes;

use crate::codec::{Envelope, unsendable};
use crate::consumer::Consumer;
use crate::error::DecodeError;
use crate::event::{Carries, Event, Group, GroupInfo, Handles, JoinedBy, Joins, Kept, Sends, Volatile, fields_of};
use crate::websocket::{Frame, Json, ToJson};

/// Returns the path of a listed message. The bound makes the compiler report a type without serde at the user's list.
pub const fn sent<T: ToJson>() -> fn() -> &'static str {
    std::any::type_name::<T>
}

/// Returns a listed group. The bound makes the compiler report at the user's list that the consumer does not handle an event of
/// the group.
pub const fn joined<C, G: JoinedBy<C>>() -> GroupInfo {
    GroupInfo::of::<G>()
}

/// An event that every group carries, every consumer handles and sends, and that has no value.
///
/// If a trait has a single implementation, the compiler infers its event and reports any other event as a mismatched type. With
/// several implementations, it reports which one is missing. There are two such events, so that neither is inferred for a type
/// without its own events, such as a `str` that is used as a group.
#[derive(Debug)]
pub enum Nothing {}

/// The second event; see [`Nothing`].
#[derive(Debug)]
pub enum NothingElse {}

/// A consumer that handles the events of its handlers. A consumer with an invalid handler does not implement this: it handles
/// every event, so that its groups are not reported too.
pub trait HandlesListed {}

/// A consumer that lists its groups. A consumer without a list joins any group.
pub trait JoinsListed {}

macro_rules! nothing {
    ($($nothing:ident)*) => {
        $(
            #[diagnostic::do_not_recommend]
            impl<G: Group<Itself = G> + ?Sized> Carries<$nothing> for G {
                type Carrier = Self;
            }

            #[diagnostic::do_not_recommend]
            impl<C: Consumer> Sends<$nothing> for C {}

            #[diagnostic::do_not_recommend]
            impl<C: HandlesListed, G: ?Sized> Handles<$nothing, G> for C {
                type Itself = Self;
            }

            #[diagnostic::do_not_recommend]
            impl<C: JoinsListed> Joins<$nothing> for C {}
        )*
    };
}

nothing!(Nothing NothingElse);

/// The name of an event, for a type that may not be an event.
///
/// `decode` reports a payload that is not an event, and a second bound would be a second error. So `NameOf::<T>::NAME` is the
/// constant of this type for an event, and the empty one of [`NotAnEvent`] otherwise.
#[derive(Debug)]
pub struct NameOf<T>(PhantomData<T>);

impl<E: Event> NameOf<E> {
    pub const NAME: &'static str = E::TYPE;
    pub const DEFINED: &'static str = E::DEFINED;
    pub const VOLATILE: bool = E::VOLATILE;
    pub const UNCOMPRESSED: bool = E::UNCOMPRESSED;
    pub const FIELDS: fn() -> &'static [&'static str] = fields_of::<E>;
    // `decode` of the consumer calls the same function, so this adds no code for `E`.
    pub const DECODES: fn(&Envelope) -> Result<(), DecodeError> = |envelope| envelope.decode::<E>().map(drop);
}

/// The constants of [`NameOf`] for a type that is not an event.
pub trait NotAnEvent {
    const NAME: &'static str = "";
    const DEFINED: &'static str = "";
    // Nothing more is asked of the handler.
    const VOLATILE: bool = true;
    const UNCOMPRESSED: bool = false;
    const FIELDS: fn() -> &'static [&'static str] = || &[];
    const DECODES: fn(&Envelope) -> Result<(), DecodeError> = |_| Ok(());
}

impl<T> NotAnEvent for NameOf<T> {}

/// The retention of an event by its [`NameOf::VOLATILE`]. `Event::Retention` would be a second error for a type that is not an
/// event.
pub trait Retained {
    type Retention;
}

/// A type for a flag; see [`Retained`].
#[derive(Debug)]
pub enum IsVolatile<const VOLATILE: bool> {}

impl Retained for IsVolatile<true> {
    type Retention = Volatile;
}

impl Retained for IsVolatile<false> {
    type Retention = Kept;
}

/// The facts of a command, for a type that may not have serde. `decode_command` reports that; compare [`NameOf`].
#[derive(Debug)]
pub struct CommandOf<T>(PhantomData<T>);

impl<T: serde::de::DeserializeOwned> CommandOf<T> {
    pub const FIELDS: fn() -> &'static [&'static str] = fields_of::<T>;
    pub const UNSENDABLE: fn(&'static str, &'static str) -> Option<String> = unsendable::<T>;
}

/// The constants of [`CommandOf`] for a type without serde.
pub trait NotACommand {
    const FIELDS: fn() -> &'static [&'static str] = || &[];
    const UNSENDABLE: fn(&'static str, &'static str) -> Option<String> = |_, _| None;
}

impl<T> NotACommand for CommandOf<T> {}

/// The kind of a command's type, if it is certainly not a struct with named fields: `an enum`, `a list`. Otherwise empty.
///
/// This sees through aliases, and `cargo check` evaluates it. It does not see how a type is read: `codec::Untagged` rejects other
/// types when the program is built.
#[derive(Debug)]
pub struct KindOf<T>(PhantomData<T>);

/// The constant of [`KindOf`] for a type without one of its own.
pub trait OtherKind: Sized {
    const KIND: &'static str;
}

impl<T> OtherKind for KindOf<T> {
    // The discriminant of a struct is like that of `()`. An enum has a larger one, unless its `repr` is small.
    const KIND: &'static str =
        if size_of::<Discriminant<T>>() == size_of::<Discriminant<()>>() { "" } else { "an enum" };
}

macro_rules! kinds {
    ($($kind:literal: $([$($parameter:ident)*] $ty:ty),+;)*) => {
        $($(impl<$($parameter),*> KindOf<$ty> {
            pub const KIND: &'static str = $kind;
        })+)*
    };
}

kinds! {
    "": [] serde_json::Value;
    "text": [] String, [] Box<str>, [] PathBuf, [] IpAddr, [] SocketAddr;
    "a boolean": [] bool;
    "a character": [] char;
    "a number": [] i8, [] i16, [] i32, [] i64, [] i128, [] isize, [] u8, [] u16, [] u32, [] u64, [] u128, [] usize,
        [] f32, [] f64, [] NonZeroU32, [] NonZeroU64;
    "a list": [T] Vec<T>, [T] VecDeque<T>, [T S] HashSet<T, S>, [T] BTreeSet<T>, [T] Box<[T]>;
    "a tuple": [A] (A,), [A B] (A, B), [A B C] (A, B, C), [A B C D] (A, B, C, D);
    "an `Option`": [T] Option<T>;
    "a `Json`": [T] Json<T>;
    "a frame": [] Frame;
    "bytes": [] Bytes;
}

impl<T, const N: usize> KindOf<[T; N]> {
    pub const KIND: &'static str = "a list";
}
