//! Tickets: which of them let a client join, and what the client hears otherwise.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use channels_runtime::auth::{Jwt, TicketKeys};
use channels_runtime::error::TicketError;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use crate::support::app::user_or_nobody;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OLD_SECRET: &str = "the-secret-of-last-year-with-32-bytes";
const MINUTE: Duration = Duration::from_secs(60);

#[event("chat.line")]
struct ChatLine {
    text: String,
}

#[derive(Debug)]
#[group("room-{id}", events(ChatLine))]
struct Room {
    id: u64,
}

#[group("chat_{name}", events(ChatLine))]
struct Chat {
    name: String,
}

#[derive(Clone)]
struct User {
    id: u64,
}

struct RoomConsumer {
    user: Option<u64>,
}

#[derive(Deserialize)]
struct Join {
    ticket: String,
}

#[consumer]
impl RoomConsumer {
    /// A user joins with commands. An anonymous client shows a ticket in its query, or joins nothing.
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let user = cx.user::<User>().map(|user| user.id);
        if let (None, Some(ticket)) = (user, cx.scope().bearer_token().map(str::to_owned)) {
            let ticket = cx.ticket::<Room>(&ticket)?;
            cx.group_add(&ticket.group).await?;
            cx.send_text(format!("{} in {}", ticket.user, ticket.group.id)).await?;
        }
        Ok(Self { user })
    }

    #[receive("join")]
    async fn join(&mut self, cx: &mut Context<Self>, command: Join) -> Result<()> {
        let room = cx.group_add_ticket::<Room>(&command.ticket, self.user.unwrap_or_default()).await?;
        cx.send_text(format!("joined {}", room.id)).await
    }

    #[receive("check")]
    fn check(&mut self, cx: &mut Context<Self>, command: Join) -> Result<u64, TicketError> {
        let room = cx.ticket::<Room>(&command.ticket)?.for_user(self.user.unwrap_or_default())?;
        Ok(room.id)
    }

    #[handler("chat.line")]
    fn chat_line(event: &ChatLine) -> String {
        event.text.clone()
    }
}

fn keys() -> TicketKeys {
    TicketKeys::new(SECRET).unwrap().and_verify(OLD_SECRET).unwrap()
}

fn channels() -> Channels {
    let builder = Channels::builder().token_parameter("ticket").authenticator(user_or_nobody(User { id: 7 }));
    builder.tickets(keys()).build().unwrap()
}

fn client(channels: &Channels, query: &str) -> WebsocketCommunicator {
    WebsocketCommunicator::new(channels.route::<RoomConsumer>(warp::path!("ws")), format!("/ws{query}"))
}

fn ticket(id: u64, user: impl std::fmt::Display) -> String {
    keys().ticket(&Room { id }, user, MINUTE).unwrap()
}

/// Signs claims as another program may do it.
fn signed(secret: &str, head: &Value, claims: &Value) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(head), encoded(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn hs256() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

fn claims() -> Value {
    json!({"aud": "channels.ticket", "group": "room-3", "sub": "7", "exp": 4_102_444_800_u64})
}

/// Returns claims with another value of one of them, or without it.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => _ = claims.as_object_mut().unwrap().remove(name),
        value => claims[name] = value,
    }
    claims
}

