//! Questions that an expansion asks of a type that may not be what it should.

use std::marker::PhantomData;

use crate::consumer::Consumer;
use crate::event::{Carries, Event, Group, GroupInfo, Handles, JoinedBy, Joins, Sends, fields_of};
use crate::websocket::ToJson;

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
