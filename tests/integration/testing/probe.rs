//! `LayerProbe`: the messages it records, the processes it simulates, and the order that a seed gives.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::testing::{LayerProbe, Target, WebsocketCommunicator};
use warp::Filter;

use crate::testing::chatter::{ChatMessage, Kick, RENDERED, client, lobby};

/// Returns the panic message of a failing test.
async fn complaint(failing: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(failing).await.expect_err("the test fails").into_panic();
    *panic.downcast::<String>().expect("the panic has a text")
}

#[tokio::test(start_paused = true)]
async fn probe_returns_sent_events_in_order() {
    let probe = LayerProbe::new();
    let layer = probe.process();
    let mut ann = client(&layer).await;
    ann.send_to("one").await.unwrap();
    ann.send_to("two").await.unwrap();
    // Both assertions wait: the consumer has not run yet.
    assert_eq!(probe.assert_sent::<ChatMessage>(&lobby()).await, ChatMessage { message: "one".into() });
    assert_eq!(probe.assert_sent::<ChatMessage>(&lobby()).await, ChatMessage { message: "two".into() });
    probe.assert_nothing_more().await;

    ann.receive_text_from().await.unwrap();
    ann.receive_text_from().await.unwrap();
    ann.send_to("name").await.unwrap();
    let name = ChannelName::new(ann.receive_text_from().await.unwrap()).unwrap();
    layer.send(&name, &Kick { reason: "rude".into() }).await.unwrap();
    assert_eq!(probe.assert_sent_to::<Kick>(&name).await, Kick { reason: "rude".into() });
    let (code, reason) = ann.receive_close().await.unwrap();
    assert_eq!((code, reason.as_str()), (CloseCode::NORMAL, "rude"));

    let sent = probe.sent();
    let to: Vec<_> = sent.iter().map(|sent| sent.to.clone()).collect();
    let room = Target::Group(lobby().name().unwrap());
    // `disconnect` sends the last one. It has run when the close is received.
    assert_eq!(to, [room.clone(), room.clone(), Target::Channel(name), room]);
    assert_eq!(sent[3].envelope.decode::<ChatMessage>().unwrap().message, "gone");
}

#[tokio::test(start_paused = true)]
async fn probe_error_lists_sent_events() {
    let complains = complaint(async {
        LayerProbe::new().assert_sent::<Kick>(&lobby()).await;
    });
    let said = complains.await;
    let (sentence, rest) = said.split_once(", expected at ").unwrap();
    assert_eq!(sentence, "no `chat.kick` was sent to group `chat_lobby`");
    assert!(rest.starts_with(&file!().replace('\\', "/")), "{rest}");
    assert!(rest.ends_with("; nothing was sent"), "{rest}");

    let probe = LayerProbe::new();
    let layer = probe.process();
    layer.group_send(&lobby(), &ChatMessage { message: "hi".into() }).await.unwrap();
    layer.group_send_raw("chat_lobby", serde_json::json!({"type": "chat.kick"})).await.unwrap();
    probe.process().send(&ChannelName::new("worker").unwrap(), &Kick { reason: "r".into() }).await.unwrap();
    probe.assert_sent::<ChatMessage>(&lobby()).await;
    let list = "; sent messages:\n  \
        process 0 to group `chat_lobby`: {\"message\":\"hi\",\"type\":\"chat.message\"} (returned by an assertion)\n  \
        process 0 to group `chat_lobby`: {\"type\":\"chat.kick\"}";
    let last = "\n  process 1 to channel `worker`: {\"reason\":\"r\",\"type\":\"chat.kick\"}";

    let asked = probe.clone();
    let said = complaint(async move { asked.assert_nothing_more().await }).await;
    assert!(said.starts_with("other messages were sent before "), "{said}");
    assert!(said.ends_with(&format!("{list}{last}")), "{said}");

    // The event was sent, but does not fit its type.
    let asked = probe.clone();
    let said = complaint(async move { _ = asked.assert_sent::<Kick>(&lobby()).await }).await;
    assert!(said.starts_with("the event that was sent to group `chat_lobby` does not fit, expected at "), "{said}");
    assert!(said.contains("missing field `reason`"), "{said}");
    assert!(said.ends_with(&format!("{list} (returned by an assertion){last}")), "{said}");
}

