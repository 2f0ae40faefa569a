//! Mailbox overflow: which event is dropped when a mailbox is full.

use channels_runtime::Consumer;
use channels_runtime::error::LayerError;
use channels_runtime::info::MailboxPolicy;
use channels_runtime::prelude::*;

use crate::connection::board::{App, Blink, Board, CAPACITY, Cursor, Leaving, Newest, Note, Oldest, ShownNote, texts};
use crate::support::until::until;

#[test]
fn mailbox_policy_is_in_consumer_info() {
    assert_eq!(Newest::INFO.mailbox, MailboxPolicy::DropNewest);
    assert_eq!(Oldest::INFO.mailbox, MailboxPolicy::DropOldest);
    assert_eq!(Leaving::INFO.mailbox, MailboxPolicy::Disconnect);
}

#[tokio::test(start_paused = true)]
async fn mailbox_drop_newest_keeps_oldest_events_and_returns_channel_full() {
    let app = App::new();
    let (mut client, name) = app.client::<Newest>().await;
    app.busy().await;
    for text in ["a", "b", "c", "d", "e"] {
        app.note(text).await;
    }
    let full = app.layer().send(&name, &Note { text: "f".into() }).await.unwrap_err();
    assert!(matches!(full, LayerError::ChannelFull { capacity: CAPACITY, .. }), "{full}");
    app.go_on(10);
    assert_eq!(texts(&mut client, 5).await, ["first", "a", "b", "c", "d"]);
    assert!(client.receive_nothing().await);
    // An event that returns an error to the sender is not counted as dropped.
    assert_eq!((app.stats().dropped_full, app.stats().dropped_oldest), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn mailbox_drop_oldest_keeps_newest_events() {
    let app = App::new();
    let (mut client, name) = app.client::<Oldest>().await;
    app.busy().await;
    for text in ["a", "b", "c", "d", "e"] {
        app.note(text).await;
    }
    // A frame is not an event: it keeps its place, does not count towards the capacity, and is not dropped.
    app.layer().group_send(&Board, &ShownNote { text: "shown".into() }).await.unwrap();
    app.layer().send(&name, &Note { text: "f".into() }).await.unwrap();
    app.go_on(10);
    assert_eq!(texts(&mut client, 6).await, ["first", "c", "d", "e", "shown", "f"]);
    assert!(client.receive_nothing().await);
    assert_eq!((app.stats().dropped_full, app.stats().dropped_oldest), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn mailbox_disconnect_closes_with_1013() {
    let app = App::new();
    let (mut client, name) = app.client::<Leaving>().await;
    app.busy().await;
    for text in ["a", "b", "c", "d"] {
        app.note(text).await;
    }
    assert_eq!(app.channels.stats().connections.behind, 0);
    for _ in 0..3 {
        let full = app.layer().send(&name, &Note { text: "e".into() }).await.unwrap_err();
        assert!(matches!(full, LayerError::ChannelFull { .. }), "{full}");
    }
    app.go_on(10);
    let (code, reason) = client.receive_close().await.unwrap();
    assert_eq!((code, reason.as_str()), (CloseCode::TRY_AGAIN_LATER, "too many events wait for this connection"));
    client.disconnect(CloseCode::NORMAL).await.unwrap();
    until("nothing of the connection remains", || app.layer().channels_here() + app.channels.connections() == 0).await;
    assert_eq!(app.channels.stats().connections.behind, 1, "the close is counted once");
}

#[tokio::test(start_paused = true)]
async fn volatile_event_is_dropped_first() {
    let app = App::new();
    let (mut client, name) = app.client::<Newest>().await;
    let blink = |text: &str| Blink { text: text.into() };
    app.busy().await;
    app.note("a").await;
    for text in ["blink 1", "blink 2"] {
        app.layer().group_send(&Board, &blink(text)).await.unwrap();
    }
    for text in ["b", "c"] {
        app.note(text).await;
    }
    // The mailbox is full, and one blink has been dropped. A newer blink replaces the last one.
    app.layer().send(&name, &blink("blink 3")).await.unwrap();
    assert_eq!(app.stats().dropped_volatile, 2);
    app.note("d").await;
    // Full of other events: a blink is dropped on arrival without an error.
    app.layer().send(&name, &blink("blink 4")).await.unwrap();
    assert_eq!((app.stats().dropped_volatile, app.stats().dropped_full), (4, 0));
    app.note("e").await;
    assert_eq!(app.stats().dropped_full, 1);
    app.go_on(10);
    assert_eq!(texts(&mut client, 5).await, ["first", "a", "b", "c", "d"]);
    assert!(client.receive_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn coalesced_events_keep_newest_per_key() {
    let app = App::new();
    let (mut client, _) = app.client::<Newest>().await;
    let cursor = |user: &str, at| Cursor { user: user.into(), at };
    app.busy().await;
    for at in 0..100 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
        if at == 50 {
            app.note("a").await;
        }
        app.layer().group_send(&Board, &cursor("bob", at)).await.unwrap();
    }
    app.go_on(10);
    assert_eq!(texts(&mut client, 4).await, ["first", "a", "ann@99", "bob@99"]);
    assert!(client.receive_nothing().await);
    let stats = app.stats();
    assert_eq!((stats.coalesced, stats.dropped_full, stats.dropped_volatile), (198, 0, 0));
    // Nothing waits, so nothing is replaced.
    app.go_on(10);
    for at in 0..3 {
        app.layer().group_send(&Board, &cursor("ann", at)).await.unwrap();
        assert_eq!(texts(&mut client, 1).await, [format!("ann@{at}")]);
    }
}
