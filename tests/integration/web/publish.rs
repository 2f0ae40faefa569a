//! Publishing over HTTP: what a backend may send, and the response to everything else.

use axum::Router;
use channels_runtime::layer::{Channel, LayerConfig};
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use channels_runtime::web::{Publish, PublishBuilder};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::support::app::{Front, Server, on_both_servers};
use crate::support::client::send_request;
use crate::support::layers::{next_event, pubsub};

pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NEW_SECRET: &str = "another-secret-with-enough-bytes-for-it";

#[event("order.paid")]
pub(super) struct OrderPaid {
    pub(super) amount: u32,
    pub(super) note: Option<String>,
}

#[event("order.closed")]
struct OrderClosed {}

#[group("order-{id}", events(OrderPaid))]
pub(super) struct Order {
    pub(super) id: u64,
}

#[group("shop_{city}_{id}", events(OrderClosed), history(size = 10, ttl = "10m"))]
struct Shop {
    city: String,
    id: u8,
}

#[derive(Default)]
struct OrderConsumer;

#[consumer]
impl OrderConsumer {
    #[handler("order.closed")]
    fn order_closed(&mut self, _cx: &mut Context<Self>, event: &OrderClosed) {
        _ = event;
    }
}

pub(super) fn publish() -> PublishBuilder {
    Publish::builder().secret(SECRET).group::<Order>().group::<Shop>().consumer::<OrderConsumer>()
}

pub(super) async fn start(front: Front, channels: &Channels, publish: PublishBuilder) -> Server {
    let publish = publish.build().unwrap();
    match front {
        Front::Ours => Server::start(channels, channels.publish(publish)).await,
        Front::Axum => Server::start_axum(channels, Router::new().publish(channels, publish)).await,
    }
}

/// A response: its status, its head and its JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(super) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
}

/// Sends a body with these header lines, each with a `\n` at its end.
pub(super) async fn post_with(server: &Server, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!("POST /publish HTTP/1.1\nHost: x\nConnection: close\nContent-Length: {length}\n{headers}\n");
    // The line ends of the body stay.
    let response = send_request(server.address, &(request + body)).await;
    let (status, head) = (response.status, response.head.clone());
    let body = response.body().await;
    let body = serde_json::from_str(&body).unwrap_or_else(|_| panic!("not JSON: {head}{body}"));
    Answer { status, head, body }
}

pub(super) fn bearer(secret: &str) -> String {
    format!("Authorization: Bearer {secret}\nContent-Type: application/json\n")
}

pub(super) async fn post(server: &Server, body: &Value) -> Answer {
    post_with(server, &bearer(SECRET), &body.to_string()).await
}

pub(super) fn paid(amount: u32) -> Value {
    json!({"group": "order-7", "event": {"type": "order.paid", "amount": amount}})
}

/// Returns a member of the group `order-7`.
pub(super) async fn member(layer: &ChannelLayer) -> Channel {
    let member = layer.new_channel().await.unwrap();
    layer.group_add(&Order { id: 7 }, member.name()).await.unwrap();
    member
}

/// Returns the amounts of the next events.
async fn amounts<const N: usize>(member: &Channel) -> [u32; N] {
    let mut amounts = [0; N];
    for amount in &mut amounts {
        *amount = next_event(member).await.decode::<OrderPaid>().unwrap().amount;
    }
    amounts
}

