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
    let mut client = connect(&channels, "/chat/guest").await;
    for wanted in [r#"["hello",null]"#, r#"["edit",null]"#, r#"["join",null]"#, "typing", "cursor"] {
        assert_eq!(client.receive_text_from().await.unwrap(), wanted);
    }
}

/// Each kind of handler receives the position of its event, and the same one again when the client comes back.
#[tokio::test]
async fn positions_reach_every_kind_of_handler() {
    let channels = Channels::builder().build().unwrap();
    let (layer, room) = (channels.channel_layer(), Room { room: "member" });
    let mut client = connect(&channels, "/chat/member").await;
    let joined: Position = client.receive_json_from().await.unwrap();
    assert!(!joined.is_none());
    for _ in 0..5 {
        client.receive_text_from().await.unwrap();
    }

    layer.group_send(&room, &ChatMessage { message: "one".into() }).await.unwrap();
    layer.group_send(&room, &ChatTyping {}).await.unwrap();
    layer.group_send(&room, &ChatEdit {}).await.unwrap();
    layer.group_send(&room, &ChatCursor {}).await.unwrap();
    layer.group_send(&room, &ChatJoin {}).await.unwrap();
    let mut positions = Vec::new();
    for kind in ["one", "typing", "edit", "cursor", "join"] {
        let text = client.receive_text_from().await.unwrap();
        if let Ok((shown, at)) = serde_json::from_str::<(String, Position)>(&text) {
            assert_eq!((shown.as_str(), at.is_none(), at == joined), (kind, false, false));
            positions.push(at);
        } else {
            assert_eq!(text, kind, "a volatile event has no position");
        }
    }
    let [one, edit, join] = positions[..] else { panic!("three events are kept: {positions:?}") };
    assert!(one != edit && edit != join && join != one);
    client.disconnect(CloseCode::NORMAL).await.unwrap();

    let mut client = connect(&channels, &format!("/chat/member?since={one}")).await;
    // The missed events have not arrived yet.
    assert_eq!(client.receive_json_from::<Position>().await.unwrap(), one);
    let mut shown = Vec::new();
    for _ in 0..7 {
        shown.push(client.receive_text_from().await.unwrap());
    }
    let again = [format!(r#"["edit","{edit}"]"#), format!(r#"["join","{join}"]"#)];
    assert!(again.iter().all(|again| shown.iter().filter(|shown| shown == &again).count() == 1), "{shown:?}");
    client.disconnect(CloseCode::NORMAL).await.unwrap();

    let mut client = connect(&channels, "/chat/member?since=garbage").await;
    client.receive_json_from::<Position>().await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "chat_member unreadable");
}

async fn connect(channels: &Channels, path: &str) -> WebsocketCommunicator {
    let routes = channels.route::<ChatConsumer>(warp::path!("chat" / String));
    let mut client = WebsocketCommunicator::new(routes, path);
    client.connect().await.unwrap();
    client
}
