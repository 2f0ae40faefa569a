//! Batching: the messages that a client sends in one write reach the members in one batch, in their order.

use std::sync::Arc;
use std::time::Duration;

use channels_runtime::prelude::*;
use futures_util::SinkExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;
use warp::Filter;

use crate::support::app::{Server, user};
use crate::support::client::{Client, connect, next_text};
use crate::support::gate::Gate;

/// Rendered without a consumer's state.
#[event("shown")]
struct Shown {
    text: String,
}

/// Handled by the consumer.
#[event("heard")]
struct Heard {
    text: String,
}

#[group("hall", events(Shown, Heard))]
struct Hall;

#[group("aside", events(Shown, Heard))]
struct Aside;

#[derive(Deserialize)]
struct Say {
    to: To,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum To {
    Hall,
    /// The same as an event with a handler.
    HallHeard,
    Others,
    Aside,
    Channel(String),
    Client,
}

/// Does what its client requests.
struct Speaker {
    gate: Arc<Gate>,
}

/// The requests of a client.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wish {
    Say(Say),
    JoinAside,
    LeaveAside,
    LeaveHall,
    Wait,
    Fail,
}

macro_rules! consumer {
    ($name:ident) => {
        #[consumer]
        impl $name {
            #[connect]
            async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
                let gate = cx.scope().user::<Arc<Gate>>().ok_or(Reject::unauthorized())?.clone();
                cx.group_add(&Hall).await?;
                cx.send_text(cx.channel_name().to_string()).await?;
                Ok(Self { gate })
            }

            #[receive]
            async fn receive(&mut self, cx: &mut Context<Self>, Json(wish): Json<Wish>) -> Result<()> {
                match wish {
                    Wish::Say(Say { to, text }) => match to {
                        To::Hall => cx.group_send(&Hall, &Shown { text }).await,
                        To::HallHeard => cx.group_send(&Hall, &Heard { text }).await,
                        To::Others => cx.group_send_others(&Hall, &Shown { text }).await,
                        To::Aside => cx.group_send(&Aside, &Shown { text }).await,
                        To::Channel(name) => cx.send_event(&ChannelName::new(name)?, &Shown { text }).await,
                        To::Client => cx.send_text(text).await,
                    },
                    Wish::JoinAside => cx.group_add(&Aside).await,
                    Wish::LeaveAside => cx.group_discard(&Aside).await,
                    Wish::LeaveHall => cx.group_discard(&Hall).await,
                    Wish::Wait => {
                        self.gate.pass().await;
                        Ok(())
                    }
                    Wish::Fail => Err(Error::msg("as requested")),
                }
            }

            #[handler("shown")]
            fn shown(event: &Shown) -> String {
                event.text.clone()
            }

            #[handler("heard")]
            async fn heard(&mut self, cx: &mut Context<Self>, event: &Heard) -> Result<()> {
                cx.send_text(event.text.clone()).await
            }
        }
    };
}

consumer!(Speaker);

/// Another type of consumer in the same groups.
struct Listener {
    gate: Arc<Gate>,
}

consumer!(Listener);

#[derive(Deserialize)]
struct Nothing {}

/// Blocks its thread if the client requests it.
struct Blocker {
    gate: Arc<Gate>,
}

#[consumer]
impl Blocker {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let gate = cx.scope().user::<Arc<Gate>>().ok_or(Reject::unauthorized())?.clone();
        cx.send_text(cx.channel_name().to_string()).await?;
        Ok(Self { gate })
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, _: Nothing) -> Result<()> {
        cx.group_send(&Hall, &Shown { text: "said".into() }).await
    }

    #[receive("block", blocking)]
    fn block(&mut self, cx: &mut Context<Self>, _: Nothing) -> Result<()> {
        let gate = Arc::clone(&self.gate);
        cx.block_on(async |_| {
            // A failing test should end, too.
            Ok(tokio::time::timeout(Duration::from_secs(30), gate.pass()).await?)
        })
    }
}

struct App {
    server: Server,
    gate: Arc<Gate>,
}

/// A client, and the name of its channel.
struct Named {
    client: Client,
    channel: String,
}

impl App {
    async fn start(layer: ChannelLayer) -> Self {
        let gate = Arc::new(Gate::closed());
        let channels = Channels::builder().layer(layer).authenticator(user(Arc::clone(&gate))).build().unwrap();
        let routes = channels.route::<Speaker>(warp::path!("speaker"));
        let routes = routes.or(channels.route::<Listener>(warp::path!("listener")));
        let routes = routes.or(channels.route::<Blocker>(warp::path!("blocker")));
        Self { server: Server::start(&channels, routes).await, gate }
    }

    async fn client(&self, consumer: &str) -> Named {
        let mut client = connect(self.server.address, &format!("/{consumer}")).await;
        let channel = next_text(&mut client).await;
        Named { client, channel }
    }
}

impl Named {
    /// Sends all requests in one write.
    async fn asks(&mut self, wishes: impl IntoIterator<Item = Value>) {
        for wish in wishes {
            self.client.feed(Message::text(wish.to_string())).await.unwrap();
        }
        self.client.flush().await.unwrap();
    }

