//! The life of a connection, from the client's side and from the layer's.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use channels_runtime::{Consumer, Envelope, Format, LayerError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[event("chat.message")]
struct ChatMessage {
    text: String,
}

#[event("chat.note")]
struct ChatNote {
    text: String,
}

#[event("chat.force_disconnect")]
struct ForceDisconnect {
    code: u16,
}

#[event("chat.slow")]
struct ChatSlow {
    text: String,
}

#[event("chat.fail")]
struct ChatFail {
    how: String,
}

#[group("room_{name}", events(ChatMessage, ChatNote, ForceDisconnect, ChatSlow, ChatFail))]
struct Room {
    name: String,
}

fn room() -> Room {
    Room { name: "lobby".into() }
}

/// What the tests look at from outside. One for each application, so that tests may run side by side.
#[derive(Default)]
struct Witness {
    codes: Mutex<Vec<u16>>,
    names: Mutex<Vec<String>>,
}

impl Witness {
    fn codes(&self) -> Vec<u16> {
        self.codes.lock().unwrap().clone()
    }

    /// Waits until so many connections have ended, and gives their codes.
    async fn ended(&self, many: usize) -> Vec<u16> {
        let ended = async {
            while self.codes().len() < many {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the connections end");
        self.codes()
    }
}

static RENDERED: AtomicUsize = AtomicUsize::new(0);

struct ChatConsumer {
    witness: Arc<Witness>,
    received: usize,
}

#[derive(Deserialize)]
struct Say {
    text: String,
}

#[derive(Deserialize)]
struct Close {
    code: u16,
}

#[derive(Deserialize)]
struct Fail {
    how: String,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Line {
    line: String,
}

#[consumer(tag = "do", sends(Line))]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, how: String) -> Result<Self, Reject> {
        let witness = cx.scope().user::<Arc<Witness>>().ok_or(Reject::unauthorized())?.clone();
        cx.group_add(&room()).await?;
        match how.as_str() {
            "refused" => return Err(Reject::default()),
            "missing" => return Err(Reject::not_found().with_reason("no such room")),
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

    /// Needs no state: rendered once, shared by all.
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

/// An application with its witness.
struct App {
    channels: Channels,
    witness: Arc<Witness>,
}

impl App {
    fn new() -> Self {
        Self::with(Channels::builder())
    }

    fn with(builder: channels_runtime::ChannelsBuilder) -> Self {
        let witness = Arc::<Witness>::default();
        let known = Arc::clone(&witness);
        let channels = builder
            .authenticator(move |scope: Scope| {
                let user = scope.header("x-nobody").is_none().then(|| Arc::clone(&known));
                async move { Ok(user) }
            })
            .build();
        Self { channels, witness }
    }

    fn client(&self, how: &str) -> WebsocketCommunicator<impl Routes + use<>> {
        let route = self.channels.route::<ChatConsumer>(warp::path!("ws" / String));
        WebsocketCommunicator::new(route, format!("/ws/{how}"))
    }

    fn members(&self) -> usize {
        self.channels.channel_layer().members_here(&room()).unwrap()
    }

    /// Waits until nothing of any connection is left.
    async fn empty(&self) {
        let empty = async {
            while self.members() + self.channels.channel_layer().channels_here() + self.channels.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), empty).await.expect("every connection is gone");
    }
}

#[tokio::test]
async fn what_one_says_all_hear() {
    let app = App::new();
    let (mut ann, mut bob) = (app.client("in"), app.client("in"));
    ann.connect().await.unwrap();
    bob.connect().await.unwrap();
    assert_eq!(app.members(), 2);
    ann.send_json_to(&json!({"do": "say", "text": "hi"})).await.unwrap();
    // The reply of the handler comes before the event that it set off: nothing overtakes.
    assert_eq!(ann.receive_json_from::<Value>().await.unwrap(), json!({"line": "sent 1"}));
    assert_eq!(ann.receive_json_from::<Value>().await.unwrap(), json!({"line": "hi"}));
    assert_eq!(bob.receive_json_from::<Value>().await.unwrap(), json!({"line": "hi"}));
    assert!(bob.receive_nothing().await);
    ann.disconnect(CloseCode::NORMAL).await.unwrap();
    bob.disconnect(CloseCode::GOING_AWAY).await.unwrap();
    assert_eq!(app.witness.ended(2).await, [1000, 1001]);
    app.empty().await;
}

#[tokio::test]
async fn connect_answers_the_handshake() {
    let app = App::new();
    for (how, wanted, said) in [
        ("refused", 403, "Forbidden"),
        ("missing", 404, "no such room"),
        ("error", 500, "Internal Server Error"),
        ("panic", 500, "Internal Server Error"),
    ] {
        match app.client(how).connect().await.unwrap_err() {
            CommunicatorError::Refused { status, body } => assert_eq!((status, body.as_str()), (wanted, said)),
            other => panic!("{other}"),
        }
    }
    let nobody = app.client("in").with_header("x-nobody", "1").connect().await.unwrap_err();
    assert!(matches!(nobody, CommunicatorError::Refused { status: 401, .. }), "{nobody}");
    // They had joined before they were refused.
    app.empty().await;
    assert!(app.witness.codes().is_empty(), "nobody was connected, so nobody disconnects");

    let mut client = app.client("greets");
    client.connect().await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "welcome");

    let mut client = app.client("chooses").with_subprotocols(&["chat.v1", "chat.v2"]);
    assert_eq!(client.connect().await.unwrap().subprotocol.as_deref(), Some("chat.v2"));
    let connected = app.client("header").connect().await.unwrap();
    assert_eq!(connected.headers["x-chat"], "yes");

    let mut client = app.client("closes");
    client.connect().await.unwrap();
    assert_eq!(client.receive_close().await.unwrap(), (CloseCode::POLICY, "not today".into()));
}

#[tokio::test]
async fn a_connect_that_takes_too_long_is_a_503() {
    struct Never;
    #[consumer]
    impl Never {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Self {
            cx.group_add(&Lobby).await.unwrap();
            std::future::pending().await
        }

        #[handler("chat.message")]
        fn message(_event: &ChatMessage) -> Option<String> {
            None
        }
    }
    #[group("lobby", events(ChatMessage))]
    struct Lobby;
    let channels = Channels::builder().connect_deadline(Duration::from_millis(20)).build();
    let mut client = WebsocketCommunicator::new(channels.route::<Never>(warp::path!("ws")), "/ws");
    let late = client.connect().await.unwrap_err();
    assert!(matches!(late, CommunicatorError::Refused { status: 503, .. }), "{late}");
    assert_eq!(channels.channel_layer().channels_here(), 0);
}

/// Every way out: what the client sees, and the code that `disconnect` gets.
#[tokio::test]
async fn every_way_out_leaves_the_groups_and_disconnects_once() {
    let say = |what: Value| what.to_string();
    let by_command = [
        (say(json!({"do": "close", "code": 4001})), 4001, "as you wish"),
        (say(json!({"do": "fail", "how": "error"})), 1011, ""),
        (say(json!({"do": "fail", "how": "panic"})), 1011, ""),
        ("x".repeat(1024 * 1024 + 1), 1009, "message too big"),
    ];
    for (command, code, reason) in by_command {
        let app = App::new();
        let (mut client, mut witness) = (app.client("in"), app.client("in"));
        client.connect().await.unwrap();
        witness.connect().await.unwrap();
        client.send_to(command).await.unwrap();
        let (seen, said) = client.receive_close().await.unwrap();
        assert_eq!((seen.as_u16(), said.as_str()), (code, reason));
        assert_eq!(app.witness.ended(1).await, [code]);
        // The other member never notices.
        witness.send_json_to(&json!({"do": "note", "text": "alive"})).await.unwrap();
        assert_eq!(witness.receive_json_from::<Value>().await.unwrap(), json!({"note": "alive"}));
        witness.disconnect(CloseCode::NORMAL).await.unwrap();
        app.empty().await;
        assert_eq!(app.witness.codes(), [code, 1000]);
    }

    // By an event: to this one, or to the group.
    let app = App::new();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = app.client("in");
        client.connect().await.unwrap();
        clients.push(client);
    }
    let layer = app.channels.channel_layer();
    let names = app.witness.names.lock().unwrap().clone();
    let name: ChannelName<ChatConsumer> = serde_json::from_str(&names[1]).unwrap();
    layer.send(&name, &ForceDisconnect { code: 4003 }).await.unwrap();
    assert_eq!(clients[1].receive_close().await.unwrap().0, 4003);
    layer.send(&name, &ChatFail { how: "error".into() }).await.unwrap();
    layer.group_send(&room(), &ChatFail { how: "panic".into() }).await.unwrap();
    for client in [0, 2] {
        assert_eq!(clients[client].receive_close().await.unwrap(), (CloseCode::INTERNAL_ERROR, String::new()));
    }
    assert_eq!(app.witness.ended(3).await, [4003, 1011, 1011]);
    app.empty().await;

    // The client vanishes; the layer is closed; the server stops.
    let app = App::new();
    let mut client = app.client("in");
    client.connect().await.unwrap();
    drop(client);
    assert_eq!(app.witness.ended(1).await, [1006]);
    app.empty().await;
    let mut client = app.client("in");
    client.connect().await.unwrap();
    let (gone, closed) = tokio::join!(app.channels.shutdown(Duration::from_secs(5)), client.receive_close());
    assert_eq!(closed.unwrap().0, CloseCode::SERVICE_RESTART);
    assert!(gone, "all are gone within the deadline");
    assert_eq!(app.witness.ended(2).await, [1006, 1012]);
    app.empty().await;
    let late = app.client("in").connect().await.unwrap_err();
    assert!(matches!(late, CommunicatorError::Refused { status: 503, .. }), "{late}");

    let app = App::new();
    let mut client = app.client("in");
    client.connect().await.unwrap();
    app.channels.channel_layer().close().await;
    assert_eq!(client.receive_close().await.unwrap().0, CloseCode::GOING_AWAY);
    assert_eq!(app.witness.ended(1).await, [1001]);
    app.empty().await;
}

#[tokio::test]
async fn a_frame_that_is_no_command_is_answered_and_never_reaches_the_consumer() {
    let app = App::new();
    let mut client = app.client("in");
    client.connect().await.unwrap();
    for (frame, code) in [
        ("{", "malformed_json"),
        ("[1]", "malformed_json"),
        ("{}", "no_command"),
        (r#"{"do": 7}"#, "no_command"),
        (r#"{"do": "shout", "text": "x"}"#, "unknown_command"),
        (r#"{"do": "say"}"#, "malformed_command"),
        (r#"{"do": "say", "text": 7}"#, "malformed_command"),
        // An event's name is no command: what the layer may say, a client may not.
        (r#"{"do": "chat.force_disconnect", "code": 4000}"#, "unknown_command"),
        (r#"{"type": "chat.message", "text": "x"}"#, "no_command"),
    ] {
        client.send_to(frame).await.unwrap();
        let answer: Value = client.receive_json_from().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{frame}: {answer}");
    }
    client.send_to(r#"{"do": "say", "text": 7}"#).await.unwrap();
    let answer = client.receive_text_from().await.unwrap();
    assert!(answer.contains("command `say` is malformed at `text`"), "{answer}");
    client.send_binary_to("bytes").await.unwrap();
    assert_eq!(client.receive_close().await.unwrap().0, CloseCode::UNSUPPORTED);
    assert_eq!(app.witness.ended(1).await, [1003]);
}

#[tokio::test]
async fn a_rendering_runs_once_and_order_holds_across_both_kinds_of_handlers() {
    let app = App::new();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = app.client("in");
        client.connect().await.unwrap();
        clients.push(client);
    }
    let layer = app.channels.channel_layer();
    let mut wanted = Vec::new();
    for number in 0..20 {
        layer.group_send(&room(), &ChatNote { text: format!("{number}") }).await.unwrap();
        layer.group_send(&room(), &ChatMessage { text: format!("{number}") }).await.unwrap();
        layer.group_send(&room(), &ChatSlow { text: format!("slow {number}") }).await.unwrap();
        layer.group_send(&room(), &ChatSlow { text: "nothing".into() }).await.unwrap();
        wanted.push(json!({"note": format!("{number}")}).to_string());
        wanted.push(json!({"line": format!("{number}")}).to_string());
        wanted.push(format!("slow {number}"));
    }
    for client in &mut clients {
        for wanted in &wanted {
            assert_eq!(client.receive_text_from().await.unwrap(), *wanted);
        }
    }
}

#[tokio::test]
async fn a_rendering_is_made_once_however_many_members_there_are() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    #[derive(Default)]
    struct Counting;
    #[group("counted", events(ChatMessage, ChatSlow))]
    struct Counted;
    #[consumer]
    impl Counting {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&Counted).await?;
            Ok(Self)
        }
        #[handler("chat.message")]
        fn plain(event: &ChatMessage) -> String {
            MADE.fetch_add(1, SeqCst);
            event.text.clone()
        }
        #[handler("chat.slow")]
        async fn slow(event: &ChatSlow) -> String {
            tokio::task::yield_now().await;
            MADE.fetch_add(100, SeqCst);
            event.text.clone()
        }
    }
    let channels = Channels::builder().build();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = WebsocketCommunicator::new(channels.route::<Counting>(warp::path!("ws")), "/ws");
        client.connect().await.unwrap();
        clients.push(client);
    }
    channels.channel_layer().group_send(&Counted, &ChatMessage { text: "a".into() }).await.unwrap();
    channels.channel_layer().group_send(&Counted, &ChatSlow { text: "b".into() }).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.receive_text_from().await.unwrap(), "a");
        assert_eq!(client.receive_text_from().await.unwrap(), "b");
    }
    assert_eq!(MADE.load(SeqCst), 101);
}

#[tokio::test]
async fn a_rendering_that_panics_hurts_neither_sender_nor_member() {
    let app = App::new();
    let mut client = app.client("in");
    client.connect().await.unwrap();
    let layer = app.channels.channel_layer();
    layer.group_send(&room(), &ChatMessage { text: "panic".into() }).await.unwrap();
    layer.group_send(&room(), &ChatMessage { text: "fine".into() }).await.unwrap();
    assert_eq!(client.receive_json_from::<Line>().await.unwrap(), Line { line: "fine".into() });
    assert_eq!(layer.stats().undecodable, 1);
}

#[tokio::test]
async fn an_event_that_nobody_handles_or_that_does_not_fit_is_counted_and_the_connection_lives() {
    let app = App::new();
    let mut client = app.client("in");
    client.connect().await.unwrap();
    let layer = app.channels.channel_layer();
    for message in [
        json!({"type": "chat.unheard_of"}),
        json!({"type": "websocket.disconnect", "code": 1000}),
        json!({"type": "chat_message", "text": "x"}),
    ] {
        layer.group_send_raw("room_lobby", message).await.unwrap();
    }
    for message in [
        json!({"type": "chat.message"}),
        json!({"type": "chat.message", "text": null}),
        json!({"type": "chat.note", "text": ["x"]}),
        json!({"type": "chat.force_disconnect", "code": 70000}),
    ] {
        layer.group_send_raw("room_lobby", message).await.unwrap();
    }
    layer.group_send_raw("room_lobby", json!({"type": "chat.message", "text": "fits", "more": 1})).await.unwrap();
    assert_eq!(client.receive_json_from::<Line>().await.unwrap(), Line { line: "fits".into() });
    assert_eq!((layer.stats().unhandled, layer.stats().undecodable), (3, 4));
}

#[tokio::test]
async fn a_slow_handler_fills_its_own_mailbox_only() {
    let app = App::with(
        Channels::builder()
            .layer(ChannelLayer::in_memory_with(channels_runtime::LayerConfig::default().with_capacity(5))),
    );
    struct Stuck;
    #[consumer]
    impl Stuck {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&room()).await?;
            cx.send_json(&cx.channel_name()).await?;
            Ok(Self)
        }
        #[handler("chat.note")]
        async fn note(&mut self, _cx: &mut Context<Self>, _event: &ChatNote) {
            std::future::pending().await
        }
        #[handler("chat.message")]
        fn message(event: &ChatMessage) -> String {
            event.text.clone()
        }
        #[handler("chat.slow")]
        fn slow(_event: &ChatSlow) -> Option<String> {
            None
        }
        #[handler("chat.fail")]
        fn fail(_event: &ChatFail) -> Option<String> {
            None
        }
        #[handler("chat.force_disconnect")]
        fn force_disconnect(_event: &ForceDisconnect) -> Option<String> {
            None
        }
    }
    let mut stuck = WebsocketCommunicator::new(app.channels.route::<Stuck>(warp::path!("stuck")), "/stuck");
    stuck.connect().await.unwrap();
    let name: ChannelName<Stuck> = stuck.receive_json_from().await.unwrap();
    let layer = app.channels.channel_layer();
    layer.send(&name, &ChatNote { text: "the handler never returns".into() }).await.unwrap();
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut other = app.client("in");
    other.connect().await.unwrap();
    for number in 0..8 {
        layer.group_send(&room(), &ChatNote { text: number.to_string() }).await.unwrap();
        let heard: Value = other.receive_json_from().await.unwrap();
        assert_eq!(heard, json!({"note": number.to_string()}));
    }
    assert_eq!(layer.stats().dropped_full, 3);
    // Frames that wait behind the handler are bounded by their bytes, as everything is that waits for a client.
    for number in 0..200 {
        layer.group_send(&room(), &ChatMessage { text: number.to_string() }).await.unwrap();
        assert_eq!(other.receive_json_from::<Line>().await.unwrap().line, number.to_string());
    }
    assert_eq!((layer.stats().dropped_full, app.channels.stats().connections.too_slow), (3, 0));
    for _ in 0..3 {
        layer.group_send(&room(), &ChatMessage { text: "x".repeat(600_000) }).await.unwrap();
        assert_eq!(other.receive_json_from::<Line>().await.unwrap().line.len(), 600_000);
    }
    assert_eq!(app.channels.stats().connections.too_slow, 1);
    let full = layer.send(&name, &ChatNote { text: "one more".into() }).await.unwrap_err();
    assert!(matches!(full, LayerError::ChannelFull { capacity: 5, .. }), "{full}");
}

