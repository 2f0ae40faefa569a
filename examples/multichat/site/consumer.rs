//! The consumer: one socket with any number of rooms.

use std::collections::BTreeSet;

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

use super::accounts::User;
use super::rooms::{ChatJoin, ChatLeave, ChatMessage, Room, RoomId, RoomInfo};

/// `{"command": "join", "room": "1"}` and `{"command": "leave", "room": "1"}`.
#[derive(Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct InRoom {
    room: RoomId,
}

/// `{"command": "send", "room": "1", "message": "hi"}`
#[derive(Deserialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Say {
    room: RoomId,
    message: String,
}

/// The response to `join`.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Joined {
    join: RoomId,
    title: &'static str,
}

/// The response to `leave`.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Left {
    leave: RoomId,
}

/// The response to a rejected command.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct Refusal {
    error: Refused,
}

#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Refused {
    RoomInvalid,
    RoomAccessDenied,
}

/// A message, a join or a leave in a room.
#[derive(Serialize)]
#[cfg_attr(feature = "contract", derive(schemars::JsonSchema))]
pub(crate) struct News {
    msg_type: u8,
    room: RoomId,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

const MESSAGE: u8 = 0;
const ENTER: u8 = 4;
const LEAVE: u8 = 5;

/// The close code for a user who is not logged in. The page then loads again, which shows the login if the session has ended.
pub(crate) const LOGIN_REQUIRED: CloseCode = CloseCode::app::<3000>();

/// The user of a connection that is closed before it runs a command.
const NOBODY: User = User { name: "", is_staff: false };

pub(crate) struct ChatConsumer {
    user: User,
    rooms: BTreeSet<u32>,
}

impl ChatConsumer {
    fn enter(&self, id: &RoomId) -> Result<&'static RoomInfo, Refused> {
        match id.room() {
            Some(room) if room.staff_only && !self.user.is_staff => Err(Refused::RoomAccessDenied),
            Some(room) => Ok(room),
            None => Err(Refused::RoomInvalid),
        }
    }
}

#[consumer(tag = "command", sends(Joined, Left, Refusal))]
impl ChatConsumer {
    #[connect]
    fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let user = cx.user::<User>().map(|user| *user).unwrap_or_else(|| {
            // Accepts the connection and closes it, because a script cannot read the status of a rejected handshake.
            cx.close_with(LOGIN_REQUIRED, "log in");
            NOBODY
        });
        Ok(Self { user, rooms: BTreeSet::new() })
    }

    #[receive("join")]
    async fn join(&mut self, cx: &mut Context<Self>, command: InRoom) -> Result<()> {
        let RoomInfo { id, title, .. } = match self.enter(&command.room) {
            Ok(room) => room,
            Err(error) => return cx.send(&Refusal { error }).await,
        };
        let room = Room { id: *id };
        // Sent before this socket joins, because it receives the response instead.
        cx.group_send(&room, &ChatJoin { room_id: (*id).into(), username: self.user.name.into() }).await?;
        self.rooms.insert(*id);
        cx.group_add(&room).await?;
        cx.send(&Joined { join: (*id).into(), title }).await
    }

    #[receive("leave")]
    async fn leave(&mut self, cx: &mut Context<Self>, command: InRoom) -> Result<()> {
        let id = match self.enter(&command.room) {
            Ok(room) => room.id,
            Err(error) => return cx.send(&Refusal { error }).await,
        };
        let room = Room { id };
        cx.group_discard(&room).await?;
        // The members are only notified if the user was in the room.
        if self.rooms.remove(&id) {
            cx.group_send(&room, &ChatLeave { room_id: id.into(), username: self.user.name.into() }).await?;
        }
        cx.send(&Left { leave: id.into() }).await
    }

    #[receive("send")]
    async fn say(&mut self, cx: &mut Context<Self>, command: Say) -> Result<()> {
        let id = match self.enter(&command.room) {
            Ok(room) if self.rooms.contains(&room.id) => room.id,
            Ok(_) => return cx.send(&Refusal { error: Refused::RoomAccessDenied }).await,
            Err(error) => return cx.send(&Refusal { error }).await,
        };
        let said = ChatMessage { room_id: id.into(), username: self.user.name.into(), message: command.message };
        cx.group_send(&Room { id }, &said).await
    }

    /// Ignores all other commands.
    #[receive]
    fn other(&mut self, _cx: &mut Context<Self>, _text: String) {}

    #[handler("chat.join")]
    fn chat_join(event: &ChatJoin) -> Json<News> {
        Json(News { msg_type: ENTER, room: event.room_id.clone(), username: event.username.clone(), message: None })
    }

    #[handler("chat.leave")]
    fn chat_leave(event: &ChatLeave) -> Json<News> {
        Json(News { msg_type: LEAVE, room: event.room_id.clone(), username: event.username.clone(), message: None })
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<News> {
        let message = Some(event.message.clone());
        Json(News { msg_type: MESSAGE, room: event.room_id.clone(), username: event.username.clone(), message })
    }

    /// The runtime leaves the groups without notifying their members, so this method notifies them.
    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        for id in std::mem::take(&mut self.rooms) {
            let left = ChatLeave { room_id: id.into(), username: self.user.name.into() };
            cx.group_send(&Room { id }, &left).await?;
        }
        Ok(())
    }
}
