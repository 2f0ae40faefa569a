//! The names of channels and groups. A name is checked when it is made, and is cheap to clone.
//!
//! The rules are those of Django Channels, so a name is valid in both: fewer than 100 characters, and only ASCII letters,
//! digits, `-`, `_` and `.`. A channel name may also contain one `!`. The part before the `!` names a process, and the part
//! after it names a channel of that process.
//!
//! The pub/sub layer does not check names in Python, and puts its prefix into each channel name that it makes. So such a name may
//! begin with any prefix: `my:sitespecific.` and 32 hex digits.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::io::Write;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

/// The largest length of a channel or group name, in characters. Django Channels requires fewer than 100.
pub const MAX_NAME_LENGTH: usize = 99;

/// The text between the prefix of a pub/sub layer and the digits, in the name of a channel.
pub(crate) const SPECIFIC: &str = "specific.";

/// The number of hex digits in the name of a channel that a layer has made: those of a UUID.
const DIGITS: usize = 32;

/// The largest length of the prefix of a pub/sub layer, in characters.
pub(crate) const MAX_PREFIX_LENGTH: usize = MAX_NAME_LENGTH - SPECIFIC.len() - DIGITS;

/// The reason why a string is not the name of a channel or a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name {name:?} {problem}{rule}", rule = self.rule())]
pub struct NameError {
    kind: Kind,
    name: String,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Worker,
    Group,
}

impl NameError {
    /// Returns the rule that the name breaks, in the end of the message.
    fn rule(&self) -> &'static str {
        match (&self.problem, self.kind) {
            (Problem::Ambiguous { .. }, _) => "",
            (_, Kind::Channel) => "; a name is 1 to 99 characters of `A-Z a-z 0-9 - _ .`, with at most one `!`",
            (_, Kind::Worker | Kind::Group) => "; a name is 1 to 99 characters of `A-Z a-z 0-9 - _ .`",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "channel",
            Self::Worker => "worker channel",
            Self::Group => "group",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("is empty")]
    Empty,
    #[error("is {0} characters long")]
    TooLong(usize),
    #[error("contains {0:?}")]
    Character(char),
    #[error("contains more than one `!`")]
    SecondBang,
    #[error("has nothing before the `!`")]
    NoProcess,
    #[error(
        "could also be that of another group: its field `{field}` contains {separator:?}, which separates it from the next \
         field; separate the fields with a character that `{field}` never contains: `-`, `_` or `.`"
    )]
    Ambiguous { field: &'static str, separator: &'static str },
}

fn check(kind: Kind, name: &str) -> Result<(), NameError> {
    // The fast path: most names are valid and do not contain a `!`.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=MAX_NAME_LENGTH).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    let problem = |problem| NameError { kind, name: name.chars().take(2 * MAX_NAME_LENGTH).collect(), problem };
    if name.is_empty() {
        return Err(problem(Problem::Empty));
    }
    let length = name.chars().count();
    if length > MAX_NAME_LENGTH {
        return Err(problem(Problem::TooLong(length)));
    }
    if kind == Kind::Channel && is_made_by_pubsub(name) {
        return Ok(());
    }
    let mut has_bang = false;
    for (at, character) in name.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => {}
            '!' if kind == Kind::Channel => match (at, has_bang) {
                (0, _) => return Err(problem(Problem::NoProcess)),
                (_, true) => return Err(problem(Problem::SecondBang)),
                (_, false) => has_bang = true,
            },
            other => return Err(problem(Problem::Character(other))),
        }
    }
    Ok(())
}

/// Returns whether this is a name as a pub/sub layer makes it, with any prefix. Control characters are left out, because names are
/// logged.
fn is_made_by_pubsub(name: &str) -> bool {
    let Some((prefix, digits)) = name.rsplit_once(SPECIFIC) else { return false };
    let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    digits.len() == DIGITS && digits.bytes().all(is_hex) && !prefix.contains(char::is_control)
}

/// Returns whether a string is a valid channel name.
#[cfg(feature = "redis")]
pub(crate) fn is_channel_name(name: &str) -> bool {
    check(Kind::Channel, name).is_ok()
}