    async fn hears(&mut self, texts: &[&str]) {
        for text in texts {
            assert_eq!(next_text(&mut self.client).await, *text, "of {texts:?}");
        }
    }
}

fn say(to: impl Into<Value>, text: &str) -> Value {
    json!({"say": {"to": to.into(), "text": text}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_keeps_order_across_groups_and_channels() {
    let app = App::start(ChannelLayer::in_memory()).await;
    let mut speaker = app.client("speaker").await;
    let mut members = [app.client("speaker").await, app.client("listener").await];
    for member in &mut members {
        member.asks([json!("join_aside"), say("client", "ready")]).await;
        member.hears(&["ready"]).await;
    }
    for round in 0..50 {
        let channels = members.each_ref().map(|member| json!({"channel": member.channel}));
        let [one, other] = channels;
        speaker
            .asks([
                say("hall", "1"),
                say("hall", "2"),
                say("aside", "3"),
                say("hall_heard", "4"),
                say("hall", "5"),
                say(one, "6"),
                say(other, "6"),
                say("hall", "7"),
                say("others", "8"),
                say("hall_heard", "9"),
                say("hall_heard", "10"),
                say("aside", "11"),
                say("client", "12"),
                say("hall", "13"),
            ])
            .await;
        for member in &mut members {
            member.hears(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "13"]).await;
        }
        // The handler's own output need not wait for earlier events.
        let mut own = Vec::new();
        for _ in 0..9 {
            own.push(next_text(&mut speaker.client).await);
        }
        let said = own.iter().position(|text| text == "12").expect("the client receives its own message");
        own.remove(said);
        assert_eq!(own, ["1", "2", "4", "5", "7", "9", "10", "13"], "round {round}");
    }
    drop((speaker, members));
    app.server.stop().await;
}

#[tokio::test]
async fn batch_reaches_members_at_the_time_of_each_send() {
    let app = App::start(ChannelLayer::in_memory()).await;
    let mut speaker = app.client("speaker").await;
    speaker
        .asks([
            say("hall", "1"),
            say("aside", "not here yet"),
            json!("join_aside"),
            say("aside", "2"),
            say("aside", "3"),
            json!("leave_aside"),
            say("aside", "gone"),
            say("hall", "4"),
            json!("leave_hall"),
            say("hall", "gone"),
            say("client", "the end"),
        ])
        .await;
    speaker.hears(&["1", "2", "3", "4", "the end"]).await;
    drop(speaker);
    app.server.stop().await;
}

#[tokio::test]
async fn batch_is_sent_before_handler_waits() {
    let app = App::start(ChannelLayer::in_memory()).await;
    let (mut speaker, mut member) = (app.client("speaker").await, app.client("listener").await);
    speaker.asks([say("hall", "1"), say("hall", "2"), json!("wait"), say("hall", "3")]).await;
    member.hears(&["1", "2"]).await;
    app.gate.open(1);
    member.hears(&["3"]).await;
    speaker.hears(&["1", "2", "3"]).await;
    drop((speaker, member));
    app.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_is_sent_before_handler_blocks() {
    let app = App::start(ChannelLayer::in_memory()).await;
    let (mut blocker, mut member) = (app.client("blocker").await, app.client("listener").await);
    let (say, block) = (json!({"type": "say"}), json!({"type": "block"}));
    blocker.asks([say.clone(), say.clone(), block, say]).await;
    member.hears(&["said", "said"]).await;
    app.gate.open(1);
    member.hears(&["said"]).await;
    drop((blocker, member));
    app.server.stop().await;
}

#[tokio::test]
async fn batch_is_sent_whatever_ends_it() {
    let app = App::start(ChannelLayer::in_memory()).await;
    let mut member = app.client("listener").await;
    let said = say("hall", "said").to_string();
    let behind: [&[Message]; 5] = [
        &[Message::Close(None)],
        &[Message::Ping("x".into())],
        &[Message::Pong("x".into()), Message::Close(None)],
        // An invalid command, and one whose error closes the connection.
        &[Message::text("{}")],
        &[Message::text(json!("fail").to_string()), Message::text("{}")],
    ];
    for behind in behind {
        let mut speaker = app.client("speaker").await;
        for message in [&[Message::text(&said), Message::text(&said)], behind].concat() {
            speaker.client.feed(message).await.unwrap();
        }
        speaker.client.flush().await.unwrap();
        member.hears(&["said", "said"]).await;
    }
    // Half of a message may remain half for a long time.
    let mut speaker = app.client("speaker").await;
    let length = u8::try_from(said.len()).ok().filter(|length| *length < 126).expect("the message is short");
    let whole_and_half = [&[0x81, 0x80 | length, 0, 0, 0, 0], said.as_bytes(), &[0x81, 0xfe, 0x01]].concat();
    let MaybeTlsStream::Plain(socket) = speaker.client.get_mut() else { unreachable!("no TLS here") };
    socket.write_all(&whole_and_half).await.unwrap();
    member.hears(&["said"]).await;
    drop((speaker, member));
    app.server.stop().await;
}
