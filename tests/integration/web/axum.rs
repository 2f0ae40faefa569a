//! Consumers in an axum application, on axum's server and on ours.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use channels_runtime::ChannelsBuilder;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::web::axum::{RouterExt, User};
use channels_runtime::web::{PeerAddress, service};
use futures_util::SinkExt;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::AbortOnDropHandle;
use warp::Filter;

use crate::support::app::Server;
use crate::support::client::{connect, handshake, next_text, send_request};
use crate::support::log::Log;
use crate::support::until::until;

#[derive(Clone)]
struct Motto(&'static str);

#[derive(Deserialize)]
struct Since {
    since: Option<u32>,
}

/// Takes two captures and three extractors.
struct Guest {
    facts: String,
}

#[consumer]
impl Guest {
    #[connect]
    async fn connect(
        cx: &mut Context<Self>,
        room: String,
        seat: u8,
        State(motto): State<Motto>,
        Query(Since { since }): Query<Since>,
        Extension(served): Extension<u16>,
    ) -> Result<Self, Reject> {
        let (path, client) = (cx.scope().path(), cx.scope().client().map(|client| client.ip().to_string()));
        let facts = format!("{room} {seat} {} {since:?} {served} {path} {client:?}", motto.0);
        Ok(Self { facts })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(format!("{text}: {}", self.facts)).await
    }
}

fn guests(channels: &Channels) -> Router {
    Router::new()
        .consumer("/ws/{room}/{seat}", channels.axum::<Guest>())
        .layer(Extension(7_u16))
        .with_state(Motto("hello"))
}

/// Serves an application on axum's own server.
async fn serve_on_axum(app: Router) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    (address, AbortOnDropHandle::new(serving))
}

fn channels(builder: ChannelsBuilder) -> Channels {
    builder.build().unwrap()
}

/// Sends "hi" and returns the reply.
async fn facts(address: SocketAddr, path: &str) -> String {
    let mut client = connect(address, path).await;
    client.send(Message::text("hi")).await.unwrap();
    next_text(&mut client).await
}

#[tokio::test]
async fn connect_gets_captures_and_extractors_on_either_server() {
    let channels = channels(Channels::builder());
    let ours = Server::start(&channels, guests(&channels)).await;
    let (theirs, _serving) = serve_on_axum(guests(&channels)).await;
    for address in [ours.address, theirs] {
        // The path matches with a last slash and without; a capture is decoded.
        for path in ["/ws/a%2Db%2Fc/3?since=5", "/ws/a%2Db%2Fc/3/?since=5"] {
            let (path_only, _) = path.split_once('?').unwrap();
            let wanted = format!("hi: a-b/c 3 hello Some(5) 7 {path_only} Some(\"127.0.0.1\")");
            assert_eq!(facts(address, path).await, wanted);
        }
        for (path, status) in [("/ws/lobby/300", 404), ("/ws/lobby/3?since=x", 400), ("/ws/lobby", 404)] {
            let response = send_request(address, &handshake(path, "Host: ours\n")).await;
            assert_eq!(response.status, status, "{path}");
        }
        let response = send_request(address, "GET /ws/lobby/3 HTTP/1.1\nHost: ours\nConnection: close\n\n").await;
        assert_eq!(response.status, 400);
        assert!(response.body().await.contains("the header `Upgrade: websocket` is missing"));
    }
    ours.stop().await;
}

#[tokio::test]
async fn communicator_connects_to_router() {
    let channels = channels(Channels::builder());
    let mut client = WebsocketCommunicator::new(guests(&channels), "/ws/lobby/1");
    client.connect().await.unwrap();
    client.send_to("hi").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "hi: lobby 1 hello None 7 /ws/lobby/1 None");
}

#[tokio::test]
async fn nested_router_keeps_its_prefix_in_the_scope_and_out_of_the_captures() {
    async fn outer(Path(team): Path<String>) -> String {
        team
    }
    let channels = channels(Channels::builder());
    let app = Router::new().route("/{team}", get(outer)).nest("/{team}/live", guests(&channels));
    let (address, _serving) = serve_on_axum(app).await;
    let told = facts(address, "/red/live/ws/lobby/2").await;
    assert_eq!(told, "hi: lobby 2 hello None 7 /red/live/ws/lobby/2 Some(\"127.0.0.1\")");
}

