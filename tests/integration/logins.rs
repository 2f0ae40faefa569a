//! Logins: where a token may stand, and what happens when one ends.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::{ChannelsBuilder, DjangoSessions, Jwt, Login};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::door::Log;
use crate::raw::{ask, handshake, until};

#[derive(Deserialize)]
struct User {
    sub: String,
}

/// Says who its client is.
#[derive(Default)]
struct WhoAmI;

#[consumer]
impl WhoAmI {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _frame: String) -> Result<()> {
        let name = cx.scope().user::<User>().map_or("nobody", |user| &user.sub).to_owned();
        cx.send_text(name).await
    }
}

struct Server {
    channels: Channels,
    address: SocketAddr,
    task: JoinHandle<()>,
}

type Client = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

impl Server {
    async fn start(builder: ChannelsBuilder) -> Self {
        let channels = builder.build();
        let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.local_addr();
        let route = channels.route::<WhoAmI>(warp::path!("ws"));
        Self { channels, address, task: tokio::spawn(server.serve(route)) }
    }

    async fn client(&self, query: &str, headers: &[(&'static str, &str)]) -> (Client, Option<String>) {
        let mut request = format!("ws://{}/ws{query}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (client, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        let chosen = response.headers().get("sec-websocket-protocol");
        (client, chosen.map(|chosen| chosen.to_str().unwrap().to_owned()))
    }

    async fn status(&self, headers: &str) -> u16 {
        ask(self.address, &handshake("/ws", &format!("Host: ours\n{headers}"))).await.status
    }

    async fn stop(self) {
        assert!(self.channels.shutdown(Duration::from_secs(10)).await, "every connection ends");
        tokio::time::timeout(Duration::from_secs(10), self.task).await.expect("the server ends").unwrap();
    }
}

async fn next(client: &mut Client) -> Message {
    let next = tokio::time::timeout(Duration::from_secs(20), client.next()).await;
    next.expect("a message in time").expect("the connection is open").unwrap()
}

async fn name(client: &mut Client) -> String {
    client.send(Message::text("who am I?")).await.unwrap();
    next(client).await.into_text().unwrap().as_str().to_owned()
}

/// `{"sub": "ann"}`, signed with this secret, good until 2100; and one that was good until 2001.
pub(crate) const SECRET: &str = "a secret of the test";
pub(crate) const ANN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.nLeBRgc0Udu4JuBGFDr7iC-oqbz62Duc3Aa8jEiq7yw";
pub(crate) const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjEwMDAwMDAwMDB9.oyX-X9F9soSFugnCfaSs7FfVu99Cwq4OR_uhfrXq1Y0";

#[tokio::test]
async fn a_token_gets_in_by_header_by_subprotocol_and_where_it_is_allowed_by_query() {
    let jwt = || Channels::builder().authenticator(Jwt::hs256(SECRET).authenticator::<User>());
    let server = Server::start(jwt()).await;
    let (mut client, chosen) = server.client("", &[("authorization", &format!("Bearer {ANN}"))]).await;
    assert_eq!((name(&mut client).await.as_str(), chosen), ("ann", None));
    // As a browser does it. It hangs up if none of what it offers is chosen.
    let (mut client, chosen) = server.client("", &[("sec-websocket-protocol", &format!("bearer, {ANN}"))]).await;
    assert_eq!((name(&mut client).await.as_str(), chosen.as_deref()), ("ann", Some("bearer")));
    let (mut client, _) = server.client(&format!("?token={ANN}"), &[]).await;
    assert_eq!(name(&mut client).await, "nobody", "a query is no place for a token");
    for wrong in [EXPIRED, "nonsense", &ANN[..ANN.len() - 2]] {
        assert_eq!(server.status(&format!("Authorization: Bearer {wrong}\n")).await, 401, "{wrong}");
    }
    server.stop().await;

    let server = Server::start(jwt().token_parameter("token")).await;
    let (mut client, _) = server.client(&format!("?token={ANN}"), &[]).await;
    assert_eq!(name(&mut client).await, "ann");
    server.stop().await;
}

#[tokio::test]
async fn a_django_cookie_gets_in() {
    // Signed by Django 5.2.8 with that key, in the year 2096.
    let cookie =
        ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JRKkmtKAEyK-kAlGoBCVE5RA:4Mhaj2:7bmpL4n3EBmPxolDSa5mZMmSEzodRYAKwugM7OHbY9E";
    let sessions = DjangoSessions::new(SECRET);
    let server = Server::start(Channels::builder().authenticator(move |scope: Scope| {
        let session = scope.cookie("sessionid").and_then(|cookie| sessions.verify_cookie(cookie).ok());
        std::future::ready(Ok(match session {
            Some(session) => {
                let sub = format!("number {}", session.user_id().unwrap_or_default());
                session.login(User { sub })
            }
            None => Login::nobody(),
        }))
    }))
    .await;
    let (mut client, _) = server.client("", &[("cookie", &format!("a=b; sessionid={cookie}"))]).await;
    assert_eq!(name(&mut client).await, "number 7");
    let (mut client, _) = server.client("", &[("cookie", &format!("sessionid={}", cookie.replace('y', "z")))]).await;
    assert_eq!(name(&mut client).await, "nobody");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_login_and_the_others_go_on() {
    // The first word of the cookie is the name, the second for how many milliseconds.
    let server = Server::start(Channels::builder().authenticator(|scope: Scope| {
        let cookie = scope.cookie("login").unwrap_or_default().to_owned();
        std::future::ready(Ok(match cookie.split_once('-') {
            Some((name, left)) => {
                let end = SystemTime::now() + Duration::from_millis(left.parse().unwrap_or(0));
                Login::new(User { sub: name.to_owned() }).until(end)
            }
            None => Login::new(User { sub: cookie }),
        }))
    }))
    .await;
    let login = |login: &'static str| [("cookie", login)];
    let (mut long, _) = server.client("", &login("login=long-3600000")).await;
    let (mut forever, _) = server.client("", &login("login=forever")).await;
    let (mut centuries, _) = server.client("", &login("login=centuries-99999999999999999")).await;
    let mut ending = Vec::new();
    for cookie in ["login=a-600", "login=b-200", "login=c-400", "login=d-200"] {
        ending.push(server.client("", &[("cookie", cookie)]).await.0);
    }
    for client in &mut ending {
        let Message::Close(Some(frame)) = next(client).await else { panic!("a close frame") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (3000, "the login has ended"));
    }
    assert_eq!(server.channels.stats().connections.login_ended, 4);
    for (client, wanted) in [(&mut long, "long"), (&mut forever, "forever"), (&mut centuries, "centuries")] {
        assert_eq!(name(client).await, wanted);
    }
    // Over before it began.
    assert_eq!(server.status("Cookie: login=e-0\n").await, 401);
    // One that leaves before its time is no longer waited for.
    drop(long);
    until("it is gone", || server.channels.connections() == 2).await;
    server.stop().await;
}

/// Asks for the user as another type, and for one where nobody can be.
#[tokio::test]
async fn a_user_of_another_type_is_told_once() {
    struct Mine;
    struct Never;

    #[derive(Default)]
    struct Asks;

    #[consumer]
    impl Asks {
        #[receive]
        async fn receive(&mut self, cx: &mut Context<Self>, _frame: String) -> Result<()> {
            let scope = cx.scope();
            let found = [scope.user::<Mine>().is_some(), scope.user::<Never>().is_some()];
            cx.send_json(&found).await
        }
    }

    let (log, _listening) = Log::of_this_thread(tracing::Level::ERROR);
    let sees = async |builder: ChannelsBuilder, expected: [bool; 2]| {
        let route = builder.build().route::<Asks>(warp::path!("ws"));
        let mut client = WebsocketCommunicator::new(route, "/ws");
        client.connect().await.unwrap();
        for _ in 0..2 {
            client.send_to("?").await.unwrap();
            assert_eq!(client.receive_json_from::<[bool; 2]>().await.unwrap(), expected);
        }
    };
    sees(Channels::builder().authenticator(async |_: Scope| Ok(Some(Mine))), [true, false]).await;
    sees(Channels::builder().authenticator(async |_: Scope| Ok(None::<Mine>)), [false, false]).await;
    let told = || log.text().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect::<Vec<_>>();
    let [line] = &told()[..] else { panic!("{:?}", told()) };
    for word in ["of another type than the one asked for", "Never", "Mine"] {
        assert!(line.contains(word), "{line}");
    }
    sees(Channels::builder(), [false, false]).await;
    let [_, line] = &told()[..] else { panic!("{:?}", told()) };
    assert!(line.contains("no authenticator") && line.contains("Mine"), "{line}");
}
