//! More than there is room for: in a mailbox, on the way to the client, and from the client.

use std::sync::Arc;
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::{ChannelsBuilder, Consumer, LayerConfig, LayerError, LayerStats, MailboxPolicy};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use warp::Filter;

/// Must arrive, or be counted as lost.
#[event("board.note")]
struct Note {
    text: String,
}

/// Worth little.
#[event("board.blink", volatile)]
struct Blink {
    text: String,
}

/// Worth nothing once there is a newer one of the same user.
#[event("board.cursor", coalesce = "user")]
struct Cursor {
    user: String,
    at: u32,
}

/// The same three, rendered without a consumer's state.
#[event("board.shown.note")]
struct ShownNote {
    text: String,
}

#[event("board.shown.blink", volatile)]
struct ShownBlink {
    text: String,
}

#[event("board.shown.cursor", coalesce = "user")]
struct ShownCursor {
    user: String,
    at: u32,
}

#[group("board", events(Note, Blink, Cursor, ShownNote, ShownBlink, ShownCursor))]
struct Board;

/// Handlers wait until the test lets them go on, one by one.
struct Gate(Semaphore);

macro_rules! reader {
    ($name:ident, $($mailbox:literal)?) => {
        struct $name {
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
                self.gate.0.acquire().await?.forget();
                cx.send_text(text).await
            }

            #[handler("board.note")]
            async fn note(&mut self, cx: &mut Context<Self>, event: &Note) -> Result<()> {
                self.gate.0.acquire().await?.forget();
                cx.send_text(&event.text).await
            }

            #[handler("board.blink")]
            async fn blink(&mut self, cx: &mut Context<Self>, event: &Blink) -> Result<()> {
                self.gate.0.acquire().await?.forget();
                cx.send_text(&event.text).await
            }

            #[handler("board.cursor")]
            async fn cursor(&mut self, cx: &mut Context<Self>, event: &Cursor) -> Result<()> {
                self.gate.0.acquire().await?.forget();
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

const CAPACITY: usize = 4;

struct App {
    channels: Channels,
    gate: Arc<Gate>,
}

type Route = warp::filters::BoxedFilter<(warp::reply::Response,)>;

impl App {
    fn new() -> Self {
        Self::with(Channels::builder())
    }

    fn with(builder: ChannelsBuilder) -> Self {
        let gate = Arc::new(Gate(Semaphore::new(0)));
        let known = Arc::clone(&gate);
        let authenticator = move |_| {
            let gate = Arc::clone(&known);
            async move { Ok(Some(gate)) }
        };
        let layer = ChannelLayer::in_memory_with(LayerConfig::default().with_capacity(CAPACITY));
        Self { channels: builder.layer(layer).authenticator(authenticator).build(), gate }
    }

    /// A client, and the name of its channel.
    async fn client<C: Consumer<Captures = ()>>(&self) -> (WebsocketCommunicator<Route>, ChannelName<C>) {
        let route = self.channels.route::<C>(warp::path!("ws")).boxed();
        let mut client = WebsocketCommunicator::new(route, "/ws");
        client.connect().await.unwrap();
        let name = client.receive_json_from().await.unwrap();
        (client, name)
    }

    fn layer(&self) -> &ChannelLayer {
        self.channels.channel_layer()
    }

    fn stats(&self) -> LayerStats {
        self.layer().stats()
    }

    fn go_on(&self, handlers: usize) {
        self.gate.0.add_permits(handlers);
    }

    async fn note(&self, text: &str) {
        self.layer().group_send(&Board, &Note { text: text.into() }).await.unwrap();
    }

    /// One handler is running, so that whatever comes waits.
    async fn busy(&self) {
        self.note("first").await;
        // The runtime has one thread: the session has taken it when this task comes next.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn texts(client: &mut WebsocketCommunicator<Route>, many: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..many {
        texts.push(client.receive_text_from().await.unwrap().trim_end().to_owned());
    }
    texts
}

#[test]
fn a_consumer_says_what_gives_way() {
    assert_eq!(Newest::INFO.mailbox, MailboxPolicy::DropNewest);
    assert_eq!(Oldest::INFO.mailbox, MailboxPolicy::DropOldest);
    assert_eq!(Leaving::INFO.mailbox, MailboxPolicy::Disconnect);
}

#[tokio::test(start_paused = true)]
async fn drop_newest_keeps_what_came_first_and_tells_the_sender() {
    let app = App::new();
    let (mut client, name) = app.client::<Newest>().await;
    app.busy().await;
    for text in ["a", "b", "c", "d", "e"] {
        app.note(text).await;
    }
    let full = app.layer().send(&name, &Note { text: "f".into() }).await.unwrap_err();
    assert!(matches!(full, LayerError::ChannelFull { capacity: CAPACITY, .. }), "{full}");
    app.go_on(10);
    assert_eq!(texts(&mut client, 5).await, ["first", "a", "b", "c", "d"]);
    assert!(client.receive_nothing().await);
    // What is told to the sender is not counted as dropped in silence.
    assert_eq!((app.stats().dropped_full, app.stats().dropped_oldest), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_keeps_what_came_last() {
    let app = App::new();
    let (mut client, name) = app.client::<Oldest>().await;
    app.busy().await;
    for text in ["a", "b", "c", "d", "e"] {
        app.note(text).await;
    }
    // A frame is no event: it waits its turn, and neither counts nor gives way.
    app.layer().group_send(&Board, &ShownNote { text: "shown".into() }).await.unwrap();
    app.layer().send(&name, &Note { text: "f".into() }).await.unwrap();
    app.go_on(10);
    assert_eq!(texts(&mut client, 6).await, ["first", "c", "d", "e", "shown", "f"]);
    assert!(client.receive_nothing().await);
    assert_eq!((app.stats().dropped_full, app.stats().dropped_oldest), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn disconnect_lets_the_client_begin_anew() {
    let app = App::new();
    let (mut client, name) = app.client::<Leaving>().await;
    app.busy().await;
    for text in ["a", "b", "c", "d"] {
        app.note(text).await;
    }
    assert_eq!(app.channels.stats().connections.behind, 0);
    for _ in 0..3 {
        let full = app.layer().send(&name, &Note { text: "e".into() }).await.unwrap_err();
        assert!(matches!(full, LayerError::ChannelFull { .. }), "{full}");
    }
    app.go_on(10);
    let (code, reason) = client.receive_close().await.unwrap();
    assert_eq!((code, reason.as_str()), (CloseCode::TRY_AGAIN_LATER, "too many events wait for this connection"));
    client.disconnect(CloseCode::NORMAL).await.unwrap();
    let gone = async {
        while app.layer().channels_here() + app.channels.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("nothing is left of it");
    assert_eq!(app.channels.stats().connections.behind, 1, "counted once");
}

#[tokio::test(start_paused = true)]
async fn a_volatile_event_gives_way_to_everything() {
    let app = App::new();
    let (mut client, name) = app.client::<Newest>().await;
    let blink = |text: &str| Blink { text: text.into() };
    app.busy().await;
    app.note("a").await;
    for text in ["blink 1", "blink 2"] {
        app.layer().group_send(&Board, &blink(text)).await.unwrap();
    }
    for text in ["b", "c"] {
        app.note(text).await;
    }
    // Full, and one blink has gone for it. A newer blink takes the place of the last one.
    app.layer().send(&name, &blink("blink 3")).await.unwrap();
    assert_eq!(app.stats().dropped_volatile, 2);
    app.note("d").await;
    // Full of what matters: a blink is not even taken, and that is no error.
    app.layer().send(&name, &blink("blink 4")).await.unwrap();
    assert_eq!((app.stats().dropped_volatile, app.stats().dropped_full), (4, 0));
    app.note("e").await;
    assert_eq!(app.stats().dropped_full, 1);
    app.go_on(10);
    assert_eq!(texts(&mut client, 5).await, ["first", "a", "b", "c", "d"]);
    assert!(client.receive_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn of_events_with_one_key_only_the_newest_waits_at_its_own_place() {
    let app = App::new();
    let (mut client, _) = app.client::<Newest>().await;
    let cursor = |user: &str, at| Cursor { user: user.into(), at };
    app.busy().await;
    for at in 0..100 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
        if at == 50 {
            app.note("a").await;
        }
        app.layer().group_send(&Board, &cursor("bob", at)).await.unwrap();
    }
    app.go_on(10);
    assert_eq!(texts(&mut client, 4).await, ["first", "a", "ann@99", "bob@99"]);
    assert!(client.receive_nothing().await);
    let stats = app.stats();
    assert_eq!((stats.coalesced, stats.dropped_full, stats.dropped_volatile), (198, 0, 0));
    // Nothing waits, so nothing is outdated.
    app.go_on(10);
    for at in 0..3 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
        assert_eq!(texts(&mut client, 1).await, [format!("ann@{at}")]);
    }
}

/// More than the pipe to the client holds (64 KiB), which does not read.
async fn fill(app: &App) {
    for _ in 0..3 {
        app.layer().group_send(&Board, &ShownNote { text: "x".repeat(60_000) }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test(start_paused = true)]
async fn unless_told_otherwise_a_mebibyte_may_wait_for_a_client() {
    const LIMIT: usize = 1024 * 1024;
    let app = App::new();
    let (mut client, _) = app.client::<Newest>().await;
    let text = "x".repeat(1000);
    let mut waits = 0;
    while app.channels.stats().connections.too_slow == 0 {
        // What the pipe takes is on its way.
        tokio::time::sleep(Duration::from_millis(1)).await;
        waits = app.channels.inspect().waiting.bytes as usize;
        app.layer().group_send(&Board, &ShownNote { text: text.clone() }).await.unwrap();
    }
    assert!((LIMIT..LIMIT + 2000).contains(&waits), "{waits}");
    // Nothing of it is lost to whoever reads in the end.
    while let Ok(Frame::Text(heard)) = client.receive_from().await {
        assert_eq!(heard, text);
    }
    assert_eq!(client.receive_close().await.unwrap().0, CloseCode::TRY_AGAIN_LATER);
}

#[tokio::test(start_paused = true)]
async fn a_volatile_frame_is_not_sent_to_a_client_that_does_not_read() {
    let app = App::with(Channels::builder().outbound_limit(1 << 20));
    let (mut client, _) = app.client::<Newest>().await;
    fill(&app).await;
    // Far more than the limit, and still the connection lives.
    for number in 0..5000 {
        app.layer().group_send(&Board, &ShownBlink { text: format!("{number} {}", "x".repeat(1000)) }).await.unwrap();
    }
    app.layer().group_send(&Board, &ShownNote { text: "this one matters".into() }).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.receive_text_from().await.unwrap().len(), 60_000);
    }
    assert_eq!(texts(&mut client, 1).await, ["this one matters"]);
    assert_eq!((app.stats().dropped_volatile, app.channels.stats().connections.too_slow), (5000, 0));
    // It reads again, and gets them again.
    app.layer().group_send(&Board, &ShownBlink { text: "seen".into() }).await.unwrap();
    assert_eq!(texts(&mut client, 1).await, ["seen"]);
}

#[tokio::test(start_paused = true)]
async fn volatile_frames_behind_a_handler_go_before_the_connection_does() {
    let app = App::with(Channels::builder().outbound_limit(64 * 1024));
    let (mut client, _) = app.client::<Newest>().await;
    app.busy().await;
    let (blink, note) = ("x".repeat(1000), "y".repeat(1000));
    for _ in 0..20 {
        app.layer().group_send(&Board, &ShownBlink { text: blink.clone() }).await.unwrap();
    }
    for _ in 0..55 {
        app.layer().group_send(&Board, &ShownNote { text: note.clone() }).await.unwrap();
    }
    assert_eq!((app.stats().dropped_volatile, app.channels.stats().connections.too_slow), (20, 0));
    // What the handler says comes first, though more than half of the queue waits for it to end.
    app.go_on(1);
    let heard = texts(&mut client, 56).await;
    assert_eq!((heard[0].as_str(), &heard[55]), ("first", &note));
    assert!(client.receive_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_finds_only_the_newest_of_each_key() {
    let app = App::with(Channels::builder().outbound_limit(1 << 20));
    let (mut client, _) = app.client::<Newest>().await;
    fill(&app).await;
    let cursor = |user: &str, at| ShownCursor { user: user.into(), at };
    // Ten megabytes, of which two frames are worth something.
    for at in 0..5000 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
        if at == 2000 {
            app.layer().group_send(&Board, &ShownNote { text: "between".into() }).await.unwrap();
        }
        app.layer().group_send(&Board, &cursor("bob", at)).await.unwrap();
    }
    assert_eq!((app.stats().coalesced, app.channels.stats().connections.too_slow), (9998, 0));
    for _ in 0..3 {
        assert_eq!(client.receive_text_from().await.unwrap().len(), 60_000);
    }
    assert_eq!(texts(&mut client, 3).await, ["between", "ann@4999", "bob@4999"]);
    // One that reads gets them all.
    for at in 0..100 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
    }
    assert_eq!(texts(&mut client, 100).await[99], "ann@99");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_goes_out_before_an_event_and_before_the_close() {
    for closes in [false, true] {
        let app = App::with(Channels::builder());
        let (mut client, _) = app.client::<Newest>().await;
        fill(&app).await;
        for at in 0..3 {
            app.layer().group_send(&Board, &ShownCursor { user: "ann".into(), at }).await.unwrap();
        }
        let layer = app.layer().clone();
        if closes {
            let closing = app.channels.clone();
            tokio::spawn(async move { closing.shutdown(Duration::from_secs(10)).await });
        } else {
            app.go_on(1);
            layer.group_send(&Board, &Note { text: "an event".into() }).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        for _ in 0..3 {
            assert_eq!(client.receive_text_from().await.unwrap().len(), 60_000);
        }
        assert_eq!(texts(&mut client, 1).await, ["ann@2"]);
        if closes {
            assert_eq!(client.receive_close().await.unwrap().0, CloseCode::SERVICE_RESTART);
        } else {
            assert_eq!(texts(&mut client, 1).await, ["an event"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_slows_the_client_that_makes_it_and_nobody_else() {
    let app = App::with(Channels::builder().inbound_limit(100, 1 << 20));
    let (mut flooder, _) = app.client::<Newest>().await;
    let (mut other, _) = app.client::<Newest>().await;
    app.go_on(10_000);
    let begun = Instant::now();
    for number in 0..1000 {
        flooder.send_to(number.to_string()).await.unwrap();
    }
    for number in 0..1000 {
        assert_eq!(flooder.receive_text_from().await.unwrap(), number.to_string());
        if number % 100 == 0 {
            // Neither what it is sent nor what others say has to wait.
            let asked = Instant::now();
            other.send_to("quick").await.unwrap();
            assert_eq!(other.receive_text_from().await.unwrap(), "quick");
            assert!(asked.elapsed() < Duration::from_millis(10));
        }
    }
    // Two seconds' worth at once, and the rest at its rate.
    let took = begun.elapsed();
    assert!(Duration::from_millis(7900) < took && took < Duration::from_millis(9500), "{took:?}");
    assert!(app.channels.stats().connections.throttled > 50);
    // Nothing was lost, and the connection is as good as new.
    flooder.send_to("calm").await.unwrap();
    assert_eq!(flooder.receive_text_from().await.unwrap(), "calm");
}

#[tokio::test(start_paused = true)]
async fn bytes_are_limited_too_and_a_slowed_client_is_still_sent_what_is_for_it() {
    let app = App::with(Channels::builder().inbound_limit(1000, 100_000));
    let (mut flooder, _) = app.client::<Newest>().await;
    app.go_on(100);
    let begun = Instant::now();
    let text = "x".repeat(500_000);
    let sent = async {
        flooder.send_to(text.clone()).await.unwrap();
        // It is not listened to, but it hears.
        app.note("for you").await;
        assert_eq!(flooder.receive_text_from().await.unwrap(), "for you");
        let mut heard = flooder.receive_from().await;
        while heard.is_err() && begun.elapsed() < Duration::from_secs(60) {
            heard = flooder.receive_from().await;
        }
        assert_eq!(heard.unwrap(), Frame::text(text.clone()));
    };
    sent.await;
    let took = begun.elapsed();
    assert!(Duration::from_secs(3) < took && took < Duration::from_secs(6), "{took:?}");
    assert_eq!(app.channels.stats().connections.unanswered, 0);
}

#[derive(Deserialize)]
struct Draw {
    shape: Value,
}

#[derive(Default)]
struct Drawer;

#[consumer(tag = "do")]
impl Drawer {
    #[receive("draw")]
    async fn draw(&mut self, cx: &mut Context<Self>, draw: Draw) -> Result<()> {
        cx.send_json(&json!({"drawn": draw.shape.is_array()})).await
    }
}

#[tokio::test]
async fn json_that_is_nested_too_deeply_is_refused_and_the_connection_lives() {
    let channels = Channels::builder().build();
    let mut client = WebsocketCommunicator::new(channels.route::<Drawer>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let nested = |depth: usize| format!(r#"{{"do": "draw", "shape": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let hidden = |depth: usize| format!(r#"{{"shape": {}{}, "do": "draw"}}"#, "[".repeat(depth), "]".repeat(depth));
    for command in [nested(100), hidden(100)] {
        client.send_to(command).await.unwrap();
        assert_eq!(client.receive_json_from::<Value>().await.unwrap(), json!({"drawn": true}));
    }
    for command in [nested(200), hidden(200), nested(500_000), hidden(500_000), "[".repeat(1_000_000)] {
        client.send_to(command).await.unwrap();
        let answer: Value = client.receive_json_from().await.unwrap();
        let code = answer["error"]["code"].as_str().unwrap();
        assert!(code.starts_with("malformed_"), "{answer}");
    }
}
