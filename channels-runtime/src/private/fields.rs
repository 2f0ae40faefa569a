//! Bounds on the fields of events and groups.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;
use std::sync::LazyLock;

use crate::name::{GroupName, NameError};

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
