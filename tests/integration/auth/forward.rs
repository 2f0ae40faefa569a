//! Logins that a backend knows: what the backend may answer, the cache, the shared request, and a backend that is down.

use std::time::{Duration, Instant};

use channels_runtime::auth::ForwardAuth;
use channels_runtime::prelude::*;
use channels_runtime::stats::ForwardAuthStats;
use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::auth::logins::{User, connect_with, name, serve, status};
use crate::support::app::{Front, Server, on_both_servers};
use crate::support::backend::{Asked, Backend, Says};
use crate::support::client::handshake;
use crate::support::client::send_request;
use crate::support::records::Records;
use crate::support::until::{until, within};

on_both_servers!(
    backend_identifies_client_by_cookie_or_token,
    unusable_answer_is_503_and_never_an_open_door,
    herd_with_one_cookie_is_one_request,
    first_client_that_leaves_does_not_cancel_the_others,
    backend_that_is_down_is_left_alone_and_noticed_when_it_works,
    crash_for_one_client_does_not_lock_others_out,
    logout_is_noticed_after_ttl,
    session_that_rotates_is_asked_for,
    flood_of_invalid_cookies_does_not_replace_users,
    // On one thread, whose log it reads.
    #[tokio::test]
    log_names_problem_of_backend_without_secrets,
);

const COOKIE: [(&str, &str); 1] = [("cookie", "sessionid=ann")];

fn auth(backend: &Backend) -> ForwardAuth<User> {
    ForwardAuth::new(backend.url("/whoami/")).unwrap()
}

async fn start(front: Front, auth: ForwardAuth<User>) -> Server {
    serve(front, Channels::builder().forward_auth(auth)).await
}

