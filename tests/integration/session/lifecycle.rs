//! A connection from its handshake to its end: what the client receives, and how the groups change.

use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use serde_json::{Value, json};

use crate::consumer::chat::{App, ChatConsumer, ChatFail, ChatMessage, ForceDisconnect, room};

#[tokio::test]
async fn group_message_reaches_all_members() {
    let app = App::new();
    let (mut ann, mut bob) = (app.client("in"), app.client("in"));
    ann.connect().await.unwrap();
    bob.connect().await.unwrap();
    assert_eq!(app.members(), 2);
    ann.send_json_to(&json!({"do": "say", "text": "hi"})).await.unwrap();
    // The reply of the handler precedes the event that the handler sent.
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
async fn connect_result_decides_handshake_status() {
    let app = App::new();
    for (how, wanted, said) in [
        ("refused", 403, "Forbidden"),
        ("missing", 404, "no such room"),
        ("error", 500, "Internal Server Error"),
        ("panic", 500, "Internal Server Error"),
    ] {
        match app.client(how).connect().await.unwrap_err() {
            CommunicatorError::Refused { status, body, .. } => assert_eq!((status, body.as_str()), (wanted, said)),
            other => panic!("{other}"),
        }
    }
    let nobody = app.client("in").header("x-nobody", "1").connect().await.unwrap_err();
    assert!(matches!(nobody, CommunicatorError::Refused { status: 401, .. }), "{nobody}");
    // They had joined the group before they were rejected.
    app.empty().await;
    assert!(app.witness.codes().is_empty(), "`disconnect` does not run without a connection");

    let mut client = app.client("greets");
    client.connect().await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "welcome");

    let mut client = app.client("chooses").subprotocols(&["chat.v1", "chat.v2"]);
    assert_eq!(client.connect().await.unwrap().subprotocol.as_deref(), Some("chat.v2"));
    let connected = app.client("header").connect().await.unwrap();
    assert_eq!(connected.headers["x-chat"], "yes");

    let mut client = app.client("closes");
    client.connect().await.unwrap();
    assert_eq!(client.receive_close().await.unwrap(), (CloseCode::POLICY, "not today".into()));
}

#[tokio::test]
async fn connect_deadline_returns_503_and_removes_channel() {
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
    let channels = Channels::builder().connect_deadline(Duration::from_millis(20)).build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Never>(warp::path!("ws")), "/ws");
    let late = client.connect().await.unwrap_err();
    assert!(matches!(late, CommunicatorError::Refused { status: 503, .. }), "{late}");
    assert_eq!(channels.channel_layer().channels_here(), 0);
}

/// Each termination path: what the client receives, and the code that `disconnect` gets.
#[tokio::test]
async fn termination_leaves_groups_and_disconnects_once() {
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
        // The other member is not affected.
        witness.send_json_to(&json!({"do": "note", "text": "alive"})).await.unwrap();
        assert_eq!(witness.receive_json_from::<Value>().await.unwrap(), json!({"note": "alive"}));
        witness.disconnect(CloseCode::NORMAL).await.unwrap();
        app.empty().await;
        assert_eq!(app.witness.codes(), [code, 1000]);
    }

    // By an event to this connection or to the group.
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
    assert!(gone, "all connections end within the deadline");
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
async fn invalid_command_never_reaches_consumer() {
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
        // The name of an event is not a command: a client cannot send layer events.
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