#[tokio::test]
async fn layer_in_front_may_refuse_handshakes() {
    async fn guard(request: Request, next: Next) -> axum::response::Response {
        if request.headers().contains_key("x-pass") {
            next.run(request).await
        } else {
            (StatusCode::PAYMENT_REQUIRED, "no pass").into_response()
        }
    }
    let channels = channels(Channels::builder());
    let (address, _serving) = serve_on_axum(guests(&channels).layer(from_fn(guard))).await;
    for (headers, status) in [("", 402), ("X-Pass: 1\n", 101)] {
        let response = send_request(address, &handshake("/ws/lobby/1", &format!("Host: ours\n{headers}"))).await;
        assert_eq!(response.status, status);
    }
    assert_eq!(channels.stats().handshakes.accepted, 1);
}

#[tokio::test]
async fn layer_that_drops_the_upgrade_is_reported() {
    async fn rebuilt(request: Request, next: Next) -> axum::response::Response {
        let mut copy = Request::builder().uri(request.uri().clone()).body(axum::body::Body::empty()).unwrap();
        *copy.headers_mut() = request.headers().clone();
        next.run(copy).await
    }
    let channels = channels(Channels::builder());
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    let (address, _serving) = serve_on_axum(guests(&channels).layer(from_fn(rebuilt)).layer(Extension(7_u16))).await;
    let response = send_request(address, &handshake("/ws/lobby/1", "Host: ours\nConnection: close\n")).await;
    assert_eq!((response.status, channels.stats().handshakes.malformed), (500, 1));
    assert!(log.text().contains("Guest") && log.text().contains("a layer in front"), "{}", log.text());
}

#[tokio::test]
async fn layer_that_replaces_the_response_is_reported() {
    async fn replaced(request: Request, next: Next) -> axum::response::Response {
        assert_eq!(next.run(request).await.status(), 101);
        "replaced".into_response()
    }
    let channels = channels(Channels::builder());
    let (log, _guard) = Log::of_this_thread(tracing::Level::WARN);
    let (address, _serving) = serve_on_axum(guests(&channels).layer(from_fn(replaced))).await;
    let response = send_request(address, &handshake("/ws/lobby/1", "Host: ours\n")).await;
    assert_eq!((response.status, channels.stats().admitted), (200, 1));
    // The client keeps its connection open.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    until("the permit is released", || channels.stats().admitted == 0).await;
    assert!(log.text().contains("Guest") && log.text().contains("may have replaced it"), "{}", log.text());
    drop(response);
}

/// Makes a test, started as a process, run alone: it reads what is logged once per process.
const ALONE: &str = "CHANNELS_TEST_ALONE";

#[test]
fn missing_client_address_is_logged_once() {
    let test = "web::axum::missing_client_address_is_logged_once";
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(unknown_clients());
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let ran = alone.args(["--exact", test]).env(ALONE, "yes").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

async fn unknown_clients() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::WARN);
    let channels = channels(Channels::builder().max_connections_per_address(1));
    let app = Router::new().consumer("/ws", channels.axum::<WhoAmI>());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _serving = AbortOnDropHandle::new(tokio::spawn(async { axum::serve(listener, app).await.unwrap() }));
    let mut clients = [connect(address, "/ws").await, connect(address, "/ws").await];
    for client in &mut clients {
        client.send(Message::text("I am")).await.unwrap();
        assert_eq!(next_text(client).await, "I am unknown");
    }
    let text = log.text();
    assert!(text.lines().count() == 1 && text.contains("into_make_service_with_connect_info"), "{text}");
}

#[tokio::test]
async fn handshake_by_head_is_refused() {
    let channels = channels(Channels::builder());
    let (address, _serving) = serve_on_axum(guests(&channels)).await;
    let request = handshake("/ws/lobby/1", "Host: ours\nConnection: close\n").replacen("GET", "HEAD", 1);
    let response = send_request(address, &request).await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET")));
    assert_eq!(channels.stats().handshakes.accepted, 0);
}

