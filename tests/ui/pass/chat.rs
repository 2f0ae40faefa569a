//! The whole of it: every kind of method, async and not, with a client's commands and frames.

use channels_runtime::Consumer;
use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[event("chat.message")]
#[derive(Debug, Clone)]
pub struct ChatMessage {
    pub message: String,
}

#[event("chat.join")]
pub struct ChatJoin {
    pub username: String,
}

#[event("chat.history")]
struct ChatHistory;

#[group("room-{id}", events(ChatMessage, ChatJoin, ChatHistory))]
pub struct Room {
    pub id: u64,
}

#[group("lobby", events(ChatJoin))]
struct Lobby;

#[derive(Deserialize)]
struct SendCommand {
    message: String,
}

#[derive(Serialize)]
struct Joined {
    username: String,
}

struct ChatConsumer {
    room: Room,
}

#[consumer(tag = "command", sends(Joined))]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64, _name: String) -> Result<Self, Reject> {
        let room = Room { id };
        cx.group_add(&room).await?;
        cx.group_add(&Lobby).await?;
        Ok(Self { room })
    }

    /// Says something.
    #[receive("send")]
    async fn send(&mut self, cx: &mut Context<Self>, command: SendCommand) -> Result<()> {
        cx.group_send(&self.room, &ChatMessage { message: command.message }).await
    }

    #[receive]
    fn frame(&mut self, cx: &mut Context<Self>, _frame: Frame) {
        cx.close(CloseCode::UNSUPPORTED);
    }

    #[handler("chat.join")]
    async fn chat_join(&mut self, cx: &mut Context<Self>, event: &ChatJoin) -> Result<()> {
        cx.send(&Joined { username: event.username.clone() }).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<ChatMessage> {
        Json(event.clone())
    }

    #[handler("chat.history")]
    async fn chat_history(_: &ChatHistory) -> Option<String> {
        None
    }

    #[disconnect]
    async fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        Ok(())
    }
}

#[test]
fn runs() {
    let info = <ChatConsumer as channels_runtime::Consumer>::INFO;
    assert_eq!(info.name, "ChatConsumer");
    assert_eq!(info.tag, "command");
    let events: Vec<_> = info.handlers.iter().map(|handler| (handler.event, handler.variant, handler.shared)).collect();
    assert_eq!(
        events,
        [
            ("chat.join", "ChatJoin", false),
            ("chat.message", "ChatMessage", true),
            ("chat.history", "ChatHistory", true)
        ]
    );
    assert!((info.handlers[0].payload)().ends_with("ChatJoin"));
    // The line of `async fn chat_join`.
    assert_eq!(info.handlers[0].line, 65);
    assert_eq!(info.commands.iter().map(|command| command.name).collect::<Vec<_>>(), ["send"]);
    assert!((info.sends[0])().ends_with("Joined"));
    type Event = <ChatConsumer as Consumer>::Event;
    let event = Event::ChatMessage(ChatMessage { message: "hi".into() });
    assert_eq!(format!("{event:?}"), "ChatMessage");
    assert_eq!(Room { id: 7 }.name().unwrap().as_str(), "room-7");
    assert_eq!(Lobby.name().unwrap().as_str(), "lobby");
}