/// Knows two sessions and a token.
fn whoami(asked: &Asked) -> Says {
    match (asked.header("cookie"), asked.header("authorization")) {
        ("sessionid=ann", "") | ("", "Token ann" | "Bearer ann") => Says::Json(r#"{"id": 1, "sub": "ann"}"#),
        ("sessionid=bob", "") => Says::Json(r#"{"id": 2, "sub": "bob"}"#),
        ("sessionid=null", _) => Says::Json("null"),
        ("sessionid=empty", _) => Says::Status(204, ""),
        ("sessionid=banned", _) => Says::Status(403, "no"),
        _ => Says::Status(401, "no"),
    }
}

fn stats(server: &Server) -> ForwardAuthStats {
    server.channels.stats().forward_auth
}

async fn backend_identifies_client_by_cookie_or_token(front: Front) {
    let backend = Backend::start(whoami).await;
    let auth = auth(&backend).header("x-forwarded-proto".parse().unwrap(), "https".parse().unwrap());
    let server = start(front, auth).await;
    for (headers, wanted) in [
        (&[("cookie", "sessionid=ann")][..], "ann"),
        (&[("cookie", "sessionid=bob")], "bob"),
        (&[("authorization", "Token ann")], "ann"),
        (&[("sec-websocket-protocol", "bearer, ann")], "ann"),
        (&[("cookie", "sessionid=null")], "nobody"),
        (&[("cookie", "sessionid=empty")], "nobody"),
        (&[], "nobody"),
    ] {
        let (mut client, _) = connect_with(&server, "", headers).await;
        assert_eq!(name(&mut client).await, wanted, "{headers:?}");
    }
    for wrong in ["Cookie: sessionid=banned", "Cookie: sessionid=x", "Authorization: Token x"] {
        assert_eq!(status(&server, &format!("{wrong}\n")).await, 401, "{wrong}");
    }
    let asked = backend.asked();
    assert_eq!(asked.len(), 9, "a client without credentials is not asked about");
    for request in &asked {
        assert!(request.head.starts_with("GET /whoami/ HTTP/1.1\r\n"), "{request:?}");
        assert_eq!(request.headers("host"), [backend.address.to_string()]);
        assert_eq!(request.headers("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(request.headers("x-forwarded-proto"), ["https"]);
        assert!(request.headers("sec-websocket-key").is_empty() && request.headers("upgrade").is_empty());
    }
    let stats = stats(&server);
    assert_eq!((stats.asked, stats.rejected, stats.failed), (9, 3, 0));
    server.stop().await;
}

async fn unusable_answer_is_503_and_never_an_open_door(front: Front) {
    let elsewhere = Backend::start(|_: &Asked| Says::Json(r#"{"id": 1, "sub": "admin"}"#)).await;
    let redirect = format!("HTTP/1.1 302 X\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url("/login/"));
    let oversized = format!(r#"{{"id": 1, "sub": "{}"}}"#, "x".repeat(64 * 1024));
    let endless = format!("HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n{}", " ".repeat(100));
    let head = "HTTP/1.1 200 X\r\n";
    let says = vec![
        Says::Hangs,
        Says::Closes,
        Says::Status(500, r#"{"id": 1, "sub": "ann"}"#),
        Says::Status(404, ""),
        Says::Status(201, r#"{"id": 1, "sub": "ann"}"#),
        Says::Json(""),
        Says::Json("<html>"),
        Says::Json(r#"{"id": 1, "sub": "ann"} x"#),
        Says::Json(r#"{"id": 1, "sub": 7}"#),
        Says::Json(r#"{"id": 1}"#),
        Says::Json("true"),
        Says::Raw("nonsense\r\n\r\n".into()),
        Says::Raw(redirect),
        Says::Raw(format!("{head}Content-Length: {}\r\n\r\n{oversized}", oversized.len())),
        Says::Raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"id\"\r\n")),
        Says::Raw(endless),
    ];
    for says in says {
        let saying = says.clone();
        let backend = Backend::start(move |_: &Asked| saying.clone()).await;
        let server = start(front, auth(&backend).deadline(Duration::from_millis(300))).await;
        let response = server.handshake("Host: ours\nCookie: sessionid=ann\n").await;
        assert_eq!(response.status, 503, "{says:?}");
        assert!(response.header("retry-after").is_some_and(|after| after.parse::<u64>().unwrap() > 0), "{says:?}");
        assert_eq!((stats(&server).failed, server.channels.connections()), (1, 0), "{says:?}");
        server.stop().await;
    }
    assert_eq!(elsewhere.count(), 0, "a redirect is not followed");
}

async fn herd_with_one_cookie_is_one_request(front: Front) {
    let backend = Backend::start(|_: &Asked| Says::Hangs).await;
    let server = start(front, auth(&backend)).await;
    // The answer comes when all 200 clients wait for it.
    let counted = server.channels.clone();
    let held = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(held);
    backend.now(move |asked| {
        let before = Instant::now();
        while counted.stats().forward_auth.joined < 199 && before.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(1));
        }
        whoami(asked)
    });
    let clients = join_all((0..200).map(|_| connect_with(&server, "", &COOKIE))).await;
    assert_eq!((clients.len(), backend.count()), (200, 1));
    let stats = stats(&server);
    assert_eq!((stats.asked, stats.joined + stats.cached, stats.failed), (1, 199, 0));
    drop(clients);
    server.stop().await;
}

async fn first_client_that_leaves_does_not_cancel_the_others(front: Front) {
    let (answer, answers) = tokio::sync::oneshot::channel::<()>();
    let mut answers = Some(answers);
    let backend = Backend::start(move |asked: &Asked| {
        if let Some(answers) = answers.take() {
            // The script may block: the backend has a thread of its own in this test's runtime.
            tokio::task::block_in_place(|| _ = answers.blocking_recv());
        }
        whoami(asked)
    })
    .await;
    let server = start(front, auth(&backend)).await;
    let request = handshake("/ws", "Host: ours\nCookie: sessionid=ann\n");
    let first = tokio::spawn({
        let (address, request) = (server.address, request.clone());
        async move { send_request(address, &request).await.status }
    });
    until("the backend is asked", || backend.count() == 1).await;
    let second = tokio::spawn({
        let address = server.address;
        async move { send_request(address, &request).await.status }
    });
    until("the second client waits", || stats(&server).joined == 1).await;
    first.abort();
    _ = first.await;
    answer.send(()).unwrap();
    assert_eq!(within(second).await.unwrap(), 101);
    assert_eq!(backend.count(), 1);
    server.stop().await;
}

async fn backend_that_is_down_is_left_alone_and_noticed_when_it_works(front: Front) {
    let backend = Backend::start(whoami).await;
    let auth = auth(&backend);
    let (mut cached, server) = {
        let server = start(front, auth).await;
        (connect_with(&server, "", &COOKIE).await.0, server)
    };
    let address = backend.stop().await;
    for number in 0..20 {
        assert_eq!(status(&server, &format!("Cookie: sessionid={number}\n")).await, 503);
    }
    let down = stats(&server);
    // One question for the user in the cache, and five that failed. A question whose connection broke is sent twice.
    assert!(down.failed == 5 && down.held_off == 15 && down.asked <= 11, "{down:?}");
    assert_eq!(name(&mut cached).await, "ann");
    let (mut again, _) = connect_with(&server, "", &COOKIE).await;
    assert_eq!(name(&mut again).await, "ann", "a user in the cache still enters");
    let backend = Backend::start_at(address, whoami).await;
    until_status(&server, "Cookie: sessionid=bob\n", 101).await;
    assert_eq!(backend.count(), 1);
    assert_eq!(status(&server, "Authorization: Token ann\n").await, 101);
    server.stop().await;
}

/// Waits until a handshake has this status.
async fn until_status(server: &Server, headers: &str, wanted: u16) {
    let limit = Duration::from_secs(20);
    crate::support::until::until_within(limit, "the status", async || status(server, headers).await == wanted).await;
}

async fn crash_for_one_client_does_not_lock_others_out(front: Front) {
    let backend = Backend::start(|asked: &Asked| match asked.header("cookie") {
        cookie if cookie.contains("crash") => Says::Status(500, ""),
        cookie if cookie.contains("throttled") => Says::Status(429, ""),
        _ => whoami(asked),
    })
    .await;
    let server = start(front, auth(&backend)).await;
    for number in 0..20 {
        assert_eq!(status(&server, &format!("Cookie: sessionid=crash{number}\n")).await, 503);
    }
    // The backend throttles one client, which it knows by its address.
    for number in 0..20 {
        assert_eq!(status(&server, &format!("Cookie: sessionid=throttled{number}\n")).await, 503);
    }
    assert_eq!(status(&server, "Cookie: sessionid=ann\n").await, 101);
    assert_eq!(stats(&server).held_off, 0);
    server.stop().await;
}

async fn logout_is_noticed_after_ttl(front: Front) {
    let backend = Backend::start(whoami).await;
    let server = start(front, auth(&backend).ttl(Duration::from_millis(200))).await;
    assert_eq!(status(&server, "Cookie: sessionid=ann\n").await, 101);
    backend.now(|_| Says::Status(401, ""));
    until_status(&server, "Cookie: sessionid=ann\n", 401).await;
    assert!(backend.count() >= 2);
    server.stop().await;
}

async fn session_that_rotates_is_asked_for(front: Front) {
    // Ann logs out, and Bob logs in with the same browser. Django gives him another session.
    let backend = Backend::start(whoami).await;
    let server = start(front, auth(&backend).cookies(["sessionid"]).ttl(Duration::from_secs(3600))).await;
    let cookies = |session| [("cookie", session)];
    let (mut ann, _) = connect_with(&server, "", &cookies("_ga=1; sessionid=ann; theme=dark")).await;
    let (mut again, _) = connect_with(&server, "", &cookies("_ga=2; sessionid=ann")).await;
    let (mut bob, _) = connect_with(&server, "", &cookies("_ga=2; sessionid=bob")).await;
    assert_eq!(
        (name(&mut ann).await, name(&mut again).await, name(&mut bob).await),
        ("ann".into(), "ann".into(), "bob".into())
    );
    assert_eq!(backend.count(), 2, "other cookies are neither forwarded nor a part of the key");
    // Two cookies of one name: the backend selects one of them, and the pair has a key of its own.
    assert_eq!(status(&server, "Cookie: sessionid=ann; sessionid=bob\n").await, 401);
    assert_eq!(backend.asked()[2].header("cookie"), "sessionid=ann; sessionid=bob");
    server.stop().await;
}

async fn flood_of_invalid_cookies_does_not_replace_users(front: Front) {
    let backend = Backend::start(whoami).await;
    let server = start(front, auth(&backend).capacity(10).ttl(Duration::from_secs(3600))).await;
    assert_eq!(status(&server, "Cookie: sessionid=ann\n").await, 101);
    for number in 0..50 {
        assert_eq!(status(&server, &format!("Cookie: sessionid=wrong{number}\n")).await, 401);
    }
    assert_eq!(status(&server, "Cookie: sessionid=ann\n").await, 101);
    assert_eq!((backend.count(), stats(&server).cached), (51, 1));
    server.stop().await;
}

async fn log_names_problem_of_backend_without_secrets(front: Front) {
    let (log, _guard) = Records::listen();
    for (says, wanted) in [
        (Says::Status(500, "a secret"), "it answered 500; 200, 204, 401 or 403 is expected"),
        (Says::Json(r#"{"id": 1, "sub": 4711}"#), "`, at `sub`"),
        (Says::Json("a secret"), "it answered no JSON: expected value at line 1 column 1"),
        (
            Says::Raw("HTTP/1.1 301 X\r\nLocation: https://ours/whoami/?a=secret\r\nContent-Length: 0\r\n\r\n".into()),
            "it answered 301, a redirect to `https://ours/whoami/`, which is not followed",
        ),
    ] {
        let backend = Backend::start(move |_: &Asked| says.clone()).await;
        let auth = ForwardAuth::new(backend.url("/whoami/?key=secret")).unwrap();
        let server = start(front, auth).await;
        assert_eq!(status(&server, "Cookie: sessionid=the-secret\n").await, 503);
        let all = format!("{:?}", *log.lock());
        assert!(!all.contains("secret") && !all.contains("4711"), "{all}");
        let records = log.take("the backend did not identify a client");
        let [record] = &records[..] else { panic!("{records:?}") };
        assert!(record.field("problem").contains(wanted), "{record:?}");
        assert_eq!(record.field("url"), backend.url("/whoami/"));
        server.stop().await;
    }
}