#[test]
fn ticket_is_valid_for_its_group_user_and_time() {
    use TicketError::{Expired, NotATicket, OtherGroup, OtherUser, Signature};

    let verify = |text: &str| keys().verify::<Room>(text);
    let found = verify(&ticket(3, "ann")).unwrap();
    assert_eq!((found.group.id, &*found.user), (3, "ann"));
    assert_eq!(verify(&signed(SECRET, &hs256(), &claims())).unwrap().for_user(7).unwrap().id, 3);
    assert_eq!(verify(&signed(OLD_SECRET, &hs256(), &claims())).unwrap().user, "7", "a key that only verifies");
    assert_eq!(verify(&ticket(3, 7)).unwrap().for_user(8).unwrap_err(), OtherUser);
    assert_eq!(verify(&ticket(3, 7)).unwrap().for_user("07").unwrap_err(), OtherUser);

    let good = ticket(3, 7);
    let [head, body, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let other_body = URL_SAFE_NO_PAD.encode(with("group", json!("room-4")).to_string());
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
    let other_group = keys().ticket(&Chat { name: "lobby".into() }, 7, MINUTE).unwrap();
    for (text, reason) in [
        (String::new(), NotATicket),
        ("a.b.c".to_owned(), NotATicket),
        ("x".repeat(1 << 20), NotATicket),
        (format!("{head}.{body}"), NotATicket),
        (format!("{head}.{other_body}.{signature}"), Signature),
        (format!("{head}.{body}."), Signature),
        (format!("{none}.{body}."), NotATicket),
        (format!("{none}.{body}.{signature}"), NotATicket),
        (signed(SECRET, &json!({"alg": "HS384"}), &claims()), Signature),
        (signed(SECRET, &json!({"alg": "HS256", "crit": ["x"]}), &claims()), NotATicket),
        (signed("another-secret-that-is-long-enough!", &hs256(), &claims()), Signature),
        (signed(SECRET, &hs256(), &with("exp", json!(1_700_000_000))), Expired),
        (signed(SECRET, &hs256(), &with("exp", Value::Null)), Expired),
        (other_group, OtherGroup),
        (signed(SECRET, &hs256(), &with("group", json!("room-"))), OtherGroup),
        (signed(SECRET, &hs256(), &with("group", json!("room-007"))), OtherGroup),
        (signed(SECRET, &hs256(), &with("group", Value::Null)), NotATicket),
        (signed(SECRET, &hs256(), &with("sub", Value::Null)), NotATicket),
        // A login of the same key.
        (signed(SECRET, &hs256(), &with("aud", Value::Null)), NotATicket),
        (signed(SECRET, &hs256(), &with("aud", json!("other"))), NotATicket),
        (signed(SECRET, &hs256(), &json!({"sub": "7", "exp": 4_102_444_800_u64})), NotATicket),
    ] {
        assert_eq!(verify(&text).map(|ticket| ticket.user).unwrap_err(), reason, "{}", &text[..text.len().min(300)]);
    }
    let login = Jwt::hs256(SECRET).unwrap();
    assert!(login.verify::<Value>(&good).is_err(), "a ticket is not a login");
}

#[test]
fn short_secret_is_refused_and_none_is_in_debug() {
    for short in ["", &SECRET[..31]] {
        let error = TicketKeys::new(short).unwrap_err().to_string();
        assert!(error.starts_with("the secret of tickets"), "{error}");
        assert!(keys().and_verify(short).is_err());
    }
    assert!(!format!("{:?}", keys()).contains(SECRET));
    let too_long = Chat { name: "x".repeat(99) };
    assert!(keys().ticket(&too_long, 7, MINUTE).is_err());
}

#[tokio::test]
async fn user_joins_with_a_ticket() {
    let channels = channels();
    let mut client = client(&channels, "");
    client.connect().await.unwrap();
    client.send_json_to(&json!({"type": "join", "ticket": ticket(3, 7)})).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "joined 3");
    channels.channel_layer().group_send(&Room { id: 3 }, &ChatLine { text: "hello".into() }).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "hello");
    assert_eq!(channels.stats().connections.tickets_refused, 0);
}

#[tokio::test]
async fn ticket_of_another_user_closes_with_policy() {
    let channels = channels();
    let mut client = client(&channels, "");
    client.connect().await.unwrap();
    client.send_json_to(&json!({"type": "join", "ticket": ticket(3, 8)})).await.unwrap();
    let close = client.receive_close().await.unwrap();
    assert_eq!(close, (CloseCode::POLICY, "the ticket is for another user".to_owned()));
    assert_eq!(channels.stats().connections.tickets_refused, 1);
    assert_eq!(channels.inspect().layer.groups, 0);
}

#[tokio::test]
async fn refused_ticket_can_be_an_answer() {
    let channels = channels();
    let mut client = client(&channels, "");
    client.connect().await.unwrap();
    client.send_json_to(&json!({"type": "check", "ticket": ticket(3, 7), "ref": 1})).await.unwrap();
    assert_eq!(client.receive_json_from::<Value>().await.unwrap(), json!({"ref": 1, "ok": 3}));
    let expired = signed(SECRET, &hs256(), &with("exp", json!(1)));
    client.send_json_to(&json!({"type": "check", "ticket": expired, "ref": 2})).await.unwrap();
    let error = json!({"code": "expired", "message": "the ticket has expired; get another one"});
    assert_eq!(client.receive_json_from::<Value>().await.unwrap(), json!({"ref": 2, "error": error}));
}

#[tokio::test]
async fn anonymous_client_shows_its_ticket_in_the_query() {
    let channels = channels();
    let mut anonymous = client(&channels, &format!("?ticket={}", ticket(3, "ann"))).header("x-nobody", "1");
    anonymous.connect().await.unwrap();
    assert_eq!(anonymous.receive_text_from().await.unwrap(), "ann in 3");
    for (text, status) in
        [("nonsense".to_owned(), 401), (keys().ticket(&Chat { name: "a".into() }, 7, MINUTE).unwrap(), 403)]
    {
        let mut refused = client(&channels, &format!("?ticket={text}")).header("x-nobody", "1");
        let error = refused.connect().await.unwrap_err().to_string();
        assert!(error.contains(&status.to_string()), "{error}");
    }
    assert_eq!(channels.stats().connections.tickets_refused, 2);
}

#[tokio::test]
async fn application_without_keys_accepts_no_ticket() {
    let channels = Channels::builder().token_parameter("ticket").build().unwrap();
    let mut refused = client(&channels, &format!("?ticket={}", ticket(3, "ann"))).header("x-nobody", "1");
    let error = refused.connect().await.unwrap_err().to_string();
    assert!(error.contains("500"), "{error}");
}
