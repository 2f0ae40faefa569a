//! `reauth`: the authenticator is asked again about open connections.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use channels_runtime::auth::{ForwardAuth, Login};
use channels_runtime::prelude::*;
use tokio_tungstenite::tungstenite::Message;

use crate::auth::logins::{User, connect_with, name, serve};
use crate::support::app::{Front, on_both_servers};
use crate::support::backend::{Asked, Backend, Says};
use crate::support::client::{Client, next};
use crate::support::until::until;

on_both_servers!(
    reauth_ends_connection_whose_login_is_no_longer_valid,
    reauth_keeps_valid_login_and_survives_short_outage,
    reauth_closes_connection_after_three_checks_without_answer,
    reauth_of_many_connections_asks_backend_once,
);

const OFTEN: Duration = Duration::from_millis(40);

fn ann() -> Login<User> {
    Login::new(User { sub: "ann".into() }).key("1")
}

async fn closed(client: &mut Client) -> (u16, String) {
    let Message::Close(Some(frame)) = next(client).await else { panic!("a close frame") };
    (frame.code.into(), frame.reason.as_str().to_owned())
}

async fn reauth_ends_connection_whose_login_is_no_longer_valid(front: Front) {
    type Answers = fn() -> Result<Login<User>, Reject>;
    let later: [Answers; 5] = [
        || Err(Reject::unauthorized()),
        || Err(Reject::forbidden()),
        || Ok(Login::anonymous()),
        || Ok(ann().key("2")),
        || Ok(ann().until(SystemTime::now() - Duration::from_secs(1))),
    ];
    for (number, later) in later.into_iter().enumerate() {
        let calls = AtomicUsize::new(0);
        let authenticator = move |_: Scope| {
            // The first check finds the same user.
            let call = calls.fetch_add(1, SeqCst);
            // The first call may be repeated, because this process then begins to listen for closed users.
            std::future::ready(if call < 3 { Ok(ann().reauth(OFTEN)) } else { later() })
        };
        let server = serve(front, Channels::builder().authenticator(authenticator)).await;
        let (mut client, _) = connect_with(&server, "", &[]).await;
        assert_eq!(closed(&mut client).await, (3000, "the login has ended".into()), "{number}");
        assert_eq!(server.channels.stats().connections.login_ended, 1);
        server.stop().await;
    }
}

async fn reauth_keeps_valid_login_and_survives_short_outage(front: Front) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let authenticator = move |_: Scope| {
        let call = counted.fetch_add(1, SeqCst);
        // Two failures in a row, again and again.
        std::future::ready(if call >= 3 && !call.is_multiple_of(3) { Err(Reject::new(503)) } else { Ok(ann()) })
    };
    let server = serve(front, Channels::builder().reauth(OFTEN).authenticator(authenticator)).await;
    let (mut client, _) = connect_with(&server, "", &[]).await;
    until("many checks", || calls.load(SeqCst) >= 15).await;
    assert_eq!(name(&mut client).await, "ann");
    let stats = server.channels.stats().connections;
    assert_eq!((stats.login_ended, stats.login_unchecked), (0, 0));
    drop(client);
    until("the connection has ended", || server.channels.connections() == 0).await;
    server.stop().await;
}

async fn reauth_closes_connection_after_three_checks_without_answer(front: Front) {
    let is_down = Arc::new(Mutex::new(false));
    let down = Arc::clone(&is_down);
    let authenticator =
        move |_: Scope| std::future::ready(if *down.lock().unwrap() { Err(Reject::new(503)) } else { Ok(ann()) });
    let server = serve(front, Channels::builder().reauth(OFTEN).authenticator(authenticator)).await;
    let (mut client, _) = connect_with(&server, "", &[]).await;
    assert_eq!(name(&mut client).await, "ann");
    *is_down.lock().unwrap() = true;
    assert_eq!(closed(&mut client).await, (1013, "the login could not be checked".into()));
    assert_eq!(server.channels.stats().connections.login_unchecked, 1);
    server.stop().await;
}

async fn reauth_of_many_connections_asks_backend_once(front: Front) {
    let backend = Backend::start(|_: &Asked| Says::Json(r#"{"id": 1, "sub": "ann"}"#)).await;
    let auth = ForwardAuth::<User>::new(backend.url("/whoami/")).unwrap().ttl(Duration::from_secs(3600));
    let server = serve(front, Channels::builder().reauth(OFTEN).forward_auth(auth)).await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(connect_with(&server, "", &[("cookie", "sessionid=ann")]).await.0);
    }
    until("each connection is checked", || server.channels.stats().forward_auth.cached >= 90).await;
    // The second one is fresh, because this process began to listen for closed users after the first.
    assert!(backend.count() <= 2, "{}", backend.count());
    drop(clients);
    server.stop().await;
}