/// Returns the header lines of a request that was signed this many seconds ago.
pub(super) fn signed(secret: &str, age: i64, body: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let timestamp = format!("{}.{:09}", now.as_secs().cast_signed() - age, now.subsec_nanos());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("channels-publish-v1:{timestamp}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("Channels-Timestamp: {timestamp}\nChannels-Signature: v1={hex}\nContent-Type: application/json\n")
}

on_both_servers!(
    message_reaches_the_members_of_its_group,
    wrong_message_is_refused_with_a_sentence,
    batch_is_sent_as_a_whole_or_not_at_all,
    malformed_request_is_refused,
    request_without_the_secret_is_refused,
    signed_request_is_accepted_once,
    signed_request_of_one_route_is_refused_by_another,
    second_secret_is_accepted,
    channel_receives_what_its_consumer_handles,
    idempotency_key_sends_once,
);

async fn message_reaches_the_members_of_its_group(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish()).await;
    let member = member(&channels.channel_layer()).await;
    let answer = post(&server, &paid(12)).await;
    assert_eq!((answer.status, &answer.body), (202, &json!({"sent": 1})), "{answer:?}");
    assert!(answer.head.to_lowercase().contains("cache-control: no-store"), "{answer:?}");
    assert_eq!(amounts(&member).await, [12]);
    let shop = json!({"group": "shop_new_york_3", "event": {"type": "order.closed"}});
    assert_eq!(post(&server, &shop).await.status, 202);
    let shop = Shop { city: "new_york".into(), id: 3 };
    assert_eq!(channels.channel_layer().history(&shop).await.unwrap().len(), 1, "the group keeps the event");
    let stats = channels.stats().publish;
    assert_eq!((stats.accepted, stats.messages, stats.wrong), (2, 2, 0));
}

async fn wrong_message_is_refused_with_a_sentence(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish()).await;
    let event = || json!({"type": "order.paid", "amount": 1});
    for (message, status, code, part) in [
        (
            json!({"group": "room-7", "event": event()}),
            404,
            "unknown_group",
            "the groups are `order-{id}`, `shop_{city}_{id}`",
        ),
        (json!({"group": "order-x", "event": event()}), 404, "unknown_group", "not a value of `id` in `order-{id}`"),
        (json!({"group": "order-007", "event": event()}), 404, "unknown_group", "`order-007`"),
        (json!({"group": "order-", "event": event()}), 404, "unknown_group", "`id`"),
        (json!({"group": "", "event": event()}), 404, "unknown_group", "the groups are"),
        (json!({"group": "g".repeat(5000), "event": event()}), 404, "unknown_group", "the groups are"),
        (
            json!({"group": "order-7", "event": {"type": "order.closed"}}),
            422,
            "unknown_event",
            "it carries `order.paid`",
        ),
        (json!({"group": "order-7", "event": {"type": "order.paid"}}), 422, "wrong_field", "missing field `amount`"),
        (
            json!({"group": "order-7", "event": {"type": "order.paid", "amount": "x"}}),
            422,
            "wrong_field",
            "at `amount`",
        ),
        (json!({"group": "order-7", "event": {"type": "order.paid", "amount": -1}}), 422, "wrong_field", "at `amount`"),
        (
            json!({"group": "order-7", "event": {"type": "order.paid", "amount": 1, "nota": "x"}}),
            422,
            "unknown_field",
            "no field `nota`; its fields are `amount`, `note`",
        ),
        (json!({"group": "order-7", "event": {"amount": 1}}), 422, "wrong_field", "missing field `type`"),
        (json!({"group": "order-7", "event": {"type": 7}}), 422, "wrong_field", "at `type`"),
        (json!({"group": "order-7", "event": "order.paid"}), 422, "not_an_event", "write `\"event\""),
        (json!({"group": "order-7"}), 422, "not_a_message", "at `event`"),
        (json!({"event": event()}), 422, "no_target", "either a `group`, a `channel`"),
        (json!({"group": "order-7", "channel": "a", "event": event()}), 422, "no_target", "either"),
        (json!({"grup": "order-7", "event": event()}), 422, "not_a_message", "grup"),
        (json!({"group": 7, "event": event()}), 422, "not_a_message", "at `group`"),
        (json!([1]), 422, "not_a_message", "write `{\"group\""),
        (json!({"messages": []}), 422, "empty", "at least one message"),
        (json!({"messages": {}}), 422, "not_a_message", "at `messages`"),
        (json!({"messages": [], "group": "order-7"}), 422, "not_a_message", "group"),
    ] {
        let answer = post(&server, &message).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{message}: {answer:?}");
        assert!(answer.message().contains(part), "{part}: {answer:?}");
        assert!(answer.message().len() < 1100, "{answer:?}");
    }
    let answer = post(&server, &json!({"group": "order-7", "event": {"type": "order.paid", "amount": "x"}})).await;
    assert_eq!(answer.body["error"]["field"], "amount");
    assert_eq!(channels.stats().publish.wrong, 24);
    assert_eq!(channels.stats().publish.messages, 0);

    let lenient = start(front, &channels, publish().ignore_unknown_fields()).await;
    let newer = json!({"group": "order-7", "event": {"type": "order.paid", "amount": 1, "currency": "EUR"}});
    assert_eq!(post(&lenient, &newer).await.status, 202);
}

