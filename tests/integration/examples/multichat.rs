//! `examples/multichat`: its protocol, for its clients and for a Django process.

#[path = "../../../examples/multichat/site/mod.rs"]
mod site;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderValue;
use channels_runtime::layer::{Channel, Untyped};
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde_json::{Value, json};
use warp::Reply;
use warp::filters::BoxedFilter;

use crate::support::app::Server;
use crate::support::client::send_request;
use site::accounts::Accounts;

/// The site, and the layer that a Django process would use.
struct Site<R> {
    channels: Channels,
    routes: BoxedFilter<(R,)>,
    accounts: Arc<Accounts>,
}

fn site() -> Site<impl Reply + 'static> {
    let accounts = Arc::new(Accounts::default());
    let (channels, routes) = site::build(ChannelLayer::in_memory(), Arc::clone(&accounts)).unwrap();
    Site { channels, routes, accounts }
}

impl<R: Reply + 'static> Site<R> {
    async fn client(&self, name: &str) -> WebsocketCommunicator {
        let session = self.accounts.log_in(name, name).expect("the example knows this user");
        let client = WebsocketCommunicator::new(self.routes.clone(), "/chat/stream/");
        let mut client = client.header("cookie", &format!("sessionid={session}"));
        client.connect().await.unwrap();
        client
    }

    /// Adds a channel without a consumer to the group of a room.
    async fn peer(&self, group: &str) -> Channel {
        #[group("{name}", events(Nothing))]
        struct Named<'a> {
            name: &'a str,
        }
        #[event("nothing")]
        struct Nothing;

        let peer = self.channels.channel_layer().new_channel().await.unwrap();
        let name: &ChannelName<Untyped> = peer.name();
        self.channels.channel_layer().group_add(&Named { name: group }, name).await.unwrap();
        peer
    }
}

async fn says(client: &mut WebsocketCommunicator, command: &Value) {
    client.send_to(command.to_string().as_str()).await.unwrap();
}

async fn hears(client: &mut WebsocketCommunicator, wanted: &Value) {
    assert_eq!(client.receive_json_from::<Value>().await.unwrap(), *wanted);
}

async fn joins(client: &mut WebsocketCommunicator, room: &str, title: &str) {
    says(client, &json!({"command": "join", "room": room})).await;
    hears(client, &json!({"join": room, "title": title})).await;
}

#[tokio::test]
async fn multichat_rejects_client_without_session() {
    let site = site();
    for cookie in ["theme=dark", "sessionid=guessed"] {
        let client = WebsocketCommunicator::new(site.routes.clone(), "/chat/stream/");
        let mut client = client.header("cookie", cookie);
        client.connect().await.unwrap();
        // Not a rejected handshake, whose status a page cannot read.
        assert_eq!(client.receive_close().await.unwrap(), (CloseCode::app::<3000>(), "log in".to_owned()));
    }
    let session = site.accounts.log_in("ann", "ann").unwrap();
    assert_eq!(site.accounts.log_out(&session).map(|user| user.name), Some("ann"));
    let client = WebsocketCommunicator::new(site.routes.clone(), "/chat/stream/");
    let mut client = client.header("cookie", &format!("sessionid={session}"));
    client.connect().await.unwrap();
    assert_eq!(client.receive_close().await.unwrap().0, CloseCode::app::<3000>());
}

/// Posts a form, as a page of this origin.
async fn post<R: Reply + Send + 'static>(site: &Site<R>, path: &str, origin: Option<&str>, cookie: &str) -> u16 {
    let request = warp::test::request().method("POST").path(path).header("host", "chat.example");
    let request = request.header("cookie", cookie).header("content-type", "application/x-www-form-urlencoded");
    let request = match origin {
        Some(origin) => request.header("origin", origin),
        None => request,
    };
    request.body("username=ann&password=ann").reply(&site.routes).await.status().as_u16()
}

#[tokio::test]
async fn multichat_logout_closes_all_sockets_of_its_user() {
    let site = site();
    let (mut ann, mut tab, mut bob) = (site.client("ann").await, site.client("ann").await, site.client("bob").await);
    joins(&mut ann, "1", "Lobby").await;
    joins(&mut bob, "1", "Lobby").await;
    hears(&mut ann, &json!({"msg_type": 4, "room": "1", "username": "bob"})).await;
    let session = site.accounts.log_in("ann", "ann").unwrap();
    let cookie = format!("sessionid={session}");
    let status = post(&site, "/accounts/logout/", Some("https://chat.example"), &cookie).await;
    assert_eq!(status, 303);
    for socket in [&mut ann, &mut tab] {
        assert_eq!(socket.receive_close().await.unwrap(), (CloseCode::app::<3000>(), "logged out".to_owned()));
    }
    hears(&mut bob, &json!({"msg_type": 5, "room": "1", "username": "ann"})).await;
    assert!(bob.receive_nothing().await);
}

