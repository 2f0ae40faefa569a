//! Commands that answer: the frames on the wire, their order, and what ends the connection instead.

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use futures_util::SinkExt;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Front, Server, on_both_servers};
use crate::support::client::{Client, connect, next, next_text};
use crate::support::log::Log;

on_both_servers!(
    command_with_reference_is_answered,
    command_without_reference_sends_nothing_more,
    malformed_command_is_answered_with_its_reference,
    large_command_is_answered,
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bid {
    amount: u32,
    #[serde(default)]
    note: String,
}

#[derive(Serialize)]
struct Taken {
    highest: u32,
}

#[derive(Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
enum Refused {
    TooLow { highest: u32 },
}

#[derive(Deserialize)]
struct Empty {}

#[derive(Deserialize)]
struct Note {
    r#ref: Option<String>,
}

/// An alias, whose spelling does not show that it is an answer.
type Maybe = std::io::Result<Result<u32, Refused>>;

#[derive(Default)]
struct Auction {
    highest: u32,
}

impl Auction {
    fn take(&mut self, amount: u32) -> Result<Taken, Refused> {
        let highest = self.highest;
        if amount <= highest {
            return Err(Refused::TooLow { highest });
        }
        self.highest = amount;
        Ok(Taken { highest: amount })
    }
}

#[consumer]
impl Auction {
    /// Tells the client something before its answer.
    #[receive("bid")]
    async fn bid(&mut self, cx: &mut Context<Self>, command: Bid) -> Result<Result<Taken, Refused>> {
        cx.send_text(format!("bid of {}{}", command.amount, command.note)).await?;
        Ok(self.take(command.amount))
    }

    #[receive("bid_now", blocking)]
    fn bid_now(&mut self, _cx: &mut Context<Self>, command: Bid) -> Result<Taken, Refused> {
        self.take(command.amount)
    }

    #[receive("highest")]
    fn highest(&mut self, _cx: &mut Context<Self>, _: Empty) -> Result<u32> {
        match self.highest {
            0 => Err(Error::msg("there is no bid")),
            highest => Ok(highest),
        }
    }

    #[receive("maybe")]
    async fn maybe(&mut self, _cx: &mut Context<Self>, _: Empty) -> Maybe {
        match self.highest {
            0 => Err(std::io::Error::other("the database is away")),
            1 => Ok(Err(Refused::TooLow { highest: 1 })),
            highest => Ok(Ok(highest)),
        }
    }

    #[receive("leave")]
    async fn leave(&mut self, cx: &mut Context<Self>, _: Empty) -> Result<Result<(), Refused>> {
        cx.close(CloseCode::NORMAL);
        Ok(Ok(()))
    }

    #[receive("acknowledge")]
    async fn acknowledge(&mut self, _cx: &mut Context<Self>, _: Empty) -> Result<Result<(), Refused>> {
        Ok(Ok(()))
    }

    /// Has a field with the name of the reference, but no answer.
    #[receive("note")]
    async fn note(&mut self, cx: &mut Context<Self>, note: Note) -> Result<()> {
        cx.send_text(format!("noted {:?}", note.r#ref)).await
    }
}

/// Ends the client first, so that the server does not wait for it.
async fn stop(server: Server, client: Client) {
    drop(client);
    server.stop().await;
}

async fn start(front: Front) -> (Server, Client) {
    let channels = Channels::builder().layer(ChannelLayer::in_memory()).build().unwrap();
    let server = Server::start_consumer::<Auction>(front, &channels).await;
    let client = connect(server.address, "/ws").await;
    (server, client)
}

async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.unwrap();
}

/// Sends a command and expects these frames.
async fn expect(client: &mut Client, command: &str, frames: &[&str]) {
    say(client, command).await;
    for frame in frames {
        assert_eq!(next_text(client).await, *frame, "after {command}");
    }
}

async fn command_with_reference_is_answered(front: Front) {
    let (server, mut client) = start(front).await;
    let taken = r#"{"ref":1,"ok":{"highest":7}}"#;
    expect(&mut client, r#"{"type": "bid", "ref": 1, "amount": 7}"#, &["bid of 7", taken]).await;
    let low = r#"{"ref":"a","error":{"code":"too_low","highest":7}}"#;
    expect(&mut client, r#"{"ref": "a", "type": "bid", "amount": 7}"#, &["bid of 7", low]).await;
    let exact = r#"{"ref":1.50e2,"ok":{"highest":8}}"#;
    expect(&mut client, r#"{"type": "bid_now", "amount": 8, "ref":   1.50e2}"#, &[exact]).await;
    expect(&mut client, r#"{"type": "highest", "ref": "\u00e9\"\u0000"}"#, &[r#"{"ref":"\u00e9\"\u0000","ok":8}"#])
        .await;
    expect(
        &mut client,
        r#"{"type": "maybe", "ref": 18446744073709551616}"#,
        &[r#"{"ref":18446744073709551616,"ok":8}"#],
    )
    .await;
    expect(&mut client, r#"{"type": "acknowledge", "ref": ""}"#, &[r#"{"ref":"","ok":null}"#]).await;
    // The same reference again is the affair of the client.
    expect(&mut client, r#"{"type": "acknowledge", "ref": ""}"#, &[r#"{"ref":"","ok":null}"#]).await;
    stop(server, client).await;
}

async fn command_without_reference_sends_nothing_more(front: Front) {
    let (server, mut client) = start(front).await;
    for command in [
        r#"{"type": "acknowledge"}"#,
        r#"{"type": "acknowledge", "ref": null}"#,
        r#"{"type": "bid_now", "amount": 7}"#,
        r#"{"type": "bid_now", "amount": 7}"#,
        r#"{"type": "highest"}"#,
        r#"{"type": "maybe"}"#,
    ] {
        say(&mut client, command).await;
    }
    expect(&mut client, r#"{"type": "bid", "amount": 7}"#, &["bid of 7"]).await;
    // A command that does not answer has no reference.
    expect(&mut client, r#"{"type": "note", "ref": "a"}"#, &[r#"noted Some("a")"#]).await;
    expect(&mut client, r#"{"type": "note"}"#, &["noted None"]).await;
    stop(server, client).await;
}

async fn malformed_command_is_answered_with_its_reference(front: Front) {
    let (server, mut client) = start(front).await;
    for (command, answer) in [
        (
            r#"{"type": "bid", "ref": 1}"#,
            r#"{"ref":1,"error":{"code":"malformed_command","message":"command `bid` is malformed at `amount`: missing field `amount` at line 1 column 25"}}"#,
        ),
        (
            r#"{"type": "bdi", "ref": "1"}"#,
            r#"{"ref":"1","error":{"code":"unknown_command","message":"there is no command `bdi`"}}"#,
        ),
        (
            r#"{"ref": 1}"#,
            r#"{"ref":1,"error":{"code":"no_command","message":"the frame does not name a command: expected a JSON object with the field `type`"}}"#,
        ),
        (
            r#"{"type": "bid", "ref": true, "amount": 1}"#,
            r#"{"error":{"code":"malformed_command","message":"command `bid` is malformed at `ref`: it is repeated in the answer, and must be a string or a number of at most 64 bytes"}}"#,
        ),
        (
            r#"{"type": "note", "ref": 7}"#,
            r#"{"ref":7,"error":{"code":"malformed_command","message":"command `note` is malformed at `ref`: invalid type: integer `7`, expected a string at line 1 column 25"}}"#,
        ),
        (r#"{"type": "bdi"}"#, r#"{"error":{"code":"unknown_command","message":"there is no command `bdi`"}}"#),
    ] {
        expect(&mut client, command, &[answer]).await;
    }
    stop(server, client).await;
}

/// A large frame is decoded on another thread.
async fn large_command_is_answered(front: Front) {
    let (server, mut client) = start(front).await;
    let command = json!({"type": "bid_now", "ref": 1, "amount": 7, "note": "x".repeat(32 * 1024)});
    expect(&mut client, &command.to_string(), &[r#"{"ref":1,"ok":{"highest":7}}"#]).await;
    stop(server, client).await;
}

#[tokio::test]
async fn error_that_is_not_an_answer_closes_connection() {
    for (command, error) in [
        (r#"{"type": "highest", "ref": 1}"#, "there is no bid"),
        (r#"{"type": "maybe", "ref": 1}"#, "the database is away"),
    ] {
        let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
        let (server, mut client) = start(Front::Ours).await;
        say(&mut client, command).await;
        let Message::Close(Some(frame)) = next(&mut client).await else { panic!("the connection is closed") };
        assert_eq!(u16::from(frame.code), 1011);
        stop(server, client).await;
        assert!(log.text().contains(error), "{}", log.text());
    }
}

#[tokio::test]
async fn answer_after_close_is_dropped_without_error() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    let (server, mut client) = start(Front::Ours).await;
    say(&mut client, r#"{"type": "leave", "ref": 1}"#).await;
    let Message::Close(Some(frame)) = next(&mut client).await else { panic!("the connection is closed") };
    assert_eq!(u16::from(frame.code), 1000);
    server.stop().await;
    assert!(!log.text().contains("a handler failed"), "{}", log.text());
}

/// All names differ from the defaults.
#[derive(Default)]
struct Renamed;

#[consumer(tag = "method", ref = "id", ok = "result", error = "failure")]
impl Renamed {
    #[receive("double")]
    async fn double(&mut self, _cx: &mut Context<Self>, command: Double) -> Result<u32, &'static str> {
        command.r#ref.checked_mul(2).ok_or("too large")
    }

    #[receive(_)]
    async fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) -> Result<()> {
        cx.send_json(&json!({"reference": error.reference()})).await?;
        cx.refuse(&error).await
    }
}

/// Has a field of the default name.
#[derive(Deserialize)]
struct Double {
    r#ref: u32,
}

#[tokio::test]
async fn fields_of_answer_have_names_of_consumer() -> Result<(), CommunicatorError> {
    let channels = Channels::builder().build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Renamed>(warp::path!("ws")), "/ws");
    client.connect().await?;
    for (command, frames) in [
        (json!({"method": "double", "id": 1, "ref": 4}), vec![r#"{"id":1,"result":8}"#]),
        (json!({"method": "double", "id": 2, "ref": u32::MAX}), vec![r#"{"id":2,"failure":"too large"}"#]),
        (
            json!({"method": "triple", "id": 1.5}),
            vec![
                r#"{"reference":1.5}"#,
                r#"{"id":1.5,"failure":{"code":"unknown_command","message":"there is no command `triple`"}}"#,
            ],
        ),
    ] {
        client.send_json_to(&command).await?;
        for frame in frames {
            assert_eq!(client.receive_text_from().await?, frame);
        }
    }
    Ok(())
}

/// A command that answers, and whose payload has a field with the name of the reference.
#[derive(Default)]
struct Hidden;

#[consumer]
impl Hidden {
    #[receive("note")]
    async fn note(&mut self, _cx: &mut Context<Self>, note: Note) -> Result<Option<String>> {
        Ok(note.r#ref)
    }
}

#[test]
fn route_of_command_whose_payload_has_reference_panics() {
    let channels = Channels::builder().build().unwrap();
    let route = std::panic::AssertUnwindSafe(|| drop(channels.route::<Hidden>(warp::path!("ws"))));
    let panic = std::panic::catch_unwind(route).expect_err("the field would be the reference");
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.starts_with("the command \"note\" of consumer `Hidden` answers, so its field \"ref\" is the reference"),
        "{message}"
    );
    assert!(message.contains("answers::Note` has a field of that name"), "{message}");
}

#[test]
fn consumer_info_shows_which_commands_answer() {
    use channels_runtime::Consumer;
    let answers: Vec<_> = Auction::INFO.commands.iter().map(|command| (command.name, command.answers)).collect();
    let silent: Vec<_> = answers.iter().filter(|(_, answers)| !answers).map(|(name, _)| *name).collect();
    assert_eq!((answers.len(), silent), (7, vec!["note"]));
    let fields = Renamed::INFO.answer;
    assert_eq!((fields.reference, fields.ok, fields.error), ("id", "result", "failure"));
}