async fn batch_is_sent_as_a_whole_or_not_at_all(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish()).await;
    let member = member(&channels.channel_layer()).await;
    let wrong = json!({"group": "order-7", "event": {"type": "order.paid"}});
    let unknown = json!({"group": "room-7", "event": {"type": "order.paid"}});
    let answer = post(&server, &json!({"messages": [paid(1), wrong, unknown]})).await;
    assert_eq!((answer.status, answer.code()), (422, "batch"));
    assert!(answer.message().starts_with("2 of 3 messages are wrong, and nothing was sent"), "{answer:?}");
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(results[0], json!({"sent": false}));
    assert_eq!(
        (&results[1]["error"]["code"], &results[1]["error"]["field"]),
        (&json!("wrong_field"), &json!("amount"))
    );
    assert_eq!(results[2]["error"]["code"], "unknown_group");

    let many = json!({"messages": (2..1002).map(paid).collect::<Vec<_>>()});
    let shop = json!({"group": "shop_rome_3", "event": {"type": "order.closed"}});
    let answer = post(&server, &json!({"messages": [paid(2), shop, paid(3)]})).await;
    assert_eq!((answer.status, &answer.body), (202, &json!({"sent": 3})));
    assert_eq!(amounts(&member).await, [2, 3], "nothing of the wrong batch, and the order of the right one");
    assert_eq!(post(&server, &many).await.body, json!({"sent": 1000}));
    let answer = post(&server, &json!({"messages": vec![paid(1); 1001]})).await;
    assert_eq!((answer.status, answer.code()), (422, "not_a_message"));
    assert!(answer.message().contains("at most 1000 messages"), "{answer:?}");
}

async fn malformed_request_is_refused(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish().body_limit(500)).await;
    let good = paid(1).to_string();
    for (body, status, code) in [
        ("", 400, "not_json"),
        ("{", 400, "not_json"),
        ("\u{0}", 400, "not_json"),
        ("{\"group\": \"order-7\", \"event\": {\"type\": \"order.paid\", \"amount\": 1}} x", 400, "not_json"),
        ("{\"group\": \"order-7\", \"event\": {\"type\": \"order.paid\", \"type\": \"a\"}}", 422, "wrong_field"),
        ("{\"group\": \"a\", \"group\": \"order-7\", \"event\": {}}", 422, "not_a_message"),
        ("{\"messages\": [], \"messages\": []}", 422, "not_a_message"),
        ("null", 422, "not_a_message"),
        (&"[".repeat(400), 400, "not_json"),
        (&format!("{good}{}", " ".repeat(500)), 413, "too_large"),
    ] {
        let answer = post_with(&server, &bearer(SECRET), body).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{body}: {answer:?}");
    }
    for content in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let headers = format!("Authorization: Bearer {SECRET}\nContent-Type: {content}\n");
        assert_eq!(post_with(&server, &headers, &good).await.status, 415, "{content}");
    }
    let compressed = format!("{}Content-Encoding: gzip\n", bearer(SECRET));
    assert_eq!(post_with(&server, &compressed, &good).await.status, 415);
    let charset = format!("Authorization: Bearer {SECRET}\nContent-Type: Application/JSON; charset=utf-8\n");
    assert_eq!(post_with(&server, &charset, &good).await.status, 202);
    // Without a length, the limit applies to what arrives.
    let chunk = "x".repeat(300);
    let chunks = format!("12c\n{chunk}\n12c\n{chunk}\n0\n\n");
    let chunked = format!(
        "POST /publish HTTP/1.1\nHost: x\nConnection: close\n{}Transfer-Encoding: chunked\n\n{chunks}",
        bearer(SECRET)
    );
    assert_eq!(send_request(server.address, &chunked).await.status, 413);
    let get = send_request(server.address, "GET /publish HTTP/1.1\nHost: x\nConnection: close\n\n").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(channels.stats().publish.messages, 1);
}

