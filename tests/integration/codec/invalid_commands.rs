//! Invalid commands from clients: they get a response, are logged and counted, and the connection stays open.

use std::time::Duration;

use channels_runtime::prelude::*;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::codec::invalid_input::{ChatConsumer, Curious, DEEP, application, client};
use crate::support::app::Server;
use crate::support::records::Records;

/// Returns frames that are not commands, each with the code of the response, and with the command and the field that the log
/// names.
fn bad_frames() -> Vec<(String, &'static str, &'static str, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let say = |rest: &str| format!(r#"{{"type": "say", {rest}}}"#);
    let one = |frame: String, code, command, field| (frame, code, command, field);
    vec![
        one("{".into(), "malformed_json", "", ""),
        one("{1: 2}".into(), "malformed_json", "", ""),
        one("null".into(), "malformed_json", "", ""),
        one("[]".into(), "malformed_json", "", ""),
        one(deep.clone(), "malformed_json", "", ""),
        one("{}".into(), "no_command", "", "type"),
        one(r#"{"type": null}"#.into(), "no_command", "", "type"),
        one(r#"{"type": 1e400}"#.into(), "malformed_json", "", ""),
        one(r#"{"type": "shout"}"#.into(), "unknown_command", "shout", ""),
        one(r#"{"type": "chat.message", "text": "a"}"#.into(), "unknown_command", "chat.message", ""),
        one(say(r#""count": 1"#), "malformed_command", "say", "text"),
        one(say(r#""text": null"#), "malformed_command", "say", "text"),
        one(say(r#""text": 7"#), "malformed_command", "say", "text"),
        one(say(r#""text": "a", "count": 18446744073709551616"#), "malformed_command", "say", "count"),
        one(say(r#""text": "a", "count": 1e400"#), "malformed_command", "say", "count"),
        one(say(r#""text": "a", "count": 123456789012345678901234567890"#), "malformed_command", "say", "count"),
        one(say(&format!(r#""text": {deep}"#)), "malformed_command", "say", "text"),
        one(say(&format!(r#""text": "a", "more": {deep}"#)), "malformed_command", "say", "more[0][0]"),
    ]
}

#[tokio::test]
async fn invalid_command_gets_response_and_next_command_is_handled() {
    let (log, _guard) = Records::listen();
    let channels = application();
    let mut client = client::<ChatConsumer>(&channels).await;
    for (at, (frame, code, command, field)) in bad_frames().into_iter().enumerate() {
        let told = &frame[..frame.len().min(80)];
        log.take("");
        client.send_to(frame.clone()).await.unwrap();
        let answer: Value = client.receive_json_from().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{told}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().chars().count() <= 200);
        assert_eq!(channels.stats().connections.refused, at as u64 + 1);
        let records = log.take("a client's frame is not a command");
        let [record] = &records[..] else { panic!("{told}: {records:?}") };
        assert_eq!((record.field("consumer"), record.field("command")), ("ChatConsumer", command), "{told}");
        assert!(record.field("field").starts_with(field), "{told}: {record:?}");
        assert!(record.field("channel").starts_with("specific."), "{record:?}");
        assert!(!record.field("error").is_empty());
        // Only the log lists the commands.
        assert_eq!(
            record.field("error").contains("the commands are `say`"),
            code == "unknown_command",
            "{told}: {record:?}"
        );
        assert!(
            !answer["error"]["message"].as_str().unwrap().contains("`say`") || command == "say",
            "{told}: {answer}"
        );
        client.send_to(r#"{"type": "say", "text": "good", "count": 7, "extra": {"a": 1}}"#).await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), "you: good 7 null");
    }
    // Ignored fields are not read, at any depth.
    let deep = format!("{}1{}", "[".repeat(DEEP), "]".repeat(DEEP));
    client.send_to(format!(r#"{{"type": "say", "text": "good", "extra": {deep}}}"#)).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "you: good 0 null");
    // The response does not repeat the whole frame.
    client.send_to(json!({"type": "x".repeat(100_000)}).to_string()).await.unwrap();
    assert!(client.receive_text_from().await.unwrap().len() < 300);
}

#[tokio::test]
async fn invalid_command_reaches_fallback_receive_method() {
    let channels = application();
    let mut client = client::<Curious>(&channels).await;
    client.send_to(r#"{"type": "shout"}"#).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), r#"shout? ["say"]"#);
    client.send_to(r#"{"type": "say"}"#).await.unwrap();
    let answer: Value = client.receive_json_from().await.unwrap();
    assert_eq!(answer["error"]["code"], "malformed_command");
    client.send_to("{}").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "no: no_command");
    // The connection stays open where the default would close it.
    client.send_binary_to("bytes").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "no: unsupported_frame");
    client.send_to(r#"{"type": "say", "text": "good"}"#).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "good");
    assert_eq!(channels.stats().connections.refused, 4);
}

#[tokio::test]
async fn frame_to_consumer_without_commands_reaches_fallback_receive_method() {
    #[derive(Default)]
    struct Deaf;
    #[consumer]
    impl Deaf {
        #[receive(_)]
        async fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) {
            cx.close_with(CloseCode::POLICY, &error.to_string());
        }
    }
    #[derive(Default)]
    struct Mute;
    #[consumer]
    impl Mute {
        #[disconnect]
        fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
    }
    let channels = application();
    let mut deaf = client::<Deaf>(&channels).await;
    deaf.send_to("anybody there?").await.unwrap();
    let (code, reason) = deaf.receive_close().await.unwrap();
    assert_eq!((code, reason.as_str()), (CloseCode::POLICY, "this consumer does not take frames from its client"));
    let mut mute = client::<Mute>(&channels).await;
    mute.send_to("anybody there?").await.unwrap();
    assert!(mute.receive_nothing().await);
    assert_eq!(channels.stats().connections.refused, 2);
}

#[tokio::test]
async fn invalid_command_is_logged_with_client_address() {
    let (log, _guard) = Records::listen();
    let channels = application();
    let route = channels.route::<ChatConsumer>(warp::path!("ws"));
    let server = Server::start(&channels, route).await;
    let address = server.address;
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
    let tokio_tungstenite::MaybeTlsStream::Plain(socket) = client.get_ref() else { panic!("the socket is plain") };
    let peer = socket.local_addr().unwrap().to_string();
    client.send(Message::text("{}")).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), client.next()).await.unwrap().unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("no_command"), "{answer}");
    let records = log.take("a client's frame is not a command");
    assert_eq!(records[0].field("peer"), peer);
    drop(client);
    server.stop().await;
}
