//! Bounds on the fields of events and groups.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;
use std::sync::LazyLock;

use crate::name::{GroupName, NameError, NameField};

/// The type of an event's field. This one trait requires both directions of serde, so that a missing one is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of an event",
    label = "serde cannot serialise and deserialise this type",
    note = "write `#[derive(serde::Serialize, serde::Deserialize)]` above the type of a field, and above the types of its own fields",
    note = "for a type of another crate, enable its serde feature, or write `#[serde(with = \"..\")]` or `#[serde(skip)]`"
)]
pub trait Travels<'de>: serde::Deserialize<'de> {
    // Not a second supertrait: `Serialize` has no lifetime, so the compiler would report it again at each field.
    fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

#[diagnostic::do_not_recommend]
impl<'de, T: serde::Serialize + serde::Deserialize<'de>> Travels<'de> for T {
    fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

/// Serialises a field of an event.
pub fn write_field<T, S>(field: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: for<'de> Travels<'de>,
    S: serde::Serializer,
{
    field.write(serializer)
}

/// A type argument of an event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of an event",
    label = "serde cannot serialise and deserialise this type",
    note = "an event's type parameters need serde: write `#[derive(serde::Serialize, serde::Deserialize)]` above this type"
)]
pub trait Whole: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static> Whole for T {}

/// The type of a field that is part of a group's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a group's name",
    label = "a field of the name must implement `Display`",
    note = "implement `std::fmt::Display` for `{Self}`, or use a number or a `String`"
)]
pub trait Part: fmt::Display {}

#[diagnostic::do_not_recommend]
impl<T: fmt::Display> Part for T {}

/// Returns a field of a group. The bound reports a missing `Display` once, at the type in the user's code.
pub fn part<T: Part>(field: &T) -> &dyn fmt::Display {
    field
}

/// The type of a `coalesce` key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of `coalesce`",
    label = "values of this type cannot be compared reliably",
    note = "a key implements `Hash`: use an integer, a `String`, or your own type with `#[derive(Hash)]`"
)]
pub trait Key: Hash {}

#[diagnostic::do_not_recommend]
impl<T: Hash> Key for T {}

/// Returns the hash of an event's key. Different keys collide with a probability of 2^-63, and other processes cannot predict the
/// collisions.
pub fn key<T: Key>(event: &'static str, field: &T) -> Option<NonZeroU64> {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    NonZeroU64::new(HASHER.hash_one((event, field))).or(Some(NonZeroU64::MIN))
}

/// Makes the name of a group with several fields.
pub fn joined_group_name(prefix: &'static str, fields: &[NameField<'_>], rest: usize) -> Result<GroupName, NameError> {
    GroupName::joined(prefix, fields, rest)
}

/// Checks the name of a group.
pub fn group_name(name: fmt::Arguments<'_>) -> Result<GroupName, NameError> {
    GroupName::written(name)
}