async fn request_without_the_secret_is_refused(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish()).await;
    let good = paid(1).to_string();
    let json = "Content-Type: application/json\n";
    for headers in [
        String::new(),
        format!("Authorization: Bearer {}\n", &SECRET[..31]),
        format!("Authorization: Bearer {SECRET}x\n"),
        format!("Authorization: Bearer {}\n", SECRET.to_uppercase()),
        "Authorization: Bearer\n".to_owned(),
        format!("Authorization: Basic {SECRET}\n"),
        format!("Authorization: Bearer x\nAuthorization: Bearer {SECRET}\n"),
        // A browser of a user of the site.
        "Origin: https://example.org\nCookie: sessionid=abc\n".to_owned(),
    ] {
        let answer = post_with(&server, &format!("{headers}{json}"), &good).await;
        assert_eq!(answer.status, 401, "{headers}: {answer:?}");
        let head = answer.head.to_lowercase();
        assert!(head.contains("www-authenticate: bearer") && !head.contains("access-control"), "{answer:?}");
        assert!(!answer.body.to_string().contains(SECRET));
    }
    assert_eq!(channels.stats().publish.unauthorized, 8);
    let preflight = "OPTIONS /publish HTTP/1.1\nHost: x\nOrigin: https://example.org\nConnection: close\n\n";
    assert_eq!(send_request(server.address, preflight).await.status, 405);
}

async fn signed_request_is_accepted_once(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish()).await;
    let good = paid(1).to_string();
    let headers = signed(SECRET, 0, &good);
    assert_eq!(post_with(&server, &headers, &good).await.status, 202);
    let answer = post_with(&server, &headers, &good).await;
    assert_eq!((answer.status, answer.code()), (409, "replayed"), "{answer:?}");
    let upper = headers.to_uppercase().replace("V1=", "v1=").replace("APPLICATION/JSON", "application/json");
    assert_eq!(post_with(&server, &upper, &good).await.code(), "replayed", "the digits are the same");
    let again = signed(SECRET, 0, &good);
    assert_eq!(post_with(&server, &again, &good).await.status, 202, "the same message may be sent again");
    for (headers, body, code) in [
        (signed(SECRET, 301, &good), &*good, "wrong_time"),
        (signed(SECRET, -70, &good), &good, "wrong_time"),
        (signed("another-secret-that-is-long-enough", 0, &good), &good, "wrong_signature"),
        (signed(SECRET, 0, &good), &paid(2).to_string(), "wrong_signature"),
        (signed(SECRET, 0, &good).replace("v1=", "v2="), &good, "no_signature"),
        (signed(SECRET, 0, &good).replace("Channels-Timestamp", "X-Other"), &good, "no_timestamp"),
        // The bearer secret does not help a request with a wrong signature.
        (format!("{}Channels-Timestamp: 7\n", bearer(SECRET)), &good, "no_signature"),
    ] {
        let answer = post_with(&server, &headers, body).await;
        assert_eq!((answer.status, answer.code()), (401, code), "{headers}: {answer:?}");
    }
    let stats = channels.stats().publish;
    assert_eq!((stats.accepted, stats.replayed, stats.unauthorized), (2, 2, 7));
}

