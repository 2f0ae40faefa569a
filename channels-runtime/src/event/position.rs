//! Positions in the histories of groups, as clients remember them.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::name::GroupName;

/// The length of a position's text. The first eight characters are the key of its group.
const TEXT: usize = 30;

/// The number of bytes that [`TEXT`] encodes.
const BYTES: usize = 22;

/// The place of a kept event in the history of its group.
///
/// A handler that takes `at: &Position` writes it into its frame, and the client sends it back when it reconnects. Then
/// [`Context::group_add_since`](crate::Context::group_add_since) sends the events after it.
///
/// Its text has 30 characters of `A-Z`, `a-z`, `0-9`, `-` and `_`. The first eight are equal for all positions of one group, so a
/// client can keep the newest position of each group in a map. Otherwise the text is opaque. It is not a secret and grants
/// nothing: a consumer decides who may join.
///
/// An event that is not kept has no position ([`Self::is_none`]): a volatile event, an event that was sent to a single channel or
/// with the core layer of Redis, or one whose sender does not write the history. It is serialised as `null`, and the client
/// keeps the position that it has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    group: [u8; 6],
    reign: Reign,
    id: Id,
}

/// The identity of a kept event: random bytes that its sender chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) [u8; 12]);

/// The identity of a server's life. After a restart or a failover, nobody can prove that no event was lost, so a position of an
/// earlier reign has a gap behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Reign(pub(crate) [u8; 4]);

impl Position {
    /// The most positions that a client may send at once.
    pub(crate) const MOST: usize = 64;

    /// The position of an event that is not kept.
    pub(crate) const NONE: Self = Self { group: [0; 6], reign: Reign([0; 4]), id: Id([0; 12]) };

    pub(crate) fn new(group: &GroupName, reign: Reign, id: Id) -> Self {
        Self { group: key_of(group), reign, id }
    }

    /// Returns whether the event is not kept, so that it has no position.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    pub(crate) fn reign(&self) -> Reign {
        self.reign
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    fn bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..6].copy_from_slice(&self.group);
        bytes[6..10].copy_from_slice(&self.reign.0);
        bytes[10..].copy_from_slice(&self.id.0);
        bytes
    }
}

/// Returns the first six bytes of a position: a hash of the group's name (FNV-1a). Two groups with the same key would only
/// cause a `#[history_lost]`.
fn key_of(group: &GroupName) -> [u8; 6] {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = group.as_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    let [key @ .., _, _] = hash.to_be_bytes();
    key
}

impl Id {
    /// Makes a new identity.
    pub(crate) fn random() -> Self {
        // A version 4 UUID has six fixed bits, in the bytes that are left out.
        let random = uuid::Uuid::new_v4().into_bytes();
        let mut id = [0; 12];
        id[..6].copy_from_slice(&random[..6]);
        id[6..].copy_from_slice(&random[10..]);
        Self(id)
    }
}

impl Reign {
    /// Makes the identity of a server that lives in this process.
    pub(crate) fn random() -> Self {
        let Id([a, b, c, d, ..]) = Id::random();
        Self([a, b, c, d])
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return Ok(());
        }
        let mut text = [0; TEXT];
        let written = URL_SAFE_NO_PAD.encode_slice(self.bytes(), &mut text);
        debug_assert_eq!(written, Ok(TEXT), "the length of the text is fixed");
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

/// The error of a text that is not a [`Position`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAPosition(());

impl fmt::Display for NotAPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a position: it has {TEXT} characters of `A-Z`, `a-z`, `0-9`, `-` and `_`")
    }
}

impl Error for NotAPosition {}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let mut bytes = [0; BYTES + 2];
        let written = if text.len() == TEXT { URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) } else { Ok(0) };
        let (Ok(BYTES), [group @ .., _, _]) = (written, bytes) else { return Err(NotAPosition(())) };
        let (key, rest) = group.split_at(6);
        let (reign, id) = rest.split_at(4);
        let part = |_| NotAPosition(());
        let position = Self {
            group: key.try_into().map_err(part)?,
            reign: Reign(reign.try_into().map_err(part)?),
            id: Id(id.try_into().map_err(part)?),
        };
        if position.is_none() { Err(NotAPosition(())) } else { Ok(position) }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_none() { serializer.serialize_none() } else { serializer.collect_str(self) }
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map_or(Ok(Self::NONE), |text| text.parse().map_err(serde::de::Error::custom))
    }
}

