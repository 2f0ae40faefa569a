//! What the macros write down for a contract.

use std::marker::PhantomData;

use channels_contract::facts::{ConsumerFacts, EventFacts, GroupFacts, SchemaFn};
use channels_contract::schemars::JsonSchema;

use crate::websocket::Json;

/// A consumer whose messages are known. `#[consumer]` implements it.
pub trait Described {
    /// The commands and messages.
    const FACTS: ConsumerFacts;
}

/// An event whose fields are known. `#[event]` implements it for an event without type parameters.
#[diagnostic::on_unimplemented(
    message = "a contract cannot describe the event `{Self}`",
    label = "a generic event, or one that serde reads or writes as another type",
    note = "a contract describes structs without type parameters, and without serde's `from`, `try_from` and `into`"
)]
pub trait DescribedEvent {
    /// The name and the fields.
    const FACTS: EventFacts;
}

/// A group whose events are known. `#[group]` implements it for a group without type parameters.
#[diagnostic::on_unimplemented(
    message = "a contract cannot describe the group `{Self}`",
    label = "a generic group",
    note = "a contract describes groups without type parameters"
)]
pub trait DescribedGroup {
    /// The pattern, the fields and the events.
    const FACTS: GroupFacts;
}

/// The schema of a type that may not have one. `SchemaOf::<T>::SCHEMA` is the constant of this type if `T` has a schema, and the
/// one of [`NotDescribed`] otherwise.
#[derive(Debug)]
pub struct SchemaOf<T: ?Sized>(PhantomData<T>);

impl<T: JsonSchema + ?Sized> SchemaOf<T> {
    /// The schema.
    pub const SCHEMA: SchemaFn = Some(|generator| generator.subschema_for::<T>());
}

/// The constant of [`SchemaOf`] for a type without a schema.
pub trait NotDescribed {
    /// No schema.
    const SCHEMA: SchemaFn = None;
}

impl<T: ?Sized> NotDescribed for SchemaOf<T> {}

/// The facts of an event that may be one that a contract cannot describe; compare [`SchemaOf`].
#[derive(Debug)]
pub struct FactsOf<E: ?Sized>(PhantomData<E>);

impl<E: DescribedEvent> FactsOf<E> {
    /// The facts.
    pub const FACTS: EventFacts = E::FACTS;
}

/// The constant of [`FactsOf`] for an event that a contract cannot describe.
pub trait NotDescribedEvent {
    /// Facts without a name.
    const FACTS: EventFacts = EventFacts { name: "", ty: "", docs: "", parts: &[], schema: None };
}

impl<E: ?Sized> NotDescribedEvent for FactsOf<E> {}

/// Whether a handler without `self` returns JSON: a `Json`, or an `Option` or a `Result` of it.
#[derive(Debug)]
pub struct JsonOf<T: ?Sized>(PhantomData<T>);

impl<T> JsonOf<Json<T>> {
    /// It is JSON.
    pub const IS_JSON: bool = true;
}

impl<T> JsonOf<Option<Json<T>>> {
    /// It is JSON.
    pub const IS_JSON: bool = true;
}

impl<T, E> JsonOf<Result<Json<T>, E>> {
    /// It is JSON.
    pub const IS_JSON: bool = true;
}

/// The constant of [`JsonOf`] for a type that is not JSON.
pub trait NotJson {
    /// It is not JSON.
    const IS_JSON: bool = false;
}

impl<T: ?Sized> NotJson for JsonOf<T> {}
