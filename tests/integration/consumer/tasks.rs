//! Spawned tasks of a consumer. `session::termination` tests that they end with the connection.

use channels_runtime::prelude::*;
use tokio::time::advance;

use crate::consumer::timers::{App, SECOND, begin, living, say};
use crate::support::until::until;

#[tokio::test(start_paused = true)]
async fn rejected_connection_cancels_its_tasks() {
    let app = App::new();
    assert!(app.new_client().header("x-refuse", "yes").connect().await.is_err());
    until("the tasks end", || app.running() == 0).await;
    advance(5 * SECOND).await;
    assert_eq!(app.channels.channel_layer().channels_here(), 0);
    assert_eq!(app.channels.channel_layer().stats().delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn failed_or_panicked_task_keeps_connection_open() {
    let app = App::new();
    let mut client = app.client().await;
    for how in ["panic", "fail", "end"] {
        begin(&mut client, how, how, 0).await;
    }
    until("the tasks end", || app.running() == 0).await;
    assert_eq!(living(&mut client).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn task_limit_rejects_the_101st_task() {
    let app = App::new();
    let mut client = app.client().await;
    for _ in 0..99 {
        begin(&mut client, "hang", "work", 0).await;
    }
    begin(&mut client, "after", "the last", 3_600_000).await;
    assert_eq!(living(&mut client).await.len(), 100);
    for how in ["hang", "after", "every"] {
        let begin = serde_json::json!({"type": "begin", "how": how, "name": "one more", "ms": 1});
        client.send_json_to(&begin).await.unwrap();
        let refused = client.receive_text_from().await.unwrap();
        assert!(refused.starts_with("this consumer already has 100 timers and tasks"), "{refused}");
    }
    assert_eq!(app.running(), 99);
    // An ended task makes space for another one.
    say(&mut client, serde_json::json!({"type": "cancel", "name": "the last"})).await;
    begin(&mut client, "hang", "another", 0).await;
    assert_eq!(living(&mut client).await.len(), 100);
    client.disconnect(CloseCode::NORMAL).await.unwrap();
    until("the tasks end", || app.running() == 0).await;
}