#[tokio::test]
async fn failing_extractor_is_logged_ten_times_a_second() {
    let channels = channels(Channels::builder());
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    let app = Router::new().consumer("/ws/{room}/{seat}", channels.axum::<Guest>()).with_state(Motto("hello"));
    let (address, _serving) = serve_on_axum(app).await;
    for _ in 0..300 {
        assert_eq!(send_request(address, &handshake("/ws/lobby/1", "Host: ours\n")).await.status, 500);
    }
    let records = log.text().lines().count();
    assert!((1..300).contains(&records), "{records}");
    assert_eq!(channels.stats().handshakes.rejected, 300);
}

#[tokio::test]
async fn extractors_run_only_for_admitted_clients() {
    let channels = channels(Channels::builder().max_connections(1));
    let (address, _serving) = serve_on_axum(guests(&channels)).await;
    let first = send_request(address, &handshake("/ws/lobby/1", "Host: ours\n")).await;
    // The query is one that the extractor would reject with 400.
    let second = send_request(address, &handshake("/ws/lobby/1?since=x", "Host: ours\n")).await;
    assert_eq!((first.status, second.status), (101, 503));
    drop(first);
    until("the permit is released", || channels.stats().admitted == 0).await;
    let third = send_request(address, &handshake("/ws/lobby/1?since=x", "Host: ours\n")).await;
    assert_eq!((third.status, channels.stats().admitted, channels.stats().handshakes.rejected), (400, 0, 1));
}

#[tokio::test]
async fn missing_extension_is_a_500_that_names_the_argument() {
    let channels = channels(Channels::builder());
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    let app = Router::new().consumer("/ws/{room}/{seat}", channels.axum::<Guest>()).with_state(Motto("hello"));
    let (address, _serving) = serve_on_axum(app).await;
    let response = send_request(address, &handshake("/ws/lobby/1", "Host: ours\n")).await;
    assert_eq!(response.status, 500);
    assert!(log.text().contains("Extension<u16>") && log.text().contains("Guest"), "{}", log.text());
}

#[test]
#[should_panic(expected = "the path `/ws/{room}` captures 1 (room), but `#[connect]` of `Guest` takes 2 from the path")]
fn path_with_too_few_captures_panics_at_startup() {
    let channels = channels(Channels::builder());
    let _: Router = Router::new().consumer("/ws/{room}", channels.axum::<Guest>()).with_state(Motto("hello"));
}

#[test]
#[should_panic(
    expected = "the path `/ws/{room}/{seat}/{row}` captures 3 (room, seat, row), but `#[connect]` of `Guest` takes 2"
)]
fn path_with_too_many_captures_panics_at_startup() {
    let channels = channels(Channels::builder());
    let app = Router::new().consumer("/ws/{room}/{seat}/{row}", channels.axum::<Guest>());
    let _: Router = app.with_state(Motto("hello"));
}

/// Returns the message of a panic at startup.
fn startup_panic(adds: impl FnOnce() -> Router<Motto>) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(adds)).expect_err("the path is refused");
    panic.downcast_ref::<String>().expect("the panic has a message").clone()
}

struct Rival;

#[consumer]
impl Rival {
    #[connect]
    async fn connect(_cx: &mut Context<Self>, _room: String, _seat: String) -> Result<Self, Reject> {
        Ok(Self)
    }
}

#[test]
fn path_that_is_added_twice_panics_with_path_and_consumers() {
    let channels = channels(Channels::builder());
    let once = || Router::<Motto>::new().consumer("/twice/{room}/{seat}", channels.axum::<Guest>());
    let of_two = startup_panic(|| once().consumer("/twice/{room}/{seat}", channels.axum::<Rival>()));
    let of_one = startup_panic(|| once().consumer("/twice/{room}/{seat}", channels.axum::<Guest>()));
    // As above, with other names and a last slash.
    let renamed = startup_panic(|| once().consumer("/twice/{a}/{b}/", channels.axum::<Rival>()));
    for (message, refused, path) in [
        (of_two, "Rival", "/twice/{room}/{seat}"),
        (of_one, "Guest", "/twice/{room}/{seat}"),
        (renamed, "Rival", "/twice/{a}/{b}/"),
    ] {
        let begin = format!("the consumer `{refused}` cannot be added at `{path}`: ");
        let end = "; this path was added for `Guest`: each consumer needs a path of its own";
        assert!(message.starts_with(&begin) && message.ends_with(end), "{message}");
    }
}

