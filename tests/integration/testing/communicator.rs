//! `WebsocketCommunicator`: how long it waits, and its errors.

use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, LayerProbe, WebsocketCommunicator};
use serde::Deserialize;
use tokio::time::Instant;

use crate::testing::chatter::client;

#[event("talk.said")]
struct Said {
    text: String,
}

#[group("talk-{room}", events(Said))]
struct Room {
    room: String,
}

struct Talk;

#[consumer]
impl Talk {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        cx.group_add(&Room { room }).await?;
        Ok(Self)
    }

    #[handler("talk.said")]
    fn said(event: &Said) -> String {
        event.text.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn communicator_receives_nothing_for_exactly_its_wait_with_paused_clock() {
    let mut ann = client(&LayerProbe::new().process()).await;
    ann.send_to("later").await.unwrap();
    // The first of these 100 ms ends just after the first message, the second well before the other one.
    assert!(!ann.receive_nothing().await);
    assert_eq!(ann.receive_text_from().await.unwrap(), "at 99 ms");
    let since = Instant::now();
    assert!(ann.receive_nothing().await);
    assert_eq!(since.elapsed().as_millis(), 100, "measured on the paused clock");
    assert!(!ann.receive_nothing().await);
    assert_eq!(ann.receive_text_from().await.unwrap(), "at 200 ms");
}

#[tokio::test(start_paused = true)]
async fn communicator_error_shows_recent_frames() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Line {
        text: String,
    }
    let mut ann = client(&LayerProbe::new().process()).await;
    let nothing = ann.receive_from().await.unwrap_err();
    let nothing = nothing.to_string();
    // The line of the call above, and the client.
    assert!(nothing.starts_with(file!()), "{nothing}");
    assert!(
        nothing.ends_with(": client /ws/lobby: nothing arrived within 1s; nothing was sent or received before"),
        "{nothing}"
    );

    ann.send_to("{}").await.unwrap();
    let json = ann.receive_json_from::<Line>().await.unwrap_err();
    // As a failing test prints the error.
    let json = format!("{json:?}");
    let wanted = ": \"{}\" is not the expected JSON; before that:\n  sent     {}\n  received {}\n\
         caused by: missing field `text` at line 1 column 2";
    assert!(json.ends_with(wanted), "{json}");

    ann.send_to("bytes").await.unwrap();
    let bytes = ann.receive_text_from().await.unwrap_err().to_string();
    assert!(bytes.contains(": expected a text frame, got Binary(b\"b\"); before that:\n"), "{bytes}");
    assert!(bytes.ends_with("\n  sent     bytes\n  received 1 bytes: [98]"), "{bytes}");

    for number in 0..30 {
        ann.send_to(number.to_string()).await.unwrap();
        ann.receive_text_from().await.unwrap();
    }
    let closed = ann.receive_close().await.unwrap_err().to_string();
    assert!(closed.contains("before that:\n  (44 more)\n  sent     20\n  received 20\n"), "{closed}");
    ann.disconnect(CloseCode::NORMAL).await.unwrap();
    let gone = ann.send_to("hi").await.unwrap_err();
    assert!(matches!(gone, CommunicatorError::NotConnected { .. }), "{gone}");
}

#[tokio::test(start_paused = true)]
async fn communicator_disconnect_waits_for_end_of_connection() {
    let probe = LayerProbe::new();
    let layer = probe.process();
    let mut ann = client(&layer).await;
    ann.disconnect(CloseCode::NORMAL).await.unwrap();
    assert_eq!(layer.channels_here(), 0);
    let last = probe.sent().pop().expect("`disconnect` has run");
    assert_eq!(last.to_string(), "process 0 to group `chat_lobby`: {\"message\":\"gone\",\"type\":\"chat.message\"}");

    // Another connection may follow.
    ann.connect().await.unwrap();
    ann.send_to("again").await.unwrap();
    assert_eq!(ann.receive_text_from().await.unwrap(), "again");

    let mut hasty = client(&layer).await.patience(Duration::from_millis(500));
    let open = hasty.disconnect(CloseCode::NORMAL).await.unwrap_err();
    assert!(matches!(open, CommunicatorError::StillOpen { .. }), "{open}");
    assert!(open.to_string().contains(": the connection did not end within 500ms: `#[disconnect]`"), "{open}");
}

#[tokio::test(start_paused = true)]
async fn communicator_error_names_line_and_client() {
    let layer = LayerProbe::new().process();
    let mut ann = client(&layer).await.named("ann");
    let (line, error) = (line!(), ann.receive_text_from().await.unwrap_err());
    let wanted = format!("{}:{line}:", file!());
    assert!(error.to_string().starts_with(&wanted), "{error}");
    assert!(error.to_string().contains(": client `ann` (/ws/lobby): nothing arrived"), "{error}");
    let CommunicatorError::Nothing { call, .. } = error else { panic!("{error}") };
    assert_eq!((call.location().file(), call.location().line()), (file!(), line));
}

#[tokio::test]
async fn communicator_explains_path_without_route_or_slash() {
    let channels = Channels::builder().build().unwrap();
    let route = channels.route::<Talk>(warp::path!("ws" / String));
    for (path, wanted) in [
        (
            "/wss/lobby",
            "the connection was refused with status 404: no route of this communicator has this path; compare it",
        ),
        ("/ws/no%20room", "the connection was refused with status 404: a name in this request is not valid"),
        ("ws/lobby", "a path begins with a slash; write `/ws/lobby`"),
        ("", "a path begins with a slash; write `/`"),
        ("/ws/no room", "this path is not legal in a URL; percent-encode its text, such as `%20` for a space"),
    ] {
        let error = WebsocketCommunicator::new(route.clone(), path).connect().await.unwrap_err().to_string();
        assert!(error.starts_with(file!()) && error.contains(&format!(": client {path}: {wanted}")), "{error}");
    }
}
