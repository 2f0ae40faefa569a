//! An application whose handlers wait at a gate, with events of each overflow hint and consumers of each mailbox policy.

use std::sync::Arc;
use std::time::Duration;

use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::stats::LayerStats;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::{ChannelsBuilder, Consumer};
use warp::Filter;

use crate::support::app::user;
use crate::support::gate::Gate;

/// Must be delivered or counted as dropped.
#[event("board.note")]
pub(crate) struct Note {
    pub(crate) text: String,
}

/// May be dropped.
#[event("board.blink", volatile)]
pub(crate) struct Blink {
    pub(crate) text: String,
}

/// Outdated once there is a newer one of the same user.
#[event("board.cursor", coalesce = "user")]
pub(crate) struct Cursor {
    pub(crate) user: String,
    pub(crate) at: u32,
}

/// The same three events, rendered without a consumer's state.
#[event("board.shown.note")]
pub(crate) struct ShownNote {
    pub(crate) text: String,
}

#[event("board.shown.blink", volatile)]
pub(crate) struct ShownBlink {
    pub(crate) text: String,
}

#[event("board.shown.cursor", coalesce = "user")]
pub(crate) struct ShownCursor {
    pub(crate) user: String,
    pub(crate) at: u32,
}

#[group("board", events(Note, Blink, Cursor, ShownNote, ShownBlink, ShownCursor))]
pub(crate) struct Board;

macro_rules! reader {
    ($name:ident, $($mailbox:literal)?) => {
        pub(crate) struct $name {
            gate: Arc<Gate>,
        }

        #[consumer($(mailbox = $mailbox)?)]
        impl $name {
            #[connect]
            async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
                cx.group_add(&Board).await?;
                let gate = cx.scope().user::<Arc<Gate>>().ok_or(Reject::unauthorized())?.clone();
                cx.send_json(&cx.channel_name()).await?;
                Ok(Self { gate })
            }

            #[receive]
            async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
                self.gate.pass().await;
                cx.send_text(text).await
            }

            #[handler("board.note")]
            async fn note(&mut self, cx: &mut Context<Self>, event: &Note) -> Result<()> {
                self.gate.pass().await;
                cx.send_text(&event.text).await
            }

            #[handler("board.blink")]
            async fn blink(&mut self, cx: &mut Context<Self>, event: &Blink) -> Result<()> {
                self.gate.pass().await;
                cx.send_text(&event.text).await
            }

            #[handler("board.cursor")]
            async fn cursor(&mut self, cx: &mut Context<Self>, event: &Cursor) -> Result<()> {
                self.gate.pass().await;
                cx.send_text(format!("{}@{}", event.user, event.at)).await
            }

            #[handler("board.shown.note")]
            fn shown_note(event: &ShownNote) -> String {
                event.text.clone()
            }

            #[handler("board.shown.blink")]
            fn shown_blink(event: &ShownBlink) -> String {
                event.text.clone()
            }

            #[handler("board.shown.cursor")]
            fn shown_cursor(event: &ShownCursor) -> String {
                format!("{}@{}{}", event.user, event.at, " ".repeat(1000))
            }
        }
    };
}

reader!(Newest,);

reader!(Oldest, "drop_oldest");

reader!(Leaving, "disconnect");

pub(crate) const CAPACITY: usize = 4;

pub(crate) struct App {
    pub(crate) channels: Channels,
    pub(crate) gate: Arc<Gate>,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(Channels::builder())
    }

    pub(crate) fn with(builder: ChannelsBuilder) -> Self {
        let gate = Arc::new(Gate::closed());
        let layer = ChannelLayer::in_memory_with(LayerConfig::default().capacity(CAPACITY));
        let channels = builder.layer(layer).authenticator(user(Arc::clone(&gate))).build().unwrap();
        Self { channels, gate }
    }

    /// Connects a client and returns it with the name of its channel.
    pub(crate) async fn client<C: Consumer<Captures = ()>>(&self) -> (WebsocketCommunicator, ChannelName<C>) {
        let route = self.channels.route::<C>(warp::path!("ws")).boxed();
        let mut client = WebsocketCommunicator::new(route, "/ws");
        client.connect().await.unwrap();
        let name = client.receive_json_from().await.unwrap();
        (client, name)
    }

    pub(crate) fn layer(&self) -> ChannelLayer {
        self.channels.channel_layer()
    }

    pub(crate) fn stats(&self) -> LayerStats {
        self.layer().stats()
    }

    pub(crate) fn go_on(&self, handlers: usize) {
        self.gate.open(handlers);
    }

    pub(crate) async fn note(&self, text: &str) {
        self.layer().group_send(&Board, &Note { text: text.into() }).await.unwrap();
    }

    /// Keeps one handler busy, so that further events wait.
    pub(crate) async fn busy(&self) {
        self.note("first").await;
        // On a single-threaded runtime the session has taken the event when this task runs again.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn texts(client: &mut WebsocketCommunicator, many: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..many {
        texts.push(client.receive_text_from().await.unwrap().trim_end().to_owned());
    }
    texts
}