#[test]
fn path_that_axum_refuses_panics_with_path_consumer_and_reason() {
    let channels = channels(Channels::builder());
    let page = || Router::<Motto>::new().route("/page/{room}/{seat}/", get(|| async { "a page" }));
    let message = startup_panic(|| page().consumer("/page/{room}/{seat}", channels.axum::<Guest>()));
    let begin = "the consumer `Guest` cannot be added at `/page/{room}/{seat}/`: ";
    assert!(message.starts_with(begin) && message.ends_with("already exists"), "{message}");
    let message = startup_panic(|| Router::new().consumer("{room}/{seat}", channels.axum::<Guest>()));
    let wanted = "the consumer `Guest` cannot be added at `{room}/{seat}`: Paths must start with a `/`";
    assert_eq!(message, wanted);
}

struct News;

#[consumer]
impl News {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.send_text("welcome").await?;
        Ok(Self)
    }

    #[handler("news.posted")]
    fn posted(event: &Posted) -> String {
        event.text.clone()
    }
}

#[event("news.posted")]
struct Posted {
    text: String,
}

#[tokio::test]
async fn events_health_metrics_and_inspection_are_routes_of_the_router() {
    let channels = channels(Channels::builder());
    let app = Router::new()
        .consumer("/news", channels.axum_sse::<News>().and_websocket())
        .health(&channels)
        .metrics(&channels)
        .inspection(&channels);
    let ours = Server::start(&channels, app.clone()).await;
    let (theirs, _serving) = serve_on_axum(app).await;
    for address in [ours.address, theirs] {
        let response = send_request(address, "GET /news HTTP/1.1\nHost: ours\nAccept: text/event-stream\n\n").await;
        assert_eq!((response.status, response.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(send_request(address, &handshake("/news", "Host: ours\n")).await.status, 101);
        for (path, word) in [
            ("/healthz", "alive"),
            ("/readyz", "ready"),
            ("/metrics", "channels_connections"),
            ("/inspect.json", "\"connections\":"),
        ] {
            let request = format!("GET {path} HTTP/1.1\nHost: ours\nConnection: close\n\n");
            let response = send_request(address, &request).await;
            assert_eq!(response.status, 200, "{path}");
            assert!(response.body().await.contains(word), "{path}");
        }
    }
    ours.stop().await;
}

#[event("note.added")]
#[derive(Clone)]
struct Note {
    text: String,
}

#[group("notes", events(Note))]
struct Board;

/// Takes and returns `axum::Json`.
struct Notes;

#[consumer]
impl Notes {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Board).await?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, axum::Json(note): axum::Json<Note>) -> Result<()> {
        cx.group_send(&Board, &note).await
    }

    #[handler("note.added")]
    fn added(event: &Note) -> axum::Json<Note> {
        axum::Json(event.clone())
    }
}

