//! Backpressure: frames for a client that reads slowly or not at all.

use std::time::Duration;

use channels_runtime::prelude::*;

use crate::connection::board::{App, Board, Newest, Note, ShownBlink, ShownCursor, ShownNote, texts};

/// Sends a blocked client more than its pipe holds (64 KiB).
async fn fill(app: &App) {
    for _ in 0..3 {
        app.layer().group_send(&Board, &ShownNote { text: "x".repeat(60_000) }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test(start_paused = true)]
async fn outbound_limit_defaults_to_one_mebibyte() {
    const LIMIT: usize = 1024 * 1024;
    let app = App::new();
    let (mut client, _) = app.client::<Newest>().await;
    let text = "x".repeat(1000);
    let mut waits = 0;
    while app.channels.stats().connections.too_slow == 0 {
        // The pipe has taken its part.
        tokio::time::sleep(Duration::from_millis(1)).await;
        waits = app.channels.inspect().backlog.bytes as usize;
        app.layer().group_send(&Board, &ShownNote { text: text.clone() }).await.unwrap();
    }
    assert!((LIMIT..LIMIT + 2000).contains(&waits), "{waits}");
    // A client that reads in the end receives all of it.
    while let Ok(Frame::Text(heard)) = client.receive_from().await {
        assert_eq!(heard, text);
    }
    assert_eq!(client.receive_close().await.unwrap().0, CloseCode::TRY_AGAIN_LATER);
}

#[tokio::test(start_paused = true)]
async fn volatile_frame_is_dropped_for_blocked_client() {
    let app = App::with(Channels::builder().outbound_limit(1 << 20));
    let (mut client, _) = app.client::<Newest>().await;
    fill(&app).await;
    // Far more than the limit, and the connection stays open.
    for number in 0..5000 {
        app.layer().group_send(&Board, &ShownBlink { text: format!("{number} {}", "x".repeat(1000)) }).await.unwrap();
    }
    app.layer().group_send(&Board, &ShownNote { text: "this one matters".into() }).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.receive_text_from().await.unwrap().len(), 60_000);
    }
    assert_eq!(texts(&mut client, 1).await, ["this one matters"]);
    assert_eq!((app.stats().dropped_volatile, app.channels.stats().connections.too_slow), (5000, 0));
    // Once the client reads, it receives volatile frames again.
    app.layer().group_send(&Board, &ShownBlink { text: "seen".into() }).await.unwrap();
    assert_eq!(texts(&mut client, 1).await, ["seen"]);
}

#[tokio::test(start_paused = true)]
async fn volatile_frames_are_dropped_before_connection_is_too_slow() {
    let app = App::with(Channels::builder().outbound_limit(64 * 1024));
    let (mut client, _) = app.client::<Newest>().await;
    app.busy().await;
    let (blink, note) = ("x".repeat(1000), "y".repeat(1000));
    for _ in 0..20 {
        app.layer().group_send(&Board, &ShownBlink { text: blink.clone() }).await.unwrap();
    }
    for _ in 0..55 {
        app.layer().group_send(&Board, &ShownNote { text: note.clone() }).await.unwrap();
    }
    assert_eq!((app.stats().dropped_volatile, app.channels.stats().connections.too_slow), (20, 0));
    // The handler's output comes first, though more than half of the queue waits for the handler to end.
    app.go_on(1);
    let heard = texts(&mut client, 56).await;
    assert_eq!((heard[0].as_str(), &heard[55]), ("first", &note));
    assert!(client.receive_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn coalesced_frames_keep_newest_per_key_for_blocked_client() {
    let app = App::with(Channels::builder().outbound_limit(1 << 20));
    let (mut client, _) = app.client::<Newest>().await;
    fill(&app).await;
    let cursor = |user: &str, at| ShownCursor { user: user.into(), at };
    // Ten megabytes, of which only two frames remain.
    for at in 0..5000 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
        if at == 2000 {
            app.layer().group_send(&Board, &ShownNote { text: "between".into() }).await.unwrap();
        }
        app.layer().group_send(&Board, &cursor("bob", at)).await.unwrap();
    }
    assert_eq!((app.stats().coalesced, app.channels.stats().connections.too_slow), (9998, 0));
    for _ in 0..3 {
        assert_eq!(client.receive_text_from().await.unwrap().len(), 60_000);
    }
    assert_eq!(texts(&mut client, 3).await, ["between", "ann@4999", "bob@4999"]);
    // A client that reads receives all of them.
    for at in 0..100 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
    }
    assert_eq!(texts(&mut client, 100).await[99], "ann@99");
}

#[tokio::test(start_paused = true)]
async fn coalesced_frame_is_sent_before_next_event_and_before_close() {
    for closes in [false, true] {
        let app = App::with(Channels::builder());
        let (mut client, _) = app.client::<Newest>().await;
        fill(&app).await;
        for at in 0..3 {
            app.layer().group_send(&Board, &ShownCursor { user: "ann".into(), at }).await.unwrap();
        }
        let layer = app.layer();
        if closes {
            let closing = app.channels.clone();
            tokio::spawn(async move { closing.shutdown(Duration::from_secs(10)).await });
        } else {
            app.go_on(1);
            layer.group_send(&Board, &Note { text: "an event".into() }).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        for _ in 0..3 {
            assert_eq!(client.receive_text_from().await.unwrap().len(), 60_000);
        }
        assert_eq!(texts(&mut client, 1).await, ["ann@2"]);
        if closes {
            assert_eq!(client.receive_close().await.unwrap().0, CloseCode::SERVICE_RESTART);
        } else {
            assert_eq!(texts(&mut client, 1).await, ["an event"]);
        }
    }
}