async fn signed_request_of_one_route_is_refused_by_another(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let publish = publish().build().unwrap();
    let start = async || match front {
        Front::Ours => Server::start(&channels, channels.publish(publish.clone())).await,
        Front::Axum => Server::start_axum(&channels, Router::new().publish(&channels, publish.clone())).await,
    };
    let (one, other) = (start().await, start().await);
    let good = paid(1).to_string();
    let headers = signed(SECRET, 0, &good);
    assert_eq!(post_with(&one, &headers, &good).await.status, 202);
    assert_eq!(post_with(&other, &headers, &good).await.code(), "replayed");
}

async fn second_secret_is_accepted(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish().secret(NEW_SECRET)).await;
    let good = paid(1).to_string();
    for headers in [bearer(SECRET), bearer(NEW_SECRET), signed(SECRET, 0, &good), signed(NEW_SECRET, 0, &good)] {
        assert_eq!(post_with(&server, &headers, &good).await.status, 202, "{headers}");
    }
}

async fn channel_receives_what_its_consumer_handles(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish()).await;
    let reader = channels.channel_layer().new_channel().await.unwrap();
    let name = reader.name().as_str();
    let answer = post(&server, &json!({"channel": name, "event": {"type": "order.closed"}})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(next_event(&reader).await.event_name(), "order.closed");
    let answer = post(&server, &json!({"channel": name, "event": {"type": "order.paid", "amount": 1}})).await;
    assert_eq!((answer.status, answer.code()), (422, "unknown_event"), "{answer:?}");
    assert!(answer.message().contains("they handle `order.closed`"), "{answer:?}");
    let answer = post(&server, &json!({"channel": "not a name", "event": {"type": "order.closed"}})).await;
    assert_eq!((answer.status, answer.code()), (404, "unknown_channel"), "{answer:?}");

    let groups_only = start(front, &channels, Publish::builder().secret(SECRET).group::<Order>()).await;
    let answer = post(&groups_only, &json!({"channel": name, "event": {"type": "order.closed"}})).await;
    assert_eq!((answer.status, answer.code()), (404, "no_consumers"), "{answer:?}");
}

async fn idempotency_key_sends_once(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels, publish()).await;
    let member = member(&channels.channel_layer()).await;
    let with_key = |key: &str| format!("{}Idempotency-Key: {key}\n", bearer(SECRET));
    let (first, second) = (paid(1).to_string(), paid(2).to_string());
    for _ in 0..3 {
        let answer = post_with(&server, &with_key("a"), &first).await;
        assert_eq!((answer.status, &answer.body), (202, &json!({"sent": 1})), "{answer:?}");
    }
    let answer = post_with(&server, &with_key("a"), &second).await;
    assert_eq!((answer.status, answer.code()), (422, "other_body"), "{answer:?}");
    assert_eq!(post_with(&server, &with_key("b"), &second).await.status, 202);
    assert_eq!(amounts(&member).await, [1, 2]);
    // The key of a request that was refused is free for the corrected one.
    assert_eq!(post_with(&server, &with_key("c"), "{}").await.status, 422);
    assert_eq!(post_with(&server, &with_key("c"), &first).await.status, 202);
    for wrong in ["", &"k".repeat(256), "a\nIdempotency-Key: b"] {
        let answer = post_with(&server, &with_key(wrong), &first).await;
        assert_eq!((answer.status, answer.code()), (400, "malformed_key"), "{answer:?}");
    }
    let stats = channels.stats().publish;
    assert_eq!((stats.accepted, stats.repeated, stats.messages), (3, 2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_process_hears_what_is_published() {
    let two = pubsub(LayerConfig::default()).await;
    let channels = Channels::builder().layer(two.here.clone()).build().unwrap();
    let server = start(Front::Ours, &channels, publish()).await;
    let member = member(&two.there).await;
    let messages: Vec<Value> = (1..=3).map(paid).collect();
    assert_eq!(post(&server, &json!({"messages": messages})).await.status, 202);
    assert_eq!(amounts(&member).await, [1, 2, 3]);
    two.there.send_raw(member.name().as_str(), json!({"type": "end"})).await.unwrap();
    assert_eq!(next_event(&member).await.event_name(), "end");
}