/// The positions that a client has seen last, one for each group: where [`Context::group_add_since`] continues.
///
/// [`Context::resume`](crate::Context::resume) reads them from the request. A command can also carry them, because they implement
/// `Deserialize`: a text of positions with commas between them, or `null`. A text that contains anything else, or more than 64
/// positions, is unreadable. That is a gap for the consumer, not an error, and never counts as a first visit.
///
/// [`Context::group_add_since`]: crate::Context::group_add_since
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since(Seen);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// The client has not been here before.
    Nothing,
    At(SmallVec<[Position; 1]>),
    Unreadable,
}

impl Since {
    /// The start of a client that has seen nothing yet. It gets only the events after it has joined.
    pub const START: Self = Self(Seen::Nothing);

    /// Returns the position of a group that the client sent. `Ok(None)` if it sent none for this group.
    ///
    /// # Errors
    /// If the text of the client was not readable.
    pub(crate) fn of(&self, group: &GroupName) -> Result<Option<Position>, Unreadable> {
        match &self.0 {
            Seen::Nothing => Ok(None),
            Seen::At(positions) => {
                let key = key_of(group);
                Ok(positions.iter().rfind(|position| position.group == key).copied())
            }
            Seen::Unreadable => Err(Unreadable),
        }
    }
}

/// The error of positions that are not readable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl From<Position> for Since {
    fn from(position: Position) -> Self {
        if position.is_none() { Self::START } else { Self(Seen::At(SmallVec::from_elem(position, 1))) }
    }
}

impl From<&str> for Since {
    /// Reads positions with commas between them. An empty text is [`Since::START`].
    fn from(text: &str) -> Self {
        if text.is_empty() {
            return Self::START;
        }
        // The bound is checked before the text is read.
        if text.len() > Position::MOST * (TEXT + 1) {
            return Self(Seen::Unreadable);
        }
        let positions: Result<SmallVec<_>, _> = text.split(',').map(Position::from_str).collect();
        Self(positions.map_or(Seen::Unreadable, Seen::At))
    }
}

impl<'de> Deserialize<'de> for Since {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(match &value {
            serde_json::Value::Null => Self::START,
            serde_json::Value::String(text) => text.as_str().into(),
            _ => Self(Seen::Unreadable),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    #[test]
    fn text_round_trips_and_begins_with_key_of_group() {
        let reign = Reign([1, 2, 3, 4]);
        let (one, two) = (group("chat_one"), group("chat_two"));
        let [a, b, c] = [&one, &one, &two].map(|group| Position::new(group, reign, Id::random()));
        for position in [a, b, c] {
            let text = position.to_string();
            assert_eq!((text.len(), text.parse()), (30, Ok(position)));
            assert_eq!(serde_json::from_value::<Position>(json!(position)).unwrap(), position);
        }
        assert_ne!(a, b);
        assert_eq!(a.to_string()[..8], b.to_string()[..8]);
        assert_ne!(a.to_string()[..8], c.to_string()[..8]);
    }

    #[test]
    fn event_without_position_is_null() {
        assert_eq!((json!(Position::NONE), Position::NONE.to_string()), (json!(null), String::new()));
        assert_eq!(Since::from(Position::NONE), Since::START);
    }

    #[test]
    fn since_returns_position_of_its_group() {
        let (one, two, three) = (group("one"), group("two"), group("three"));
        let [a, b] = [&one, &two].map(|group| Position::new(group, Reign::default(), Id::random()));
        let since: Since = serde_json::from_value(json!(format!("{a},{b}"))).unwrap();
        assert_eq!((since.of(&one), since.of(&two), since.of(&three)), (Ok(Some(a)), Ok(Some(b)), Ok(None)));
        for nothing in [json!(null), json!("")] {
            assert_eq!(serde_json::from_value::<Since>(nothing).unwrap(), Since::START);
        }
    }

    #[test]
    fn garbage_is_unreadable_and_never_first_visit() {
        let position = Position::new(&group("one"), Reign::default(), Id::random()).to_string();
        let many = vec![position.clone(); 65].join(",");
        let none = "A".repeat(30);
        let texts = ["x", ",", " ", &position[1..], &format!("{position},"), &format!("{position},x"), &many, &none];
        for text in texts {
            assert_eq!(Since::from(text).of(&group("one")), Err(Unreadable), "{text}");
        }
        assert!(Since::from(&*vec![position; 64].join(",")).of(&group("one")).is_ok());
        for value in [json!(7), json!([]), json!({"at": "x"}), json!(true)] {
            let since: Since = serde_json::from_value(value).unwrap();
            assert_eq!(since.of(&group("one")), Err(Unreadable));
        }
    }
}
