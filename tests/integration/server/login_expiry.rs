//! Login expiry: a connection closes when its login ends.

use std::time::{Duration, SystemTime};

use channels_runtime::auth::Login;
use channels_runtime::prelude::*;
use tokio_tungstenite::tungstenite::Message;

use crate::auth::logins::{User, connect_with, name, serve, status};
use crate::support::app::{Front, on_both_servers};
use crate::support::client::next;
use crate::support::until::until;

on_both_servers!(login_expiry_closes_connection_with_3000);

async fn login_expiry_closes_connection_with_3000(front: Front) {
    // The cookie holds the name and the remaining milliseconds.
    let server = serve(
        front,
        Channels::builder().authenticator(|scope: Scope| {
            let cookie = scope.cookie("login").unwrap_or_default().to_owned();
            std::future::ready(Ok(match cookie.split_once('-') {
                Some((name, left)) => {
                    let end = SystemTime::now() + Duration::from_millis(left.parse().unwrap_or(0));
                    Login::new(User { sub: name.to_owned() }).until(end)
                }
                None => Login::new(User { sub: cookie }),
            }))
        }),
    )
    .await;
    let login = |login: &'static str| [("cookie", login)];
    let (mut long, _) = connect_with(&server, "", &login("login=long-3600000")).await;
    let (mut forever, _) = connect_with(&server, "", &login("login=forever")).await;
    let (mut centuries, _) = connect_with(&server, "", &login("login=centuries-99999999999999999")).await;
    let mut ending = Vec::new();
    for cookie in ["login=a-600", "login=b-200", "login=c-400", "login=d-200"] {
        ending.push(connect_with(&server, "", &[("cookie", cookie)]).await.0);
    }
    for client in &mut ending {
        let Message::Close(Some(frame)) = next(client).await else { panic!("a close frame") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (3000, "the login has ended"));
    }
    assert_eq!(server.channels.stats().connections.login_ended, 4);
    for (client, wanted) in [(&mut long, "long"), (&mut forever, "forever"), (&mut centuries, "centuries")] {
        assert_eq!(name(client).await, wanted);
    }
    // Expired before the handshake.
    assert_eq!(status(&server, "Cookie: login=e-0\n").await, 401);
    // A connection that ends earlier no longer waits for its expiry.
    drop(long);
    until("the connection has ended", || server.channels.connections() == 2).await;
    server.stop().await;
}