/// A page and a socket read the same user from any cookies.
#[tokio::test]
async fn multichat_logout_ends_session_whatever_the_other_cookies() {
    let site = site();
    for cookies in
        ["name=José; sessionid=KEY", "sessionid=junk; sessionid=KEY", "sessionid=\"KEY\"", "sessionid=KEY; a=b"]
    {
        let session = site.accounts.log_in("ann", "ann").unwrap();
        let cookies = cookies.replace("KEY", &session);
        let cookies = HeaderValue::from_bytes(cookies.as_bytes()).unwrap();
        let page = warp::test::request().path("/").header("cookie", &cookies).reply(&site.routes).await;
        assert_eq!(page.status(), 200, "{cookies:?}: the page knows the user");
        let request = warp::test::request().method("POST").path("/accounts/logout/").header("cookie", &cookies);
        assert_eq!(request.reply(&site.routes).await.status(), 303);
        assert!(site.accounts.user_of(&session).is_none(), "{cookies:?}: the session has ended");
    }
}

#[tokio::test]
async fn multichat_forms_of_other_sites_are_refused() {
    let site = site();
    for path in ["/accounts/login/", "/accounts/logout/"] {
        for foreign in ["https://evil.example", "https://chat.example:8443", "https://chat.example.evil", "null", ""] {
            assert_eq!(post(&site, path, Some(foreign), "").await, 403, "{path} from {foreign:?}");
        }
        for own in [Some("https://chat.example"), None] {
            assert_eq!(post(&site, path, own, "").await, 303, "{path} from {own:?}");
        }
    }
    let session = site.accounts.log_in("ann", "ann").unwrap();
    post(&site, "/accounts/logout/", Some("https://evil.example"), &format!("sessionid={session}")).await;
    assert!(site.accounts.user_of(&session).is_some(), "the user is still logged in");
}

