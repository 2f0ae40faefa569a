//! Handlers without `self`: they run once per event and process.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde_json::json;

use crate::consumer::chat::{App, ChatMessage, ChatNote, ChatSlow, Line, room};

#[tokio::test]
async fn rendered_and_plain_events_keep_their_order() {
    let app = App::new();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = app.client("in");
        client.connect().await.unwrap();
        clients.push(client);
    }
    let layer = app.channels.channel_layer();
    let mut wanted = Vec::new();
    for number in 0..20 {
        layer.group_send(&room(), &ChatNote { text: format!("{number}") }).await.unwrap();
        layer.group_send(&room(), &ChatMessage { text: format!("{number}") }).await.unwrap();
        layer.group_send(&room(), &ChatSlow { text: format!("slow {number}") }).await.unwrap();
        layer.group_send(&room(), &ChatSlow { text: "nothing".into() }).await.unwrap();
        wanted.push(json!({"note": format!("{number}")}).to_string());
        wanted.push(json!({"line": format!("{number}")}).to_string());
        wanted.push(format!("slow {number}"));
    }
    for client in &mut clients {
        for wanted in &wanted {
            assert_eq!(client.receive_text_from().await.unwrap(), *wanted);
        }
    }
}

#[tokio::test]
async fn rendering_runs_once_for_all_members() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    #[derive(Default)]
    struct Counting;
    #[group("counted", events(ChatMessage, ChatSlow))]
    struct Counted;
    #[consumer]
    impl Counting {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&Counted).await?;
            Ok(Self)
        }
        #[handler("chat.message")]
        fn plain(event: &ChatMessage) -> String {
            MADE.fetch_add(1, SeqCst);
            event.text.clone()
        }
        #[handler("chat.slow")]
        async fn slow(event: &ChatSlow) -> String {
            tokio::task::yield_now().await;
            MADE.fetch_add(100, SeqCst);
            event.text.clone()
        }
    }
    let channels = Channels::builder().build().unwrap();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = WebsocketCommunicator::new(channels.route::<Counting>(warp::path!("ws")), "/ws");
        client.connect().await.unwrap();
        clients.push(client);
    }
    channels.channel_layer().group_send(&Counted, &ChatMessage { text: "a".into() }).await.unwrap();
    channels.channel_layer().group_send(&Counted, &ChatSlow { text: "b".into() }).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.receive_text_from().await.unwrap(), "a");
        assert_eq!(client.receive_text_from().await.unwrap(), "b");
    }
    assert_eq!(MADE.load(SeqCst), 101);
}

#[tokio::test]
async fn rendering_panic_affects_neither_sender_nor_member() {
    let app = App::new();
    let mut client = app.client("in");
    client.connect().await.unwrap();
    let layer = app.channels.channel_layer();
    layer.group_send(&room(), &ChatMessage { text: "panic".into() }).await.unwrap();
    layer.group_send(&room(), &ChatMessage { text: "fine".into() }).await.unwrap();
    assert_eq!(client.receive_json_from::<Line>().await.unwrap(), Line { line: "fine".into() });
    assert_eq!((layer.stats().failed, layer.stats().undecodable), (1, 0));
}

/// An error of a handler without `self` ends no connection: not the sender's, and not that of the member that renders. The next
/// event is rendered.
#[tokio::test]
async fn rendering_error_is_counted_and_ends_no_connection() {
    #[derive(Default)]
    struct Fallible;
    #[group("fallible", events(ChatMessage, ChatSlow))]
    struct Errors;
    fn line(text: &str) -> Result<Option<String>> {
        match text {
            "fail" => Err(Error::msg("as asked")),
            "nothing" => Ok(None),
            text => Ok(Some(text.to_owned())),
        }
    }
    #[consumer]
    impl Fallible {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&Errors).await?;
            Ok(Self)
        }
        #[handler("chat.message")]
        fn plain(event: &ChatMessage) -> Result<Option<String>> {
            line(&event.text)
        }
        #[handler("chat.slow")]
        async fn slow(event: &ChatSlow) -> Result<Json<f64>, std::num::ParseFloatError> {
            tokio::task::yield_now().await;
            event.text.parse().map(Json)
        }
    }
    let channels = Channels::builder().build().unwrap();
    let layer = channels.channel_layer();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = WebsocketCommunicator::new(channels.route::<Fallible>(warp::path!("ws")), "/ws");
        client.connect().await.unwrap();
        clients.push(client);
    }
    for text in ["fail", "nothing", "fail", "first"] {
        layer.group_send(&Errors, &ChatMessage { text: text.into() }).await.unwrap();
    }
    for text in ["no number", "2.5"] {
        layer.group_send(&Errors, &ChatSlow { text: text.into() }).await.unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.receive_text_from().await.unwrap(), "first");
        assert_eq!(client.receive_text_from().await.unwrap(), "2.5");
    }
    assert_eq!((layer.stats().failed, channels.connections()), (3, 3), "an error counts once, not for each member");
}

#[tokio::test]
async fn rendering_can_use_the_layer() {
    static LAYER: std::sync::OnceLock<ChannelLayer> = std::sync::OnceLock::new();
    #[derive(Default)]
    struct Counting;
    #[group("census", events(ChatMessage))]
    struct Census;
    #[consumer]
    impl Counting {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&Census).await?;
            Ok(Self)
        }
        #[handler("chat.message")]
        fn message(_event: &ChatMessage) -> String {
            let layer = LAYER.get().unwrap();
            format!("{} of {}", layer.members_here(&Census).unwrap(), layer.channels_here())
        }
    }
    let channels = Channels::builder().build().unwrap();
    let layer = channels.channel_layer();
    LAYER.set(layer.clone()).unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Counting>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let sent = layer.group_send(&Census, &ChatMessage { text: String::new() });
    tokio::time::timeout(Duration::from_secs(5), sent).await.expect("the send does not deadlock").unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "1 of 1");
}