/// The consumer type of a [`ChannelName`] that was made from a plain string. Any event can be sent to it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Untyped {}

/// The name of a channel: a mailbox of the layer, usually that of a connection.
///
/// A name from a consumer ([`Context::channel_name`](crate::Context::channel_name)) has the type of its consumer, so only
/// events that this consumer handles can be sent to it. A name from a plain string ([`ChannelName::new`]) is [`Untyped`].
///
/// A name is serialised as a plain string. A deserialised name has the type that it is deserialised as.
///
/// ```
/// use channels_runtime::ChannelName;
/// let name = ChannelName::new("thumbnails").unwrap();
/// assert_eq!(name.as_str(), "thumbnails");
/// assert!(ChannelName::new("not legal").is_err());
/// ```
pub struct ChannelName<C = Untyped> {
    name: Arc<str>,
    consumer: PhantomData<fn() -> C>,
}

impl ChannelName {
    /// Makes a name from a plain string.
    ///
    /// # Errors
    /// If the string is empty, is longer than 99 characters, or contains a character that Django Channels forbids.
    pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
        check(Kind::Channel, name.as_ref())?;
        Ok(Self::from_checked(name.as_ref().into()))
    }
}

impl<C> ChannelName<C> {
    /// Makes the name of a channel whose workers run `C`. Only events that `C` handles can be sent to it.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # #[event("thumbnail.wanted")] struct ThumbnailWanted { id: u64 }
    /// # #[derive(Default)] struct ThumbnailConsumer;
    /// # #[consumer] impl ThumbnailConsumer {
    /// #     #[handler("thumbnail.wanted")] fn thumbnail_wanted(&mut self, _cx: &mut Context<Self>, event: &ThumbnailWanted) {}
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let thumbnails = ChannelName::<ThumbnailConsumer>::of_worker("thumbnails")?;
    /// ChannelLayer::in_memory().send(&thumbnails, &ThumbnailWanted { id: 7 }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the name is not valid, or contains a `!`: such a name is that of a channel in one process.
    pub fn of_worker(name: impl AsRef<str>) -> Result<Self, NameError> {
        check(Kind::Worker, name.as_ref())?;
        Ok(Self::from_checked(name.as_ref().into()))
    }

    pub(crate) fn from_checked(name: Arc<str>) -> Self {
        Self { name, consumer: PhantomData }
    }

    /// Returns the name as a string.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the name without its consumer type, for example for a `Vec<ChannelName>` with the channels of different
    /// consumers.
    #[must_use]
    pub fn untyped(&self) -> ChannelName {
        ChannelName::from_checked(Arc::clone(&self.name))
    }

    pub(crate) fn typed<T>(&self) -> ChannelName<T> {
        ChannelName::from_checked(Arc::clone(&self.name))
    }

    /// Returns the part that all channels of one process share: up to and including the `!`. Returns the whole name if it does
    /// not contain a `!`.
    pub fn non_local(&self) -> &str {
        match self.name.find('!') {
            Some(at) => &self.name[..=at],
            None => &self.name,
        }
    }
}

