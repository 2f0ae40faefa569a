//! Logins by JSON Web Token and by Django session. The tokens and the server are shared with other tests.

use channels_runtime::ChannelsBuilder;
use channels_runtime::auth::{DjangoSessions, Jwt, Login};
use channels_runtime::prelude::*;
use futures_util::SinkExt;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::app::{Front, Server, on_both_servers};
use crate::support::client::{Client, handshake, next, send_request};
use crate::support::records::Records;

on_both_servers!(
    jwt_is_accepted_from_header_subprotocol_and_allowed_query,
    django_session_cookie_is_accepted,
    // On one thread, whose log it reads.
    #[tokio::test]
    rejected_login_has_reason_in_body_and_log,
);

#[derive(Deserialize)]
pub(crate) struct User {
    pub(crate) sub: String,
}

/// Sends its client the name of the user.
#[derive(Default)]
pub(crate) struct WhoAmI;

#[consumer]
impl WhoAmI {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _frame: String) -> Result<()> {
        let name = cx.scope().user::<User>().map_or("nobody", |user| &user.sub).to_owned();
        cx.send_text(name).await
    }
}

/// Serves the consumer at `/ws`.
pub(crate) async fn serve(front: Front, builder: ChannelsBuilder) -> Server {
    Server::start_consumer::<WhoAmI>(front, &builder.build().unwrap()).await
}

/// Connects a client. Returns it with the subprotocol that the server selects.
pub(crate) async fn connect_with(
    server: &Server,
    query: &str,
    headers: &[(&'static str, &str)],
) -> (Client, Option<String>) {
    let mut request = format!("ws://{}/ws{query}", server.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (client, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    let chosen = response.headers().get("sec-websocket-protocol");
    (client, chosen.map(|chosen| chosen.to_str().unwrap().to_owned()))
}

/// Returns the status of a handshake with these header lines.
pub(crate) async fn status(server: &Server, headers: &str) -> u16 {
    server
        .handshake(&format!(
            "Host: ours
{headers}"
        ))
        .await
        .status
}

pub(crate) async fn name(client: &mut Client) -> String {
    client.send(Message::text("who am I?")).await.unwrap();
    next(client).await.into_text().unwrap().as_str().to_owned()
}

/// `{"sub": "ann"}`, signed with this secret: a token that is valid until 2100, and one that expired in 2001.
pub(crate) const SECRET: &str = "a secret of the test with 35 bytes.";

pub(crate) const ANN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.58Ro0zsimMdzAAU-DvJdOLoJLdWWkru81DBXAAyXxko";

pub(crate) const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjEwMDAwMDAwMDB9.7HRjhocHSMlijoV61Lex3p8sLld3pYcIwOhePZBtgWg";

async fn jwt_is_accepted_from_header_subprotocol_and_allowed_query(front: Front) {
    let jwt = || Channels::builder().authenticator(Jwt::hs256(SECRET).unwrap().authenticator::<User>());
    let server = serve(front, jwt()).await;
    let (mut client, chosen) = connect_with(&server, "", &[("authorization", &format!("Bearer {ANN}"))]).await;
    assert_eq!((name(&mut client).await.as_str(), chosen), ("ann", None));
    // As browsers do it. They close the connection if the server selects none of the offered subprotocols.
    let (mut client, chosen) =
        connect_with(&server, "", &[("sec-websocket-protocol", &format!("bearer, {ANN}"))]).await;
    assert_eq!((name(&mut client).await.as_str(), chosen.as_deref()), ("ann", Some("bearer")));
    let (mut client, _) = connect_with(&server, &format!("?token={ANN}"), &[]).await;
    assert_eq!(name(&mut client).await, "nobody", "a token in the query is ignored by default");
    for wrong in [EXPIRED, "nonsense", &ANN[..ANN.len() - 2]] {
        assert_eq!(status(&server, &format!("Authorization: Bearer {wrong}\n")).await, 401, "{wrong}");
    }
    server.stop().await;

    let server = serve(front, jwt().token_parameter("token")).await;
    let (mut client, _) = connect_with(&server, &format!("?token={ANN}"), &[]).await;
    assert_eq!(name(&mut client).await, "ann");
    server.stop().await;
}

async fn django_session_cookie_is_accepted(front: Front) {
    // Signed by Django 5.2.8 with this key, in the year 2096.
    let cookie =
        ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JRKkmtKAEyK-kAlGoBCVE5RA:4Mhaj2:7bmpL4n3EBmPxolDSa5mZMmSEzodRYAKwugM7OHbY9E";
    let sessions = DjangoSessions::new("a secret of the test").unwrap();
    let server = serve(
        front,
        Channels::builder().authenticator(move |scope: Scope| {
            let session = scope.cookie("sessionid").and_then(|cookie| sessions.verify_cookie(cookie).ok());
            std::future::ready(Ok(match session {
                Some(session) => {
                    let sub = format!("number {}", session.user_id().unwrap_or_default());
                    session.login(User { sub })
                }
                None => Login::anonymous(),
            }))
        }),
    )
    .await;
    let (mut client, _) = connect_with(&server, "", &[("cookie", &format!("a=b; sessionid={cookie}"))]).await;
    assert_eq!(name(&mut client).await, "number 7");
    let (mut client, _) =
        connect_with(&server, "", &[("cookie", &format!("sessionid={}", cookie.replace('y', "z")))]).await;
    assert_eq!(name(&mut client).await, "nobody");
    server.stop().await;
}

async fn rejected_login_has_reason_in_body_and_log(front: Front) {
    let (log, _guard) = Records::listen();
    let server =
        serve(front, Channels::builder().authenticator(Jwt::hs256(SECRET).unwrap().authenticator::<User>())).await;
    for (token, wanted) in [
        (EXPIRED, "the token has expired, or has no `exp`; log in again to get another token"),
        ("x.y.z", "not a JSON Web Token; log in again to get another token"),
    ] {
        let request = handshake("/ws", &format!("Host: ours\nAuthorization: Bearer {token}\n"));
        let response = send_request(server.address, &request.replace("Connection: ", "Connection: close, ")).await;
        assert_eq!((response.status, response.body().await.as_str()), (401, wanted));
        let records = log.take("handshake rejected");
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.field("status"), record.field("reason")), ("401", wanted));
    }
    server.stop().await;
}