#[test]
fn a_consumer_describes_itself() {
    let info = ChatConsumer::INFO;
    assert_eq!((info.name, info.tag), ("ChatConsumer", "do"));
    let handlers: Vec<_> = info.handlers.iter().map(|row| (row.event, row.variant, row.method, row.shared)).collect();
    assert_eq!(
        handlers,
        [
            ("chat.message", "ChatMessage", "chat_message", true),
            ("chat.note", "ChatNote", "chat_note", false),
            ("chat.slow", "ChatSlow", "chat_slow", true),
            ("chat.force_disconnect", "ChatForceDisconnect", "force_disconnect", false),
            ("chat.fail", "ChatFail", "chat_fail", false),
        ]
    );
    assert!((info.handlers[0].payload)().ends_with("consumers::ChatMessage"));
    assert!(info.handlers[0].line < info.handlers[1].line);
    let commands: Vec<_> = info.commands.iter().map(|row| row.name).collect();
    assert_eq!(commands, ["say", "note", "slow", "close", "fail"]);
    assert_eq!(info.sends.len(), 1);
}

#[tokio::test]
async fn the_layer_of_the_last_application_is_the_default_one() {
    // Other tests of this process build applications too, so only a name of one's own can be relied on.
    let layer = ChannelLayer::in_memory();
    layer.install("a name of this test");
    let channel = layer.new_channel().await.unwrap();
    let found = channel_layer("a name of this test").unwrap();
    found.send_raw(channel.name().as_str(), json!({"type": "x"})).await.unwrap();
    let envelope: Envelope = channel.receive().await.unwrap();
    assert_eq!((envelope.event_name(), envelope.format()), ("x", Format::Msgpack));
    let missing = channel_layer("no such name").unwrap_err().to_string();
    assert!(missing.contains("there is no channel layer `no such name`"), "{missing}");
    let _ = Channels::builder().build();
    assert!(channel_layer("default").is_ok());
}

