//! Groups on every layer: sending to the others, and listing members.

use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use serde::Deserialize;

use crate::support::layers::Two;
use crate::support::until::until_within;

#[event("talk.line")]
pub(crate) struct TalkLine {
    pub(crate) from: String,
    pub(crate) number: u32,
}

#[group("talk", events(TalkLine))]
pub(crate) struct Talk;

#[group("empty", events(TalkLine))]
pub(crate) struct Empty;

/// Sends to the group what its client requests.
pub(crate) struct TalkConsumer {
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct Say {
    pub(crate) number: u32,
}

#[consumer]
impl TalkConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, name: String) -> Result<Self, Reject> {
        if !name.starts_with("guest") {
            cx.group_add(&Talk).await?;
        }
        Ok(Self { name })
    }

    #[receive("all")]
    async fn all(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.group_send(&Talk, &TalkLine { from: self.name.clone(), number: say.number }).await
    }

    #[receive("others")]
    async fn others(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.group_send_others(&Talk, &TalkLine { from: self.name.clone(), number: say.number }).await
    }

    /// Without a name, so that several clients send equal messages.
    #[receive("same")]
    async fn same(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.group_send_others(&Talk, &TalkLine { from: String::new(), number: say.number }).await
    }

    #[receive("leave")]
    async fn leave(&mut self, cx: &mut Context<Self>, _say: Say) -> Result<()> {
        cx.group_discard(&Talk).await
    }

    #[receive("join")]
    async fn join(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.group_add(&Talk).await?;
        cx.send_json(&("joined", say.number)).await
    }

    #[handler("talk.line")]
    fn talk_line(event: &TalkLine) -> Json<(String, u32)> {
        Json((event.from.clone(), event.number))
    }
}

/// Returns an application on this layer, and its route. Two applications on two handles act as two processes.
pub(crate) fn app(layer: &ChannelLayer) -> (Channels, impl Routes + use<>) {
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    let route = channels.route::<TalkConsumer>(warp::path!("talk" / String));
    (channels, route)
}

pub(crate) struct Talker(pub(crate) WebsocketCommunicator);

impl Talker {
    pub(crate) async fn connect<R: Routes>(route: &R, name: &str) -> Self {
        let mut client = WebsocketCommunicator::new(route.clone(), format!("/talk/{name}"));
        client.connect().await.unwrap();
        Self(client)
    }

    pub(crate) async fn says(&mut self, command: &str, number: u32) {
        self.0.send_json_to(&serde_json::json!({"type": command, "number": number})).await.unwrap();
    }

    pub(crate) async fn hears(&mut self) -> (String, u32) {
        for _ in 0..20 {
            match self.0.receive_json_from().await {
                // On a busy machine a message may take longer than the communicator waits.
                Err(CommunicatorError::Nothing { .. }) => {}
                heard => return heard.unwrap(),
            }
        }
        panic!("no message arrives");
    }
}

pub(crate) fn line(from: &str, number: u32) -> (String, u32) {
    (from.to_owned(), number)
}

pub(crate) async fn group_send_others_excludes_sender_and_keeps_order(two: Two) {
    const LINES: u32 = 40;
    let ((_here, here), (_there, there)) = (app(&two.here), app(&two.there));
    let mut speaker = Talker::connect(&here, "speaker").await;
    let mut neighbour = Talker::connect(&here, "neighbour").await;
    let mut far = Talker::connect(&there, "far").await;
    for number in 0..LINES {
        speaker.says(if number % 3 == 0 { "all" } else { "others" }, number).await;
        far.says("others", number).await;
    }
    speaker.says("all", LINES).await;
    far.says("all", LINES).await;

    async fn hear(talker: &mut Talker) -> (Vec<u32>, Vec<u32>) {
        let (mut of_speaker, mut of_far) = (Vec::new(), Vec::new());
        while of_speaker.last() != Some(&LINES) || of_far.last() != Some(&LINES) {
            match talker.hears().await {
                (from, number) if from == "speaker" => of_speaker.push(number),
                (_, number) => of_far.push(number),
            }
        }
        (of_speaker, of_far)
    }
    let all: Vec<_> = (0..=LINES).collect();
    let to_all: Vec<_> = (0..LINES).filter(|number| number % 3 == 0).chain([LINES]).collect();
    assert_eq!(hear(&mut neighbour).await, (all.clone(), all.clone()));
    assert_eq!(hear(&mut far).await, (all.clone(), vec![LINES]));
    assert_eq!(hear(&mut speaker).await, (to_all, all));
}