/// The name of a group: a set of channels that receive the same messages.
///
/// Usually [`Group::name`](crate::Group::name) makes it from a `#[group("chat_{room}", ..)]` struct.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Makes a name from a plain string.
    ///
    /// # Errors
    /// If the string is empty, is longer than 99 characters, or contains a character that Django Channels forbids.
    pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
        check(Kind::Group, name.as_ref())?;
        Ok(Self(name.as_ref().into()))
    }

    /// Makes a name from format arguments. A name of valid length is formatted without an allocation.
    pub(crate) fn written(name: fmt::Arguments<'_>) -> Result<Self, NameError> {
        let mut buffer = [0; MAX_NAME_LENGTH];
        let mut rest = &mut buffer[..];
        if rest.write_fmt(name).is_err() {
            return Self::new(name.to_string());
        }
        let length = MAX_NAME_LENGTH - rest.len();
        Self::new(std::str::from_utf8(&buffer[..length]).expect("formatted text is UTF-8"))
    }

    /// Makes a name from several fields, so that different fields make different names. Allocates like [`Self::written`].
    ///
    /// The name can be taken apart: the fields before `rest` from its beginning, each up to the first separator, and the fields
    /// after `rest` from its end. So only `rest` may contain the separators next to it.
    pub(crate) fn joined(prefix: &'static str, fields: &[NameField<'_>], rest: usize) -> Result<Self, NameError> {
        let mut buffer = [0; MAX_NAME_LENGTH];
        let mut free = &mut buffer[..];
        let mut ambiguous = None;
        let mut spans: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        let length = |free: &[u8]| MAX_NAME_LENGTH - free.len();
        let mut written = free.write_all(prefix.as_bytes()).is_ok();
        for NameField { value, separator, .. } in fields {
            let start = length(free);
            written = written && write!(free, "{value}").is_ok();
            spans.push((start, length(free)));
            written = written && free.write_all(separator.as_bytes()).is_ok();
        }
        let length = length(free);
        if !written {
            let fields = fields.iter().map(|NameField { value, separator, .. }| format!("{value}{separator}"));
            return Self::new(prefix.to_owned() + &fields.collect::<String>());
        }
        let text = std::str::from_utf8(&buffer[..length]).expect("formatted text is UTF-8");
        let name = Self::new(text)?;
        for (at, ((start, end), field)) in spans.into_iter().zip(fields).enumerate() {
            let (separator, is_found) = match at.cmp(&rest) {
                Ordering::Less => (field.separator, text[start..].find(field.separator) == Some(end - start)),
                Ordering::Equal => continue,
                Ordering::Greater => {
                    let separator = fields[at - 1].separator;
                    (separator, text[start - separator.len()..end].rfind(separator) == Some(0))
                }
            };
            if !is_found {
                ambiguous.get_or_insert(Problem::Ambiguous { field: field.name, separator });
            }
        }
        match ambiguous {
            None => Ok(name),
            Some(problem) => Err(NameError { kind: Kind::Group, name: text.to_owned(), problem }),
        }
    }

    /// Returns the name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A field of a group's name, for `GroupName::joined`.
#[derive(Clone, Copy)]
pub struct NameField<'a> {
    /// The field's name, for an error.
    pub name: &'static str,
    /// The field's value.
    pub value: &'a dyn fmt::Display,
    /// The text between this field and the next one, or after the last one.
    pub separator: &'static str,
}

impl fmt::Debug for NameField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameField").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<C> Clone for ChannelName<C> {
    fn clone(&self) -> Self {
        Self::from_checked(Arc::clone(&self.name))
    }
}

impl<C> PartialEq for ChannelName<C> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<C> Eq for ChannelName<C> {}

impl<C> std::hash::Hash for ChannelName<C> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

// Equality and hash are those of the string, so a map with names as keys can be searched by a string.
impl<C> Borrow<str> for ChannelName<C> {
    fn borrow(&self) -> &str {
        &self.name
    }
}

impl<C> fmt::Debug for ChannelName<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelName({:?})", &*self.name)
    }
}