#[tokio::test]
async fn a_rendering_may_use_the_layer() {
    static LAYER: std::sync::OnceLock<ChannelLayer> = std::sync::OnceLock::new();
    #[derive(Default)]
    struct Counting;
    #[group("census", events(ChatMessage))]
    struct Census;
    #[consumer]
    impl Counting {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&Census).await?;
            Ok(Self)
        }
        #[handler("chat.message")]
        fn message(_event: &ChatMessage) -> String {
            let layer = LAYER.get().unwrap();
            format!("{} of {}", layer.members_here(&Census).unwrap(), layer.channels_here())
        }
    }
    let channels = Channels::builder().build();
    LAYER.set(channels.channel_layer().clone()).unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Counting>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let sent = channels.channel_layer().group_send(&Census, &ChatMessage { text: String::new() });
    tokio::time::timeout(Duration::from_secs(5), sent).await.expect("no deadlock").unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "1 of 1");
}

/// Sends the client more than its queue holds, in one handler.
#[derive(Default)]
struct Talker;

#[consumer]
impl Talker {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, much: String) -> Result<()> {
        for _ in 0..10 {
            cx.send_text(much.clone()).await?;
            cx.send_json(&much).await?;
        }
        cx.send_text("done").await?;
        // What is in the queue reaches the client though the handler goes on.
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_handler_that_sends_more_than_the_queue_holds_waits_for_the_client_and_no_longer() {
    let channels = Channels::builder().build();
    let mut client = WebsocketCommunicator::new(channels.route::<Talker>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let much = "x".repeat(400_000);
    client.send_to(much.clone()).await.unwrap();
    for _ in 0..10 {
        assert!(client.receive_text_from().await.unwrap() == much);
        assert!(client.receive_json_from::<String>().await.unwrap() == much);
    }
    assert_eq!(client.receive_text_from().await.unwrap(), "done");
}

/// Joins, and says what it has from before only when it is let.
struct Replayer;

static LET_ON: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);

#[consumer]
impl Replayer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Replayed).await?;
        cx.send_text("old").await?;
        LET_ON.acquire().await.map_err(Error::from)?.forget();
        cx.send_text("old, too").await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn message(event: &ChatMessage) -> String {
        event.text.clone()
    }

    #[handler("chat.note")]
    async fn note(&mut self, cx: &mut Context<Self>, event: &ChatNote) -> Result<()> {
        cx.send_text(event.text.clone()).await
    }
}

