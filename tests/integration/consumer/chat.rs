//! A chat consumer with handlers, commands and failures of each kind, and an application with it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::app::user_or_nobody;
use crate::support::until::until;

#[event("chat.message")]
pub(crate) struct ChatMessage {
    pub(crate) text: String,
}

#[event("chat.note")]
pub(crate) struct ChatNote {
    pub(crate) text: String,
}

#[event("chat.force_disconnect")]
pub(crate) struct ForceDisconnect {
    pub(crate) code: u16,
}

#[event("chat.slow")]
pub(crate) struct ChatSlow {
    pub(crate) text: String,
}

#[event("chat.fail")]
pub(crate) struct ChatFail {
    pub(crate) how: String,
}

#[group("room_{name}", events(ChatMessage, ChatNote, ForceDisconnect, ChatSlow, ChatFail))]
pub(crate) struct Room {
    pub(crate) name: String,
}

pub(crate) fn room() -> Room {
    Room { name: "lobby".into() }
}

/// What the tests observe. Each application has its own, so that tests can run in parallel.
#[derive(Default)]
pub(crate) struct Witness {
    pub(crate) codes: Mutex<Vec<u16>>,
    pub(crate) names: Mutex<Vec<String>>,
}

impl Witness {
    pub(crate) fn codes(&self) -> Vec<u16> {
        self.codes.lock().unwrap().clone()
    }

    /// Waits until this many connections have ended, and returns their close codes.
    pub(crate) async fn ended(&self, many: usize) -> Vec<u16> {
        until("the connections end", || self.codes().len() >= many).await;
        self.codes()
    }
}

pub(crate) static RENDERED: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct ChatConsumer {
    pub(crate) witness: Arc<Witness>,
    pub(crate) received: usize,
}

#[derive(Deserialize)]
pub(crate) struct Say {
    pub(crate) text: String,
}

#[derive(Deserialize)]
pub(crate) struct Close {
    pub(crate) code: u16,
}

#[derive(Deserialize)]
pub(crate) struct Fail {
    pub(crate) how: String,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) line: String,
}

#[consumer(tag = "do", sends(Line))]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, how: String) -> Result<Self, Reject> {
        let witness = cx.scope().user::<Arc<Witness>>().ok_or(Reject::unauthorized())?.clone();
        cx.group_add(&room()).await?;
        match how.as_str() {
            "refused" => return Err(Reject::default()),
            "missing" => return Err(Reject::not_found().reason("no such room")),
            "error" => Err(std::io::Error::other("the database is gone"))?,
            "panic" => panic!("a mistake in connect"),
            "greets" => cx.send_text("welcome").await?,
            "chooses" => assert!(cx.set_subprotocol("chat.v2") && !cx.set_subprotocol("chat.v9")),
            "header" => cx.append_header("x-chat".parse().unwrap(), "yes".parse().unwrap()),
            "closes" => cx.close_with(CloseCode::POLICY, "not today"),
            _ => {}
        }
        witness.names.lock().unwrap().push(serde_json::to_string(&cx.channel_name()).unwrap());
        Ok(Self { witness, received: 0 })
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        self.received += 1;
        cx.group_send(&room(), &ChatMessage { text: say.text }).await?;
        cx.send(&Line { line: format!("sent {}", self.received) }).await
    }

    #[receive("note")]
    async fn note(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.group_send(&room(), &ChatNote { text: say.text }).await
    }

    #[receive("slow")]
    async fn slow(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.group_send(&room(), &ChatSlow { text: say.text }).await
    }

    #[receive("close")]
    fn close(&mut self, cx: &mut Context<Self>, Close { code }: Close) {
        cx.close_with(CloseCode::new(code).unwrap(), "as you wish");
    }

    #[receive("fail")]
    async fn fail(&mut self, _cx: &mut Context<Self>, fail: Fail) -> Result<()> {
        assert!(fail.how != "panic", "a mistake in a handler");
        Err(Error::msg("secret detail"))
    }

    /// Without `self`: rendered once and shared by all members.
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        RENDERED.fetch_add(1, SeqCst);
        assert!(event.text != "panic", "a mistake in a rendering");
        Json(Line { line: event.text.clone() })
    }

    #[handler("chat.note")]
    async fn chat_note(&mut self, cx: &mut Context<Self>, event: &ChatNote) -> Result<()> {
        tokio::task::yield_now().await;
        cx.send_json(&json!({"note": event.text})).await
    }

    #[handler("chat.slow")]
    async fn chat_slow(event: &ChatSlow) -> Option<String> {
        RENDERED.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
        (event.text != "nothing").then(|| event.text.clone())
    }

    #[handler("chat.force_disconnect")]
    fn force_disconnect(&mut self, cx: &mut Context<Self>, event: &ForceDisconnect) {
        cx.close(CloseCode::new(event.code).unwrap());
    }

    #[handler("chat.fail")]
    async fn chat_fail(&mut self, _cx: &mut Context<Self>, event: &ChatFail) -> Result<()> {
        assert!(event.how != "panic", "a mistake in a handler");
        Err(std::io::Error::other("secret detail"))?;
        Ok(())
    }

    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()> {
        // The groups are left before this runs.
        assert_eq!(cx.channel_layer().members_here(&Room { name: "other".into() })?, 0);
        self.witness.codes.lock().unwrap().push(code.as_u16());
        Ok(())
    }
}

/// An application and its witness.
pub(crate) struct App {
    pub(crate) channels: Channels,
    pub(crate) witness: Arc<Witness>,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(Channels::builder())
    }

    pub(crate) fn with(builder: channels_runtime::ChannelsBuilder) -> Self {
        let witness = Arc::<Witness>::default();
        let channels = builder.authenticator(user_or_nobody(Arc::clone(&witness))).build().unwrap();
        Self { channels, witness }
    }

    pub(crate) fn client(&self, how: &str) -> WebsocketCommunicator {
        let route = self.channels.route::<ChatConsumer>(warp::path!("ws" / String));
        WebsocketCommunicator::new(route, format!("/ws/{how}"))
    }

    pub(crate) fn members(&self) -> usize {
        self.channels.channel_layer().members_here(&room()).unwrap()
    }

    /// Waits until nothing of any connection remains.
    pub(crate) async fn empty(&self) {
        until("every connection is gone", || {
            self.members() + self.channels.channel_layer().channels_here() + self.channels.connections() == 0
        })
        .await;
    }
}