#[tokio::test(start_paused = true)]
async fn probe_processes_share_messages_only() {
    let probe = LayerProbe::new();
    let (here, there) = (probe.process(), probe.process());
    let (mut ann, mut bob, mut cid) = (client(&here).await, client(&there).await, client(&there).await);
    assert_eq!((here.members_here(&lobby()).unwrap(), there.members_here(&lobby()).unwrap()), (1, 2));

    ann.send_to("count me").await.unwrap();
    for client in [&mut ann, &mut bob, &mut cid] {
        assert_eq!(client.receive_text_from().await.unwrap(), "count me");
        assert!(client.receive_nothing().await);
    }
    assert_eq!(RENDERED.load(SeqCst), 2, "once in each process");

    bob.send_to("not me").await.unwrap();
    for client in [&mut ann, &mut cid] {
        assert_eq!(client.receive_text_from().await.unwrap(), "not me");
    }
    assert!(bob.receive_nothing().await);
    assert!(probe.sent()[1].but.is_some(), "{probe:?}");

    // A channel of another process can be sent to, but cannot join a group here.
    bob.send_to("name").await.unwrap();
    let name = ChannelName::new(bob.receive_text_from().await.unwrap()).unwrap();
    let joined = here.group_add(&lobby(), &name).await;
    assert!(matches!(joined, Err(LayerError::NotLocal { .. })), "{joined:?}");
    here.send(&name, &ChatMessage { message: "only you".into() }).await.unwrap();
    assert_eq!(bob.receive_text_from().await.unwrap(), "only you");
    assert!(cid.receive_nothing().await);

    here.ready(Duration::from_secs(1)).await.unwrap();
    here.close().await;
    assert!(matches!(here.group_send_raw("g", serde_json::json!({"type": "a"})).await, Err(LayerError::Closed)));
    assert_eq!(bob.send_to("still here").await.map(|()| there.members_here(&lobby()).unwrap()).unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn probe_full_channel_behaves_as_on_real_layer() {
    let config = LayerConfig::default().capacity(1);
    let probe = LayerProbe::new();
    let (here, there) = (probe.process(), probe.process_with(config.clone()));
    let channel = there.new_channel().await.unwrap();
    here.send(channel.name(), &Kick { reason: "1".into() }).await.unwrap();
    let full = here.send(channel.name(), &Kick { reason: "2".into() }).await;
    assert!(matches!(full, Err(LayerError::ChannelFull { capacity: 1, .. })), "{full:?}");

    let probe = LayerProbe::with_seed(1);
    let (here, there) = (probe.process(), probe.process_with(config));
    let channel = there.new_channel().await.unwrap();
    for reason in ["1", "2"] {
        here.send(channel.name(), &Kick { reason: reason.into() }).await.unwrap();
    }
    // As on pub/sub, the sender gets no error; the drop is counted on arrival.
    while there.stats().dropped_full == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(channel.receive().await.unwrap().decode::<Kick>().unwrap().reason, "1");
}

/// One seat, which each consumer claims when it receives the event: the order depends on when each process receives it.
struct Claimer;

#[event("seat.free")]
struct Free {}

#[event("seat.claim")]
struct Claim {
    by: u64,
}

#[group("seats", events(Free))]
struct Seats;

#[group("claims", events(Claim))]
struct Claims;

struct By(u64);

#[consumer]
impl Claimer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, _by: u64) -> Result<Self, Reject> {
        cx.group_add(&Seats).await?;
        Ok(Self)
    }

    #[handler("seat.free")]
    async fn free(&mut self, cx: &mut Context<Self>, _: &Free) -> Result<()> {
        let By(by) = *cx.scope().user::<By>().expect("each client has a number");
        cx.group_send(&Claims, &Claim { by }).await
    }
}

/// Returns the order of the claims of nine clients on three processes.
fn claims(seed: u64) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let probe = LayerProbe::with_seed(seed);
        let layers = [probe.process(), probe.process(), probe.process()];
        let mut clients = Vec::new();
        for by in 0..9 {
            let layer = layers[by as usize % 3].clone();
            let channels = Channels::builder()
                .layer(layer)
                .authenticator(move |_| async move { Ok(Some(By(by))) })
                .build()
                .unwrap();
            let route = channels.route::<Claimer>(warp::path!("ws" / u64));
            let mut client = WebsocketCommunicator::new(route.boxed(), format!("/ws/{by}"));
            client.connect().await.unwrap();
            clients.push(client);
        }
        layers[0].group_send(&Seats, &Free {}).await.unwrap();
        probe.assert_sent::<Free>(&Seats).await;
        let mut order = Vec::new();
        for _ in 0..9 {
            order.push(probe.assert_sent::<Claim>(&Claims).await.by);
        }
        probe.assert_nothing_more().await;
        order
    })
}

#[test]
fn probe_seed_determines_delivery_order() {
    let orders: Vec<_> = (0..12).map(claims).collect();
    for (seed, order) in orders.iter().enumerate() {
        assert_eq!(claims(seed as u64), *order, "seed {seed}");
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, (0..9).collect::<Vec<_>>(), "seed {seed}");
    }
    let mut different = orders.clone();
    different.sort();
    different.dedup();
    // Three processes receive in one of six orders, and there are more orders if claims fall in between.
    assert!(different.len() >= 4, "{orders:?}");
}

#[tokio::test(start_paused = true)]
async fn probe_keeps_order_of_one_sender_under_every_seed() {
    for seed in 0..8 {
        let probe = LayerProbe::with_seed(seed);
        let (here, there) = (probe.process(), probe.process());
        let (mut ann, mut bob) = (client(&here).await, client(&there).await);
        for number in 0..20 {
            ann.send_to(number.to_string()).await.unwrap();
        }
        for number in 0..20 {
            assert_eq!(bob.receive_text_from().await.unwrap(), number.to_string(), "seed {seed}");
            assert_eq!(ann.receive_text_from().await.unwrap(), number.to_string(), "seed {seed}");
        }
    }
}

/// Without a paused clock, this waits for silence.
#[tokio::test]
async fn probe_works_without_paused_clock() {
    let probe = LayerProbe::with_seed(7);
    let (here, there) = (probe.process(), probe.process());
    let (mut ann, mut bob) = (client(&here).await, client(&there).await);
    ann.send_to("hi").await.unwrap();
    assert_eq!(bob.receive_text_from().await.unwrap(), "hi");
    probe.assert_sent::<ChatMessage>(&lobby()).await;
    probe.assert_nothing_more().await;
    assert!(bob.receive_nothing().await);
    assert_eq!(Arc::new(probe).sent().len(), 1);
}