#[group("replayed", events(ChatMessage, ChatNote))]
struct Replayed;

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_connect_runs_comes_behind_what_connect_says() {
    let channels = Channels::builder().build();
    let layer = channels.channel_layer();
    let mut client = WebsocketCommunicator::new(channels.route::<Replayer>(warp::path!("ws")), "/ws");
    let sent = async {
        while layer.members_here(&Replayed).unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        layer.group_send(&Replayed, &ChatMessage { text: "message".into() }).await.unwrap();
        layer.group_send(&Replayed, &ChatNote { text: "note".into() }).await.unwrap();
        LET_ON.add_permits(1);
    };
    let (connected, ()) = tokio::join!(client.connect(), sent);
    connected.unwrap();
    for expected in ["old", "old, too", "message", "note"] {
        assert_eq!(client.receive_text_from().await.unwrap(), expected);
    }
    assert!(client.receive_nothing().await);
}

/// Has much to say when somebody connects.
struct Historian;

#[consumer]
impl Historian {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        for _ in 0..10 {
            cx.send_text("x".repeat(400_000)).await?;
        }
        Ok(Self)
    }

    #[receive]
    fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}
}

#[tokio::test]
async fn connect_may_say_more_than_the_queue_holds() {
    let channels = Channels::builder().build();
    let mut client = WebsocketCommunicator::new(channels.route::<Historian>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    for _ in 0..10 {
        assert_eq!(client.receive_text_from().await.unwrap().len(), 400_000);
    }
}