impl<C> fmt::Display for ChannelName<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<C> Serialize for ChannelName<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de, C> Deserialize<'de> for ChannelName<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        check(Kind::Channel, &name).map_err(serde::de::Error::custom)?;
        Ok(Self::from_checked(name.into()))
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupName({:?})", &*self.0)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for GroupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for GroupName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_name_has_1_to_99_valid_characters() {
        assert!(GroupName::new("chat").is_ok());
        assert!(GroupName::new("A-z_0.9").is_ok());
        assert!(GroupName::new("g".repeat(99)).is_ok());
        for bad in ["", "a b", "a!b", "¯\\_(ツ)_/¯", "chat\n", "٣"] {
            assert!(GroupName::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(GroupName::written(format_args!("g-{}", 7)).unwrap().as_str(), "g-7");
        assert!(GroupName::written(format_args!("{:99}", 'g')).is_err());
        assert_eq!(GroupName::written(format_args!("{:0>99}", 'g')).unwrap().as_str().len(), 99);
        assert!(GroupName::written(format_args!("{:0>100}", 'g')).unwrap_err().to_string().contains("100 characters"));
        let error = GroupName::new("g".repeat(101)).unwrap_err().to_string();
        assert!(error.contains("is 101 characters long; a name is 1 to 99 characters"), "{error}");
    }

    #[test]
    fn joined_name_belongs_to_one_list_of_fields() {
        let name = |fields: &[&str], separators: &[&'static str], rest| {
            let fields: Vec<NameField<'_>> = fields
                .iter()
                .zip(separators)
                .zip(["a", "b", "c"])
                .map(|((value, separator), name)| NameField { name, value, separator })
                .collect();
            GroupName::joined("p_", &fields, rest)
        };
        assert_eq!(name(&["x", "y_z"], &["_", ""], 1).unwrap().as_str(), "p_x_y_z");
        let error = name(&["x_y", "z"], &["_", ""], 1).unwrap_err().to_string();
        assert_eq!(
            error,
            "group name \"p_x_y_z\" could also be that of another group: its field `a` contains \"_\", which separates it from \
             the next field; separate the fields with a character that `a` never contains: `-`, `_` or `.`"
        );
        assert_eq!(name(&["x_y", "7"], &["_", ""], 0).unwrap().as_str(), "p_x_y_7");
        assert!(name(&["x", "y_z"], &["_", ""], 0).is_err());
        assert!(name(&["x_", "y"], &["__", ""], 1).is_err(), "it is also the name of `x` and `_y`");
        assert_eq!(name(&["1", "a-b", "2"], &["-", "-", "_end"], 1).unwrap().as_str(), "p_1-a-b-2_end");
        assert!(name(&["1", "a", "2-3"], &["-", "-", "_end"], 1).is_err());
        assert!(name(&["a", "b"], &["", ""], 1).is_err());
        assert!(name(&["a b", "c"], &["_", ""], 1).unwrap_err().to_string().contains("contains ' '"));
        let long = "g".repeat(99);
        let error = name(&[&long, "c"], &["_", ""], 1).unwrap_err().to_string();
        assert!(error.contains("is 103 characters long; a name is"), "{error}");
    }

    #[test]
    fn channel_name_may_contain_one_bang_after_process() {
        let name = ChannelName::new("specific.0f!e1").unwrap();
        assert_eq!(name.non_local(), "specific.0f!");
        assert_eq!(ChannelName::new("worker").unwrap().non_local(), "worker");
        assert_eq!(ChannelName::new("specific.0f!").unwrap().non_local(), "specific.0f!");
        let error = ChannelName::new("a!b!c").unwrap_err().to_string();
        assert!(error.starts_with("channel name \"a!b!c\" contains more than one `!`"), "{error}");
        assert!(ChannelName::new("!local").is_err());
    }

    #[test]
    fn channel_name_of_pubsub_may_have_any_prefix() {
        let made = |prefix: &str| format!("{prefix}specific.0123456789abcdef0123456789abcdef");
        for prefix in ["asgi", "my:site", "my site", "a!b!", "é", ":", "", &"x:".repeat(29)] {
            let name = ChannelName::new(made(prefix)).unwrap();
            assert_eq!(serde_json::from_str::<ChannelName>(&serde_json::to_string(&name).unwrap()).unwrap(), name);
            assert!(
                GroupName::new(made("my:site")).is_err() && ChannelName::<Untyped>::of_worker(made("my:site")).is_err()
            );
        }
        for bad in [made("a\nb"), made(&"x:".repeat(30)), made("a:").to_uppercase(), made("a:").replace('f', "")] {
            assert!(ChannelName::new(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn deserialised_name_is_checked() {
        assert!(serde_json::from_str::<ChannelName>("\"a!b\"").is_ok());
        assert!(serde_json::from_str::<ChannelName>("\"a b\"").is_err());
        assert!(serde_json::from_str::<GroupName>("\"a!b\"").is_err());
    }
}