pub(crate) async fn group_send_others_excludes_sender_of_equal_messages(two: Two) {
    const LINES: usize = 30;
    let ((_here, here), (_there, there)) = (app(&two.here), app(&two.there));
    let mut one = Talker::connect(&here, "one").await;
    let mut two = Talker::connect(&here, "two").await;
    let mut far = Talker::connect(&there, "far").await;
    let mut listener = Talker::connect(&here, "listener").await;
    for _ in 0..LINES {
        one.says("same", 7).await;
        two.says("same", 7).await;
        far.says("same", 7).await;
    }
    for _ in 0..3 * LINES {
        assert_eq!(listener.hears().await, line("", 7));
    }
    // With one server all messages have arrived by now. Each sender receives two thirds, and then the marker.
    listener.says("all", 8).await;
    for talker in [&mut one, &mut two] {
        for _ in 0..2 * LINES {
            assert_eq!(talker.hears().await, line("", 7));
        }
        assert_eq!(talker.hears().await, line("listener", 8));
    }
    for _ in 0..2 * LINES {
        assert_eq!(far.hears().await, line("", 7));
    }
    assert_eq!(far.hears().await, line("listener", 8));
}

pub(crate) async fn group_send_others_from_non_member_reaches_all_members(two: Two) {
    let ((_here, here), (_there, there)) = (app(&two.here), app(&two.there));
    let mut far = Talker::connect(&there, "far").await;
    let mut guest = Talker::connect(&here, "guest").await;
    guest.says("others", 1).await;
    assert_eq!(far.hears().await, line("guest", 1));
    // The only member of its process leaves. Its earlier sends to the others must not exclude it from later messages.
    for round in 2..10 {
        guest.says("join", round).await;
        assert_eq!(guest.hears().await, line("joined", round));
        guest.says("others", round).await;
        assert_eq!(far.hears().await, line("guest", round));
        guest.says("leave", round).await;
        guest.says("others", round).await;
        assert_eq!(far.hears().await, line("guest", round));
        guest.says("join", round).await;
        assert_eq!(guest.hears().await, line("joined", round));
        far.says("all", round).await;
        assert_eq!(far.hears().await, line("far", round));
        assert_eq!(guest.hears().await, line("far", round));
        guest.says("leave", round).await;
    }
}

pub(crate) fn sorted(mut names: Vec<ChannelName>) -> Vec<String> {
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.iter().map(ToString::to_string).collect()
}

pub(crate) async fn group_members_lists_members_of_all_processes(two: Two) {
    let mut members = Vec::new();
    for layer in [&two.here, &two.here, &two.there, &two.there, &two.there] {
        let channel = layer.new_channel().await.unwrap();
        layer.group_add(&Talk, channel.name()).await.unwrap();
        members.push(channel);
    }
    let _nobody = two.here.new_channel().await.unwrap();
    for layer in [&two.here, &two.there] {
        let expected = sorted(members.iter().map(|channel| channel.name().clone()).collect());
        assert_eq!(sorted(layer.group_members(&Talk).await.unwrap()), expected);
        assert_eq!(layer.group_count(&Talk).await.unwrap(), 5);
        assert_eq!(layer.group_members(&Empty).await.unwrap(), []);
        assert_eq!(layer.group_count(&Empty).await.unwrap(), 0);
    }
    let blocking = two.here.blocking();
    let asked = std::thread::spawn(move || (blocking.group_count(&Talk), blocking.group_members(&Talk)));
    let (count, names) = tokio::task::spawn_blocking(|| asked.join().unwrap()).await.unwrap();
    assert_eq!((count.unwrap(), names.unwrap().len()), (5, 5));

    // Many requests at once, one of them cancelled.
    let asks = (0..50).map(|_| two.there.group_count(&Talk));
    let (given_up, counts) = tokio::join!(
        tokio::time::timeout(Duration::ZERO, two.there.group_members(&Talk)),
        futures_util::future::join_all(asks)
    );
    drop(given_up);
    assert!(counts.into_iter().all(|count| count.unwrap() == 5));

    two.here.group_discard(&Talk, members[0].name()).await.unwrap();
    // The membership is removed from Redis with a delay.
    drop(members.pop());
    until_within(Duration::from_secs(10), "former members are not counted", async || {
        two.here.group_count(&Talk).await.unwrap() == 3
    })
    .await;
    two.here.close().await;
    let error = two.here.group_count(&Talk).await.unwrap_err();
    assert!(matches!(error, LayerError::Closed), "{error}");
}

macro_rules! on_every_layer {
    ($($layer:ident),*: $tests:tt) => {
        $(mod $layer { on_every_layer!(@tests $layer $tests); })*
    };
    (@tests $layer:ident ($($test:ident),* $(,)?)) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let config = super::LayerConfig::default().capacity(1000);
                super::$test(crate::support::layers::$layer(config).await).await;
            }
        )*
    };
}

on_every_layer!(memory, pubsub, pubsub_sharded, core, core_sharded: (
    group_send_others_excludes_sender_and_keeps_order,
    group_send_others_excludes_sender_of_equal_messages,
    group_send_others_from_non_member_reaches_all_members,
    group_members_lists_members_of_all_processes,
));
