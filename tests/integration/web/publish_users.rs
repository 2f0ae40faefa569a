//! Publishing over HTTP to a user: a backend closes the user's connections.

use channels_runtime::auth::Login;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::web::Publish;

use super::publish::{SECRET, post, publish, start};
use crate::support::app::{Front, on_both_servers};

#[derive(Default)]
struct AccountConsumer;

#[consumer]
impl AccountConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(text).await
    }
}

fn channels() -> Channels {
    let by_cookie = |scope: Scope| {
        let login = scope.cookie("user").map_or_else(Login::anonymous, |id| Login::new(()).key(id));
        std::future::ready(Ok::<_, Reject>(login))
    };
    Channels::builder().authenticator(by_cookie).build().unwrap()
}

async fn client(channels: &Channels, cookie: &str) -> WebsocketCommunicator {
    let route = channels.route::<AccountConsumer>(warp::path!("ws"));
    let mut client = WebsocketCommunicator::new(route, "/ws").header("cookie", cookie);
    client.connect().await.unwrap();
    client
}

on_both_servers!(backend_closes_the_connections_of_a_user, wrong_message_for_a_user_is_refused);

async fn backend_closes_the_connections_of_a_user(front: Front) {
    let channels = channels();
    let server = start(front, &channels, Publish::builder().secret(SECRET).users()).await;
    let (mut ann, mut ann_too) = (client(&channels, "user=42").await, client(&channels, "user=42").await);
    let mut bob = client(&channels, "user=4").await;
    let blocked = json!({"user": 42, "event": {"type": "user.close", "code": 4001, "reason": "blocked"}});
    let answer = post(&server, &blocked).await;
    assert_eq!((answer.status, &answer.body), (202, &json!({"sent": 1})), "{answer:?}");
    for client in [&mut ann, &mut ann_too] {
        let (code, reason) = client.receive_close().await.unwrap();
        assert_eq!((code.as_u16(), reason.as_str()), (4001, "blocked"));
    }
    bob.send_to("still here").await.unwrap();
    assert_eq!(bob.receive_text_from().await.unwrap(), "still here");

    // The code and the reason can be left out, and a key can be any text.
    let messages = json!({"messages": [
        {"user": "4", "event": {"type": "user.close"}},
        {"user": "nobody: ä", "event": {"type": "user.close"}},
    ]});
    assert_eq!(post(&server, &messages).await.status, 202);
    assert_eq!(bob.receive_close().await.unwrap().0, CloseCode::UNAUTHORIZED);
    assert_eq!(channels.stats().connections.user_closed, 3);
}

async fn wrong_message_for_a_user_is_refused(front: Front) {
    let channels = channels();
    let server = start(front, &channels, Publish::builder().secret(SECRET).users()).await;
    let close = || json!({"type": "user.close"});
    for (message, code, part) in [
        (json!({"user": "42", "event": {"type": "order.paid"}}), "unknown_event", "\"user.close\""),
        (json!({"user": "42", "event": {"type": "user.close", "code": 1006}}), "wrong_field", "at `code`: 1006 is not"),
        (json!({"user": "42", "event": {"type": "user.close", "code": 70_000}}), "wrong_field", "at `code`"),
        (json!({"user": "42", "event": {"type": "user.close", "cod": 4001}}), "wrong_field", "unknown field `cod`"),
        (json!({"user": "42", "event": {"type": "user.close", "reason": 1}}), "wrong_field", "at `reason`"),
        (json!({"user": "", "event": close()}), "no_target", "a `user`"),
        (json!({"user": "42", "group": "order-7", "event": close()}), "no_target", "either"),
        (json!({"user": 4.5, "event": close()}), "not_a_message", "a text or a whole number"),
        (json!({"user": ["42"], "event": close()}), "not_a_message", "a text or a whole number"),
    ] {
        let answer = post(&server, &message).await;
        assert_eq!((answer.status, answer.code()), (422, code), "{message} {answer:?}");
        assert!(answer.message().contains(part), "{message} {answer:?}");
    }
    // Allowed only if the route says so.
    let server = start(front, &channels, publish()).await;
    let answer = post(&server, &json!({"user": "42", "event": close()})).await;
    assert_eq!((answer.status, answer.code()), (404, "no_users"), "{answer:?}");
    assert_eq!(channels.stats().connections.user_closed, 0);
}