#[tokio::test]
async fn multichat_pages_have_a_content_security_policy() {
    let site = site();
    for path in ["/accounts/login/", "/static/chat.js", "/static/style.css"] {
        let response = warp::test::request().path(path).reply(&site.routes).await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    let session = site.accounts.log_in("ann", "ann").unwrap();
    let page = async || {
        let request = warp::test::request().path("/").header("cookie", format!("sessionid={session}"));
        request.reply(&site.routes).await
    };
    let (page, again) = (page().await, page().await);
    let policy = |headers: &warp::http::HeaderMap| headers["content-security-policy"].to_str().unwrap().to_owned();
    let (policy, other) = (policy(page.headers()), policy(again.headers()));
    let nonce = policy.strip_prefix("default-src 'none'; script-src 'nonce-").expect("a number in the policy");
    let (nonce, _) = nonce.split_once('\'').unwrap();
    assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
    assert_ne!(policy, other, "each page has its own number");
    let html = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(html.contains(&format!("<script nonce=\"{nonce}\" src=\"/static/chat.js\"")), "{html}");
}

#[tokio::test]
async fn multichat_room_receives_join_message_and_leave() {
    let site = site();
    let (mut ann, mut bob) = (site.client("ann").await, site.client("bob").await);
    assert!(ann.receive_nothing().await, "no message arrives on connect");
    joins(&mut ann, "1", "Lobby").await;
    joins(&mut bob, "1", "Lobby").await;
    hears(&mut ann, &json!({"msg_type": 4, "room": "1", "username": "bob"})).await;
    assert!(bob.receive_nothing().await, "the joining client is notified only once");

    says(&mut bob, &json!({"command": "send", "room": "1", "message": "<b>hi</b> 🦀"})).await;
    let said = json!({"msg_type": 0, "room": "1", "username": "bob", "message": "<b>hi</b> 🦀"});
    hears(&mut ann, &said).await;
    hears(&mut bob, &said).await;

    says(&mut bob, &json!({"command": "leave", "room": "1"})).await;
    hears(&mut bob, &json!({"leave": "1"})).await;
    hears(&mut ann, &json!({"msg_type": 5, "room": "1", "username": "bob"})).await;
    says(&mut ann, &json!({"command": "send", "room": "1", "message": "alone?"})).await;
    hears(&mut ann, &json!({"msg_type": 0, "room": "1", "username": "ann", "message": "alone?"})).await;
    assert!(bob.receive_nothing().await);
}

#[tokio::test]
async fn multichat_socket_leaves_all_its_rooms_on_close() {
    let site = site();
    let (mut ann, mut bob) = (site.client("ann").await, site.client("bob").await);
    joins(&mut ann, "1", "Lobby").await;
    joins(&mut ann, "2", "Coffee & tea").await;
    for (room, title) in [("1", "Lobby"), ("2", "Coffee & tea")] {
        joins(&mut bob, room, title).await;
        hears(&mut ann, &json!({"msg_type": 4, "room": room, "username": "bob"})).await;
    }
    bob.disconnect(CloseCode::GOING_AWAY).await.unwrap();
    hears(&mut ann, &json!({"msg_type": 5, "room": "1", "username": "bob"})).await;
    hears(&mut ann, &json!({"msg_type": 5, "room": "2", "username": "bob"})).await;
}

#[tokio::test]
async fn multichat_forbidden_command_gets_error_code() {
    let site = site();
    let (mut ann, mut admin) = (site.client("ann").await, site.client("admin").await);
    let denied = || json!({"error": "ROOM_ACCESS_DENIED"});
    for (command, answer) in [
        (json!({"command": "join", "room": "3"}), denied()),
        (json!({"command": "leave", "room": "3"}), denied()),
        (json!({"command": "send", "room": "3", "message": "hi"}), denied()),
        (json!({"command": "send", "room": "1", "message": "not joined"}), denied()),
        (json!({"command": "join", "room": "99"}), json!({"error": "ROOM_INVALID"})),
        (json!({"command": "join", "room": "lobby"}), json!({"error": "ROOM_INVALID"})),
    ] {
        says(&mut ann, &command).await;
        hears(&mut ann, &answer).await;
    }
    joins(&mut admin, "3", "Staff").await;
    // An unknown command is ignored, and a command without its fields gets a response. Both connections stay open.
    says(&mut ann, &json!({"command": "dance"})).await;
    says(&mut ann, &json!({"hello": 1})).await;
    says(&mut ann, &json!({"command": "join"})).await;
    let answer: Value = ann.receive_json_from().await.unwrap();
    assert_eq!(answer["error"]["code"], "malformed_command");
    // A room id can also be a number.
    says(&mut ann, &json!({"command": "join", "room": 1})).await;
    hears(&mut ann, &json!({"join": "1", "title": "Lobby"})).await;
}

#[tokio::test]
async fn multichat_events_have_the_format_of_django() {
    let site = site();
    let peer = site.peer("room-1").await;
    let mut ann = site.client("ann").await;
    joins(&mut ann, "1", "Lobby").await;
    says(&mut ann, &json!({"command": "send", "room": "1", "message": "hi"})).await;
    says(&mut ann, &json!({"command": "leave", "room": "1"})).await;
    for wanted in [
        json!({"type": "chat.join", "room_id": "1", "username": "ann"}),
        json!({"type": "chat.message", "room_id": "1", "username": "ann", "message": "hi"}),
        json!({"type": "chat.leave", "room_id": "1", "username": "ann"}),
    ] {
        assert_eq!(peer.receive().await.unwrap().to_value().unwrap(), wanted);
    }

    let mut bob = site.client("bob").await;
    joins(&mut bob, "1", "Lobby").await;
    let layer = site.channels.channel_layer();
    for id in [json!("1"), json!(1)] {
        let said = json!({"type": "chat.message", "room_id": id, "username": "dora", "message": "from Django"});
        layer.group_send_raw("room-1", said).await.unwrap();
        hears(&mut bob, &json!({"msg_type": 0, "room": "1", "username": "dora", "message": "from Django"})).await;
    }
}

/// Returns the whole response.
async fn http(server: SocketAddr, request: &str) -> String {
    let response = send_request(server, request).await;
    response.head.clone() + &response.body().await
}

#[tokio::test]
async fn multichat_form_logs_in_and_out() {
    let site = site();
    let server = Server::start(&site.channels, site.routes.clone()).await;
    let address = server.address;
    let get = |cookie: &str| format!("GET / HTTP/1.1\nhost: x\nconnection: close\ncookie: {cookie}\n\n");
    let post = |path: &str, cookie: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /accounts/{path}/ HTTP/1.1\nhost: x\nconnection: close\ncookie: {cookie}\n\
             content-type: application/x-www-form-urlencoded\ncontent-length: {length}\n\n{body}"
        )
    };

    let answer = http(address, &get("a=b")).await;
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("location: /accounts/login/?next=/"), "{answer}");
    let answer = http(address, &post("login", "a=b", "username=ann&password=wrong")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("do not go together"), "{answer}");
    let answer = http(address, &post("login", "a=b", "username=ann&password=ann")).await;
    let (_, cookie) = answer.split_once("set-cookie: ").expect("the response sets a cookie");
    let (cookie, attributes) = cookie.split_once("; ").unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 303 ") && attributes.starts_with("Path=/; HttpOnly; SameSite=Lax"),
        "{answer}"
    );

    let answer = http(address, &get(cookie)).await;
    assert!(answer.contains(r#"<span id="me">ann</span>"#), "{answer}");
    assert!(answer.contains(r#"<li class="room-link" data-room-id="2"><button>Coffee &amp; tea</button></li>"#));
    let answer = http(address, &post("logout", cookie, "")).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(http(address, &get(cookie)).await.starts_with("HTTP/1.1 303 "));
    server.stop().await;
}
