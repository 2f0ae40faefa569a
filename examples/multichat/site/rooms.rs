//! The rooms, and the events of their groups.

use std::fmt;

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// A room in the list.
pub(crate) struct RoomInfo {
    pub(crate) id: u32,
    pub(crate) title: &'static str,
    pub(crate) staff_only: bool,
}

/// All rooms, by title.
pub(crate) const ROOMS: [RoomInfo; 3] = [
    RoomInfo { id: 2, title: "Coffee & tea", staff_only: false },
    RoomInfo { id: 1, title: "Lobby", staff_only: false },
    RoomInfo { id: 3, title: "Staff", staff_only: true },
];

/// The id of a room in messages: a string. A number is also accepted, because a Python peer forwards the client's value
/// unchanged.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(from = "Spelling", into = "String")]
pub(crate) struct RoomId(String);

#[derive(Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a room id")]
enum Spelling {
    Text(String),
    Number(u32),
}

impl RoomId {
    /// Returns the room, if it exists.
    pub(crate) fn room(&self) -> Option<&'static RoomInfo> {
        let id: u32 = self.0.parse().ok()?;
        ROOMS.iter().find(|room| room.id == id)
    }
}

impl From<Spelling> for RoomId {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Text(text) => Self(text),
            Spelling::Number(number) => number.into(),
        }
    }
}

impl From<u32> for RoomId {
    fn from(id: u32) -> Self {
        Self(id.to_string())
    }
}

impl From<RoomId> for String {
    fn from(id: RoomId) -> Self {
        id.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user joined.
#[event("chat.join")]
pub(crate) struct ChatJoin {
    pub(crate) room_id: RoomId,
    pub(crate) username: String,
}

/// A user left.
#[event("chat.leave")]
pub(crate) struct ChatLeave {
    pub(crate) room_id: RoomId,
    pub(crate) username: String,
}

/// A user sent a message.
#[event("chat.message")]
pub(crate) struct ChatMessage {
    pub(crate) room_id: RoomId,
    pub(crate) username: String,
    pub(crate) message: String,
}

/// The sockets in one room.
#[group("room-{id}", events(ChatJoin, ChatLeave, ChatMessage))]
pub(crate) struct Room {
    pub(crate) id: u32,
}
