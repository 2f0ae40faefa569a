//! A group with a history, of kept and volatile events. Each kind of handler may take the position of its event, with or
//! without `#[cfg]`, and events may have the name of the position.

#![deny(warnings)]
#![allow(unexpected_cfgs, clippy::non_minimal_cfg, clippy::unnecessary_wraps)]

use std::time::Duration;

use channels_runtime::Group;
use channels_runtime::history::Since;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.edit")]
struct ChatEdit {}

#[event("chat.join")]
struct ChatJoin {}

#[event("chat.typing", volatile)]
struct ChatTyping {}

#[event("chat.cursor", volatile)]
struct ChatCursor {}

#[group(
    "chat_{room}",
    history(ttl = "10m", size = 100),
    events(ChatMessage, ChatEdit, ChatJoin, ChatTyping, ChatCursor)
)]
struct Room<'a> {
    room: &'a str,
}

#[group("others_{of}", events(ChatMessage, ChatTyping, Of<T>), history(size = 1_000, ttl = "24h"))]
struct Others<T: Send + Sync + 'static> {
    of: T,
}

#[event("of")]
#[serde(bound = "")]
struct Of<T: Send + Sync + 'static> {
    #[serde(skip)]
    of: std::marker::PhantomData<T>,
}

struct ChatConsumer {
    room: String,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        if room == "member" {
            let joined = cx.group_add_since(&Room { room: &room }, &cx.resume()).await?;
            cx.send_json(&joined.at).await?;
            let joined = cx.group_add_since(&Room { room: "fresh" }, &Since::START).await?;
            assert!(joined.lost.is_none());
        }
        let me = cx.channel_name();
        cx.send_event(&me, &ChatMessage { message: "hello".into() }).await?;
        cx.send_event(&me, &ChatEdit {}).await?;
        cx.send_event(&me, &ChatJoin {}).await?;
        cx.send_event(&me, &ChatTyping {}).await?;
        cx.send_event(&me, &ChatCursor {}).await?;
        Ok(Self { room })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, message: String) -> Result<()> {
        cx.group_send_others(&Room { room: &self.room }, &ChatTyping {}).await?;
        cx.group_send(&Room { room: &self.room }, &ChatMessage { message }).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, at: &Position) -> Json<(String, Position)> {
        Json((event.message.clone(), *at))
    }

    #[handler("chat.edit")]
    async fn chat_edit(_: &ChatEdit, at: &Position) -> Json<(&'static str, Position)> {
        Json(("edit", *at))
    }

    #[cfg(all())]
    #[handler("chat.join")]
    async fn chat_join(&mut self, cx: &mut Context<Self>, _: &ChatJoin, at: &channels_runtime::Position) -> Result<()> {
        assert!(at.is_none());
        cx.send_json(&("join", at)).await
    }

    #[cfg(any())]
    #[handler("chat.join")]
    async fn chat_join(&mut self, cx: &mut Context<Self>, _: &ChatJoin) -> Result<()> {
        cx.send_text("not compiled").await
    }

    #[handler("chat.typing")]
    fn chat_typing(_: &ChatTyping) -> String {
        "typing".into()
    }

    /// A volatile event has no position, but its handler may ask for it.
    #[handler("chat.cursor")]
    fn chat_cursor(_: &ChatCursor, at: &Position) -> String {
        format!("cursor{at}")
    }

    #[handler(_)]
    fn unknown(&mut self, _cx: &mut Context<Self>, event: &Envelope) {
        assert!(event.position().is_none());
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_text(format!("{} {}", lost.group, lost.cause)).await
    }
}

/// `#[history_lost]` may be a plain method, it may block, and `#[cfg]` picks one of two.
#[derive(Default)]
struct Plain;

#[consumer(groups(Room<'static>))]
impl Plain {
    #[handler("chat.message", blocking)]
    fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage, _at: &Position) {}

    #[handler("chat.edit")]
    fn chat_edit(&mut self, _cx: &mut Context<Self>, _event: &ChatEdit, _at: &Position) {}

    #[handler("chat.join")]
    fn chat_join(&mut self, _cx: &mut Context<Self>, _event: &ChatJoin, _at: &Position) {}

    #[handler("chat.typing")]
    fn chat_typing(&mut self, _cx: &mut Context<Self>, _event: &ChatTyping) {}

    #[handler("chat.cursor")]
    fn chat_cursor(&mut self, _cx: &mut Context<Self>, _event: &ChatCursor) {}

    #[cfg(all())]
    #[history_lost(blocking)]
    fn history_lost(&mut self, cx: &mut Context<Self>, _: &HistoryLost) {
        cx.close(CloseCode::TRY_AGAIN_LATER);
    }

    #[cfg(any())]
    #[history_lost]
    async fn history_lost(&mut self, _cx: &mut Context<Self>, _lost: &HistoryLost) {}
}

/// An event of this name is an event, also beside the position.
mod map {
    use channels_runtime::prelude::*;

    #[event("map.position")]
    pub(super) struct Position {
        pub(super) x: u8,
    }

    #[derive(Default)]
    pub(super) struct Map;

    #[consumer]
    impl Map {
        #[handler("map.position")]
        fn position(event: &Position) -> String {
            event.x.to_string()
        }
    }

    #[derive(Default)]
    pub(super) struct Both;

    #[consumer]
    impl Both {
        #[handler("map.position")]
        fn position(event: &Position, at: &channels_runtime::Position) -> Json<(u8, channels_runtime::Position)> {
            Json((event.x, *at))
        }
    }
}

/// A group in code that is generic over it.
fn reaches_others<E: channels_runtime::Event, G: channels_runtime::history::ReachesOthers<E::Retention>>() {}

#[tokio::test]
async fn runs() {
    let history = <Room<'_> as Group>::HISTORY.unwrap();
    assert_eq!((history.size, history.ttl), (100, Duration::from_secs(600)));
    let history = <Others<u8> as Group>::HISTORY.unwrap();
    assert_eq!((history.size, history.ttl), (1000, Duration::from_secs(86_400)));
    reaches_others::<ChatTyping, Room<'_>>();

    let channels = Channels::builder().build().unwrap();
    let routes = channels.route::<ChatConsumer>(warp::path!("chat" / String));
    let mut client = WebsocketCommunicator::new(routes, "/chat/guest");
    client.connect().await.unwrap();
    for wanted in [r#"["hello",null]"#, r#"["edit",null]"#, r#"["join",null]"#, "typing", "cursor"] {
        assert_eq!(client.receive_text_from().await.unwrap(), wanted);
    }
}
