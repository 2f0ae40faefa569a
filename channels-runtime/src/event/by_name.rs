//! Groups by their names: reads the fields of a group back from its name, and finds its events by their names.

use std::str::FromStr;

use crate::event::event::Event;
use crate::event::group::Group;

/// `Room: ByName`: a group that can be found by its name, for messages and tickets of another program. `#[group]` implements it
/// for every group whose fields implement [`FromStr`].
///
/// `N` has no meaning. With it the compiler checks the fields where a group is used, and not where it is defined.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group that can be found by its name",
    label = "not such a group",
    note = "a group is a struct with `#[group(\"its_name_{{field}}\", events(..))]` above it, whose fields implement `std::str::FromStr`"
)]
pub trait ByName<N = ()>: Group + Sized {
    /// Reads the fields from a name. The result has another name if a field is not written as its `Display` writes it, as in
    /// `order-007`.
    ///
    /// # Errors
    /// If the name does not fit the pattern, or a part of it is not a value of its field.
    fn from_name(name: &str) -> Result<Self, NameMismatch>;

    /// Calls the visitor with the type of the event that has this name. Returns `None` if the group does not carry such an event.
    #[doc(hidden)]
    fn with_event<V: EventVisitor>(name: &str, visitor: V) -> Option<V::Output>;
}

/// The type of a field that can be read back from a group's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read back from a group's name",
    label = "a field of this group does not implement `FromStr`",
    note = "implement `std::str::FromStr` for `{Self}`, or use a number or a `String`"
)]
pub trait ReadPart<N>: Sized {
    #[doc(hidden)]
    fn read(text: &str) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: FromStr, N> ReadPart<N> for T {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A listed event. It is [`Event`] with a parameter, so that the compiler checks it where the group is used.
pub trait ListedEvent<N> {
    #[doc(hidden)]
    const TYPE: &'static str;

    #[doc(hidden)]
    fn visit<V: EventVisitor>(visitor: V) -> V::Output;
}

#[diagnostic::do_not_recommend]
impl<E: Event, N> ListedEvent<N> for E {
    const TYPE: &'static str = <E as Event>::TYPE;

    fn visit<V: EventVisitor>(visitor: V) -> V::Output {
        visitor.visit::<E>()
    }
}

/// A computation with an event whose type is found by its name.
pub trait EventVisitor {
    /// The result.
    type Output;

    /// Computes the result for this type.
    fn visit<E: Event>(self) -> Self::Output;
}

/// The reason why a text is not the name of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameMismatch {
    /// The name does not fit the pattern.
    #[error("the name does not fit the pattern of the group")]
    Pattern,
    /// A part of the name is not a value of its field.
    #[error("a part of the name is not a value of the field `{0}`")]
    Field(&'static str),
}

/// Splits a name into the texts of its fields, as `GroupName::joined` puts them together: the fields before `rest` from the
/// beginning, and those after it from the end. `separators` are the texts behind the fields.
///
/// # Errors
/// If the name does not fit.
pub fn name_parts<'n, const N: usize>(
    name: &'n str,
    prefix: &str,
    separators: [&str; N],
    rest: usize,
) -> Result<[&'n str; N], NameMismatch> {
    split(name, prefix, separators, rest).ok_or(NameMismatch::Pattern)
}

fn split<'n, const N: usize>(name: &'n str, prefix: &str, separators: [&str; N], rest: usize) -> Option<[&'n str; N]> {
    let mut parts = [""; N];
    let mut text = name.strip_prefix(prefix)?;
    if N == 0 {
        return text.is_empty().then_some(parts);
    }
    for at in 0..rest {
        (parts[at], text) = text.split_once(separators[at])?;
    }
    for at in (rest + 1..N).rev() {
        text = text.strip_suffix(separators[at])?;
        let start = text.rfind(separators[at - 1])? + separators[at - 1].len();
        parts[at] = &text[start..];
        // The separator stays: it is behind the field that is read next.
        text = &text[..start];
    }
    parts[rest] = text.strip_suffix(separators[rest])?;
    Some(parts)
}

/// Reads the field of a name.
///
/// # Errors
/// If the text is not a value of the field.
pub fn read_part<T: ReadPart<N>, N>(field: &'static str, text: &str) -> Result<T, NameMismatch> {
    T::read(text).ok_or(NameMismatch::Field(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_split_as_it_was_joined() {
        fn parts<'n, const N: usize>(name: &'n str, separators: [&str; N], rest: usize) -> Option<[&'n str; N]> {
            split(name, "p_", separators, rest)
        }
        assert_eq!(parts("p_x_y_z", ["_", ""], 1), Some(["x", "y_z"]));
        assert_eq!(parts("p_x_y_7", ["_", ""], 0), Some(["x_y", "7"]));
        assert_eq!(parts("p_1-a-b-2_end", ["-", "-", "_end"], 1), Some(["1", "a-b", "2"]));
        assert_eq!(parts("p__", ["_", ""], 1), Some(["", ""]));
        for (name, separators) in [("q_x_y", ["_", ""]), ("p_x", ["_", ""]), ("p_x_y", ["_", "_end"]), ("p", ["_", ""])]
        {
            assert_eq!(parts(name, separators, 1), None, "{name}");
        }
        assert_eq!(split("news", "news", [], 0), Some([]));
        assert_eq!(split("news-7", "news", [], 0), None);
        assert_eq!(split("room-7", "room-", [""], 0), Some(["7"]));
        assert_eq!(split("room-7-end", "room-", ["-end"], 0), Some(["7"]));
    }
}