#[tokio::test]
async fn json_of_axum_and_of_prelude_are_interchangeable() {
    async fn shouted(Json(mut note): Json<Note>) -> Json<Note> {
        note.text.make_ascii_uppercase();
        Json(note)
    }
    let channels = channels(Channels::builder());
    let app = Router::new().consumer("/notes", channels.axum::<Notes>()).route("/shouted", post(shouted));
    let (address, _serving) = serve_on_axum(app).await;
    let mut client = connect(address, "/notes").await;
    for (sent, received) in [(r#"{"text":"hi"}"#, r#"{"text":"hi"}"#), (r#"{"text":7}"#, "malformed_json")] {
        client.send(Message::text(sent)).await.unwrap();
        let text = next_text(&mut client).await;
        assert!(text.contains(received), "{text}");
    }
    for (sent, status, received) in [(r#"{"text":"hi"}"#, 200, r#"{"text":"HI"}"#), (r#"{"text":7}"#, 422, "text")] {
        let headers = format!("Content-Type: application/json\nContent-Length: {}\nConnection: close\n", sent.len());
        let response = send_request(address, &format!("POST /shouted HTTP/1.1\nHost: ours\n{headers}\n{sent}")).await;
        assert_eq!(response.status, status);
        let body = response.body().await;
        assert!(body.contains(received), "{body}");
    }
}

#[derive(Clone)]
struct Account {
    name: String,
}

fn with_accounts() -> ChannelsBuilder {
    Channels::builder().authenticator(|scope: Scope| async move {
        match scope.bearer_token() {
            Some("nobody") => Ok(None),
            Some(name) => Ok(Some(Account { name: name.to_owned() })),
            None => Err(Reject::unauthorized().reason("log in first")),
        }
    })
}

#[tokio::test]
async fn page_knows_the_user_of_the_authenticator() {
    async fn me(User(account): User<Account>) -> String {
        account.map_or_else(|| "anonymous".into(), |account| account.name.clone())
    }
    let channels = channels(with_accounts());
    let (theirs, _serving) = serve_on_axum(Router::new().route("/me", get(me)).with_state(channels.clone())).await;
    let page = warp::path!("me").and(channels.user::<Account>()).map(
        |account: Result<Option<std::sync::Arc<Account>>, Reject>| {
            account.map(|account| account.map_or_else(|| "anonymous".into(), |account| account.name.clone()))
        },
    );
    let ours = Server::start(&channels, page).await;
    for address in [ours.address, theirs] {
        let cases = [
            ("", 401, "log in first"),
            ("Authorization: Bearer ann\n", 200, "ann"),
            ("Authorization: Bearer nobody\n", 200, "anonymous"),
        ];
        for (headers, status, body) in cases {
            let request = format!("GET /me HTTP/1.1\nHost: ours\nConnection: close\n{headers}\n");
            let response = send_request(address, &request).await;
            assert_eq!(response.status, status, "{headers}");
            assert_eq!(response.body().await, body);
        }
    }
    ours.stop().await;
}

#[derive(Default)]
struct WhoAmI;

#[consumer]
impl WhoAmI {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        let client = cx.scope().client().map_or_else(|| "unknown".into(), |client| client.to_string());
        cx.send_text(format!("{text} {client}")).await
    }
}

#[tokio::test]
async fn warp_routes_are_a_service_for_any_server() {
    let channels = channels(Channels::builder());
    let routes = channels.route::<WhoAmI>(warp::path!("ws")).or(channels.health());
    let mounted = service(routes);
    let (address, _serving) = serve_on_axum(Router::new().fallback_service(mounted.clone())).await;
    let mut client = connect(address, "/ws").await;
    client.send(Message::text("I am")).await.unwrap();
    assert!(next_text(&mut client).await.starts_with("I am 127.0.0.1:"));
    let response = send_request(address, "GET /healthz HTTP/1.1\nHost: ours\nConnection: close\n\n").await;
    assert_eq!((response.status, response.body().await.as_str()), (200, "alive"));

    // The caller passes the address.
    let named = from_fn(|mut request: Request, next: Next| async move {
        request.extensions_mut().insert(PeerAddress("192.0.2.7:5".parse().unwrap()));
        next.run(request).await
    });
    let (address, _serving) = serve_on_axum(Router::new().fallback_service(mounted).layer(named)).await;
    let mut client = connect(address, "/ws").await;
    client.send(Message::text("I am")).await.unwrap();
    assert_eq!(next_text(&mut client).await, "I am 192.0.2.7:5");
}

#[tokio::test]
async fn stopping_application_closes_connections_on_axums_server() {
    let channels = channels(Channels::builder());
    let (address, _serving) = serve_on_axum(guests(&channels)).await;
    let mut client = connect(address, "/ws/lobby/1").await;
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    let Message::Close(Some(close)) = crate::support::client::next(&mut client).await else { panic!("a close frame") };
    assert_eq!(u16::from(close.code), 1012);
    assert_eq!(send_request(address, &handshake("/ws/lobby/1", "Host: ours\n")).await.status, 503);
}
