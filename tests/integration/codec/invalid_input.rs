//! A chat application, and a consumer that handles unknown events and commands itself.

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::Deserialize;
use serde_json::Value;

/// JSON and msgpack are read to a depth of 128.
pub(crate) const DEEP: usize = 10_000;

#[event("chat.message")]
pub(crate) struct ChatMessage {
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) user: Option<User>,
    #[serde(default)]
    pub(crate) more: Value,
}

#[derive(serde::Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
}

#[event("chat.strict")]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatStrict {
    pub(crate) text: String,
}

#[group("room-{name}", events(ChatMessage, ChatStrict))]
pub(crate) struct Room {
    pub(crate) name: &'static str,
}

pub(crate) const ROOM: Room = Room { name: "lobby" };

#[derive(Deserialize)]
pub(crate) struct Say {
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) more: Value,
}

pub(crate) struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&ROOM).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        let user = event.user.as_ref().map_or("nobody", |user| &user.name);
        cx.send_text(format!("{user}: {} {} {}", event.text, event.count, event.more)).await
    }

    #[handler("chat.strict")]
    fn chat_strict(event: &ChatStrict) -> String {
        event.text.clone()
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.send_text(format!("you: {} {} {}", say.text, say.count, say.more)).await
    }
}

/// Handles unknown events and commands itself.
pub(crate) struct Curious;

#[consumer]
impl Curious {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&ROOM).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.text.clone()
    }

    #[handler("chat.strict")]
    fn chat_strict(event: &ChatStrict) -> String {
        event.text.clone()
    }

    #[handler(_)]
    async fn unknown(&mut self, cx: &mut Context<Self>, event: &Envelope) -> Result<()> {
        cx.send_text(format!("{}? {}", event.event_name(), event.to_value()?)).await
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.send_text(say.text).await
    }

    #[receive(_)]
    async fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) -> Result<()> {
        match error {
            CommandError::Unknown { ref name, commands, .. } => cx.send_text(format!("{name}? {commands:?}")).await,
            // The default response for the other errors.
            CommandError::Malformed { .. } => cx.refuse(&error).await,
            error => cx.send_text(format!("no: {}", error.code())).await,
        }
    }
}

pub(crate) async fn client<C: channels_runtime::Consumer<Captures = ()>>(channels: &Channels) -> WebsocketCommunicator {
    let mut client = WebsocketCommunicator::new(channels.route::<C>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    client
}

/// Returns an application with its own layer: the default layer is shared.
pub(crate) fn application() -> Channels {
    Channels::builder().layer(ChannelLayer::in_memory()).build().unwrap()
}

pub(crate) fn good(text: &str) -> ChatMessage {
    ChatMessage { text: text.into(), count: 7, user: None, more: Value::Null }
}
