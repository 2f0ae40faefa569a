//! Compression (RFC 7692) over real sockets.

use std::sync::Arc;

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use warp::Filter;

use crate::support::app::{Front, Server, on_both_servers, user};
use crate::support::client::send_request;
use crate::support::deflate_client::{DeflateClient, OFFER, deflated, frame};
use crate::support::echo::Echo;
use crate::support::gate::Gate;
use crate::support::until::{until, within};

on_both_servers!(
    offer_is_accepted_and_messages_are_compressed_in_both_directions,
    client_without_offer_and_server_without_compression_stay_plain,
    invalid_compressed_messages_close_with_their_codes,
);

/// A text that compresses well and whose every part differs.
fn prose(size: usize) -> String {
    let words = (0..).map(|number| format!("{{\"number\": {number}, \"text\": \"a row of the table\"}} "));
    let mut text: String = words.take(size / 30 + 1).collect();
    text.truncate(size);
    text
}

fn compressing() -> Channels {
    Channels::builder().compression(256).build().unwrap()
}

async fn offer_is_accepted_and_messages_are_compressed_in_both_directions(front: Front) {
    let channels = compressing();
    let server = Server::start_consumer::<Echo>(front, &channels).await;
    let mut client = DeflateClient::connect(server.address, "/ws", OFFER).await;
    let response = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(client.extensions.as_deref(), Some(response));
    for size in [0, 1, 100, 1023, 1024, 20_000, 100_000, 900_000] {
        // A plain message is legal, too.
        for is_compressed in [true, false] {
            let text = prose(size);
            if is_compressed {
                client.send_compressed(&text).await
            } else {
                client.send_text(&text).await
            }
            let echoed = client.next().await;
            assert_eq!((echoed.text, echoed.is_compressed), (text, size >= 1024), "{size} bytes");
        }
    }
    let stats = channels.stats().compression;
    assert_eq!((stats.accepted, stats.declined, stats.inflated, stats.compressed), (1, 0, 8, 8));
    assert_eq!(stats.inflated_bytes, 1 + 100 + 1023 + 1024 + 20_000 + 100_000 + 900_000);
    assert!(stats.compressed_bytes < stats.plain_bytes / 3, "{stats:?}");
    drop(client);
    server.stop().await;
}

async fn client_without_offer_and_server_without_compression_stay_plain(front: Front) {
    let plain = Channels::builder().build().unwrap();
    for (channels, headers) in [(compressing(), ""), (plain, OFFER)] {
        let server = Server::start_consumer::<Echo>(front, &channels).await;
        let mut client = DeflateClient::connect(server.address, "/ws", headers).await;
        assert_eq!(client.extensions, None);
        client.send_text(&prose(20_000)).await;
        assert_eq!(client.next().await.size, 20_000);
        client.send_compressed("not negotiated").await;
        assert_eq!(client.close_code().await, 1002);
        assert_eq!(channels.stats().compression, Default::default());
        drop(client);
        server.stop().await;
    }
}

async fn invalid_compressed_messages_close_with_their_codes(front: Front) {
    let channels = Channels::builder().compression(256).max_message_size(50_000).build().unwrap();
    let server = Server::start_consumer::<Echo>(front, &channels).await;
    // Each one small, and large enough for a thread for blocking work.
    let stored = |size: usize, byte: u8| {
        let length = u16::try_from(size).unwrap().to_le_bytes();
        let inverse = u16::try_from(size).map(|size| !size).unwrap().to_le_bytes();
        [&[0][..], &length, &inverse, &vec![byte; size], &[0]].concat()
    };
    let without_last_byte = |mut message: Vec<u8>| {
        message.pop();
        message
    };
    let mut garbage = stored(8000, b'x');
    garbage.extend([0xff; 20]);
    for (name, first, payload, code) in [
        ("garbage", 0xc1, vec![0xff; 20], 1007),
        ("large garbage", 0xc1, garbage, 1007),
        ("a message that needs the last one", 0xc1, vec![0xf2, 0x00, 0x11, 0x00, 0x00], 1007),
        ("a message without its last byte", 0xc1, without_last_byte(deflated(b"hello, hello, hello")), 1007),
        ("a large message without its last byte", 0xc2, without_last_byte(stored(8000, b'x')), 1007),
        ("no UTF-8", 0xc1, stored(1, 0xff), 1007),
        ("much that is not UTF-8", 0xc1, stored(8000, 0xff), 1007),
        ("a bomb", 0xc2, deflated(&vec![0; 50_001]), 1009),
        ("a message beyond the limit", 0xc2, [stored(30_000, 1), stored(20_001, 1)].concat(), 1009),
        ("more compressed bytes than the limit", 0xc2, vec![0; 50_001], 1009),
        ("a compressed ping", 0xc9, vec![], 1002),
        ("a compressed continuation", 0xc0, vec![0], 1002),
    ] {
        let mut client = DeflateClient::connect(server.address, "/ws", OFFER).await;
        client.send(first, &payload).await;
        assert_eq!(client.close_code().await, code, "{name}");
        let mut rest = Vec::new();
        within(client.socket.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "{name}: the close frame is the last one");
    }
    let stats = channels.stats().compression;
    assert_eq!((stats.invalid, stats.too_big, stats.inflated), (5, 1, 2));
    // The largest message is accepted.
    let mut client = DeflateClient::connect(server.address, "/ws", OFFER).await;
    client.send(0xc2, &deflated(&vec![0; 50_000])).await;
    assert_eq!(client.next_frame().await.0, 0xc2);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn large_and_small_messages_keep_their_order() {
    let server = Server::start_consumer::<Echo>(Front::Ours, &compressing()).await;
    let mut client = DeflateClient::connect(server.address, "/ws", OFFER).await;
    // Does not compress, so it is large on the wire.
    let random: Vec<u8> = (0..10_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let mut all = Vec::new();
    for round in 0..20_u8 {
        all.extend(frame(0xc2, &deflated(&random)));
        all.extend(frame(0x82, &[round]));
        all.extend(frame(0xc2, &deflated(&[round, round])));
    }
    tokio::io::AsyncWriteExt::write_all(&mut client.socket, &all).await.unwrap();
    for round in 0..20_u8 {
        assert_eq!(client.next_frame().await.1, random);
        assert_eq!(client.next_frame().await.1, [round]);
        assert_eq!(client.next_frame().await.1, [round, round]);
    }
    server.stop().await;
}

#[tokio::test]
async fn inflated_bytes_count_against_rate() {
    let channels = Channels::builder().compression(256).inbound_limit(1000, 2_000_000).build().unwrap();
    let server = Server::start_consumer::<Echo>(Front::Ours, &channels).await;
    let mut client = DeflateClient::connect(server.address, "/ws", OFFER).await;
    let bomb = deflated(&vec![0; 1_000_000]);
    assert!(bomb.len() < 2000);
    for _ in 0..3 {
        client.send(0xc2, &bomb).await;
        client.next_frame().await;
    }
    assert!(channels.stats().connections.throttled > 0);
    // Empty blocks cost, although they contain nothing.
    let before = channels.stats().connections.throttled;
    client.send(0xc2, &[0, 0, 0, 0xff, 0xff].repeat(1000)).await;
    assert_eq!(client.next_frame().await, (0x82, vec![]));
    client.send_text("next").await;
    assert_eq!(client.next().await.text, "next");
    assert!(channels.stats().connections.throttled > before);
    server.stop().await;
}

#[event("table.row")]
struct Row {
    text: String,
}

#[event("table.secret", uncompressed)]
struct Secret {
    text: String,
}

#[event("table.slow")]
struct Slow {
    text: String,
}

#[event("table.slow_secret", uncompressed)]
struct SlowSecret {
    text: String,
}

#[event("table.own")]
struct Own {
    text: String,
}

#[event("table.own_secret", uncompressed)]
struct OwnSecret {
    text: String,
}

#[group("table", events(Row, Secret, Slow, SlowSecret, Own, OwnSecret))]
struct Table;

/// Shows the events of the group, with handlers of all kinds.
struct Reader;

#[consumer]
impl Reader {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Table).await?;
        Ok(Self)
    }

    #[handler("table.row")]
    fn row(event: &Row) -> String {
        event.text.clone()
    }

    #[handler("table.secret")]
    fn secret(event: &Secret) -> String {
        event.text.clone()
    }

    #[handler("table.slow")]
    async fn slow(event: &Slow) -> String {
        tokio::task::yield_now().await;
        event.text.clone()
    }

    #[handler("table.slow_secret")]
    async fn slow_secret(event: &SlowSecret) -> String {
        event.text.clone()
    }

    #[handler("table.own")]
    async fn own(&mut self, cx: &mut Context<Self>, event: &Own) -> Result<()> {
        cx.send_text(event.text.as_str()).await
    }

    #[handler("table.own_secret")]
    async fn own_secret(&mut self, cx: &mut Context<Self>, event: &OwnSecret) -> Result<()> {
        cx.send_text(event.text.as_str()).await
    }
}

/// A consumer whose messages are never compressed.
struct PlainReader;

#[consumer(uncompressed)]
impl PlainReader {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Table).await?;
        Ok(Self)
    }

    #[handler("table.row")]
    fn row(event: &Row) -> String {
        event.text.clone()
    }

    #[handler("table.secret")]
    fn secret(event: &Secret) -> String {
        event.text.clone()
    }

    #[handler("table.slow")]
    fn slow(event: &Slow) -> String {
        event.text.clone()
    }

    #[handler("table.slow_secret")]
    fn slow_secret(event: &SlowSecret) -> String {
        event.text.clone()
    }

    #[handler("table.own")]
    fn own(event: &Own) -> String {
        event.text.clone()
    }

    #[handler("table.own_secret")]
    fn own_secret(event: &OwnSecret) -> String {
        event.text.clone()
    }
}

/// Serves `/reader` and `/plain`.
async fn serve_readers(channels: &Channels) -> Server {
    let reader = channels.route::<Reader>(warp::path!("reader"));
    Server::start(channels, reader.or(channels.route::<PlainReader>(warp::path!("plain")))).await
}

async fn readers(server: &Server, path: &str, headers: &str, count: usize) -> Vec<DeflateClient> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(DeflateClient::connect(server.address, path, headers).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_is_compressed_once_and_each_member_gets_its_form() {
    let channels = compressing();
    let server = serve_readers(&channels).await;
    let layer = channels.channel_layer();
    let window = |bits: u8| format!("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={bits}\n");
    let mut all = readers(&server, "/reader", OFFER, 20).await;
    let mut nine = readers(&server, "/reader", &window(9), 2).await;
    let mut plain = readers(&server, "/reader", "", 2).await;
    let mut opted_out = readers(&server, "/plain", OFFER, 2).await;
    assert!(nine[0].extensions.as_deref().unwrap().ends_with("; server_max_window_bits=9"));
    assert_eq!(opted_out[0].extensions, None);
    for (size, in_large, in_nine) in [(200, false, false), (400, true, true), (20_000, true, false)] {
        let before = channels.stats().compression.compressed;
        let text = prose(size);
        layer.group_send(&Table, &Row { text: text.clone() }).await.unwrap();
        for (members, is_compressed) in
            [(&mut all, in_large), (&mut nine, in_nine), (&mut plain, false), (&mut opted_out, false)]
        {
            for member in members {
                let received = member.next().await;
                assert_eq!((&received.text, received.is_compressed), (&text, is_compressed), "{size} bytes");
            }
        }
        assert_eq!(channels.stats().compression.compressed - before, u64::from(in_large), "{size} bytes");
    }
    // An async handler without `self` runs in the task of the first member, and is compressed there once.
    let before = channels.stats().compression.compressed;
    let text = prose(20_000);
    layer.group_send(&Table, &Slow { text: text.clone() }).await.unwrap();
    for member in all.iter_mut().chain(&mut nine).chain(&mut plain).chain(&mut opted_out) {
        assert_eq!(member.next().await.text, text);
    }
    assert_eq!(channels.stats().compression.compressed - before, 1);
    // A handler with `&mut self` sends its own message.
    layer.group_send(&Table, &Own { text: text.clone() }).await.unwrap();
    for member in all.iter_mut().chain(&mut nine).chain(&mut plain).chain(&mut opted_out) {
        assert_eq!(member.next().await.text, text);
    }
    assert_eq!(channels.stats().compression.compressed - before, 1 + 20);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_to_few_members_or_one_channel_is_compressed_from_one_kibibyte() {
    let channels = compressing();
    let server = serve_readers(&channels).await;
    let mut members = readers(&server, "/reader", OFFER, 16).await;
    let layer = channels.channel_layer();
    for (size, is_compressed) in [(1000, false), (1100, true)] {
        layer.group_send(&Table, &Row { text: prose(size) }).await.unwrap();
        for member in &mut members {
            assert_eq!(member.next().await.is_compressed, is_compressed, "{size} bytes");
        }
    }
    // Another member makes them many. After it has left, they are few.
    let mut last = readers(&server, "/reader", OFFER, 1).await.pop().unwrap();
    layer.group_send(&Table, &Row { text: prose(300) }).await.unwrap();
    assert!(members[0].next().await.is_compressed && last.next().await.is_compressed);
    drop(last);
    until("the last one has left", || channels.connections() == 16).await;
    layer.group_send(&Table, &Row { text: prose(300) }).await.unwrap();
    assert!(!members[0].next().await.is_compressed);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncompressed_events_stay_plain_with_handlers_of_all_kinds() {
    let channels = compressing();
    let server = serve_readers(&channels).await;
    let mut members = readers(&server, "/reader", OFFER, 20).await;
    let layer = channels.channel_layer();
    let text = prose(20_000);
    for _ in 0..2 {
        layer.group_send(&Table, &Secret { text: text.clone() }).await.unwrap();
        layer.group_send(&Table, &SlowSecret { text: text.clone() }).await.unwrap();
        layer.group_send(&Table, &OwnSecret { text: text.clone() }).await.unwrap();
        // The next event is compressed again.
        layer.group_send(&Table, &Own { text: text.clone() }).await.unwrap();
        for member in &mut members {
            for is_compressed in [false, false, false, true] {
                let received = member.next().await;
                assert_eq!((&received.text, received.is_compressed), (&text, is_compressed));
            }
        }
    }
    server.stop().await;
}

/// The query says what `connect` does: sends, turns compression off, and sends again.
#[derive(Default)]
struct Choosing;

#[consumer]
impl Choosing {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let query = cx.scope().query_string().unwrap_or_default().to_owned();
        for word in query.split('+') {
            match word {
                "send" => cx.send_text(prose(5000)).await?,
                "off" => cx.no_compression(),
                _ => {}
            }
        }
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        if text == "off" {
            cx.no_compression();
        }
        cx.send_text(prose(5000)).await
    }
}

#[tokio::test]
async fn connect_turns_compression_off() {
    let channels = compressing();
    let server = Server::start(&channels, channels.route::<Choosing>(warp::path!("ws"))).await;
    for (query, is_negotiated, sent) in [
        ("", true, &[][..]),
        ("send", true, &[true]),
        ("off+send", false, &[false]),
        // What was compressed before can only be read by a client that knows of it.
        ("send+off+send", true, &[true, false]),
    ] {
        let mut client = DeflateClient::connect(server.address, &format!("/ws?{query}"), OFFER).await;
        assert_eq!(client.extensions.is_some(), is_negotiated, "{query}");
        for is_compressed in sent {
            assert_eq!(client.next().await.is_compressed, *is_compressed, "{query}");
        }
        let is_off = query.contains("off");
        client.send_text("on").await;
        assert_eq!(client.next().await.is_compressed, !is_off, "{query}");
        if is_negotiated {
            client.send_compressed("a client that was accepted may still compress").await;
            assert_eq!(client.next().await.is_compressed, !is_off, "{query}");
        }
        client.send_text("off").await;
        assert!(!client.next().await.is_compressed, "{query}");
    }
    let stats = channels.stats().compression;
    assert_eq!((stats.accepted, stats.declined), (3, 1));
    server.stop().await;
}

#[tokio::test]
async fn unacceptable_offers_are_counted_and_stay_plain() {
    let channels = compressing();
    let server = Server::start_consumer::<Echo>(Front::Ours, &channels).await;
    let netty = "Sec-WebSocket-Extensions: permessage-deflate;client_max_window_bits,deflate-frame\n";
    let safari = "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                  Version/15.2 Safari/605.1.15\nSec-WebSocket-Extensions: permessage-deflate\n";
    for headers in ["Sec-WebSocket-Extensions: permessage-deflate; mystery\n", netty, safari] {
        let mut client = DeflateClient::connect(server.address, "/ws", headers).await;
        assert_eq!(client.extensions, None, "{headers}");
        client.send_text(&prose(5000)).await;
        assert!(!client.next().await.is_compressed);
    }
    assert_eq!(channels.stats().compression.declined, 3);
    server.stop().await;
}

/// Sets the header of the extension itself.
struct Setting;

#[consumer]
impl Setting {
    #[connect]
    fn connect(cx: &mut Context<Self>) -> Self {
        let value = warp::http::HeaderValue::from_static("permessage-deflate; server_max_window_bits=8");
        cx.append_header(warp::http::header::SEC_WEBSOCKET_EXTENSIONS, value);
        Self
    }
}

#[tokio::test]
async fn header_of_consumer_does_not_negotiate() {
    for (channels, wanted) in [(Channels::builder().build().unwrap(), 0), (compressing(), 1)] {
        let server = Server::start_consumer::<Setting>(Front::Ours, &channels).await;
        let response = server.handshake(&format!("Host: {}\n{OFFER}", server.address)).await;
        let lines: Vec<_> =
            response.head.lines().filter(|line| line.to_lowercase().starts_with("sec-websocket-extensions")).collect();
        assert_eq!(lines.len(), wanted, "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains("server_max_window_bits")), "{lines:?}");
        drop(response);
        server.stop().await;
    }
}

#[tokio::test]
async fn burst_from_one_client_arrives_in_order_and_compressed() {
    /// Sends each text to the group.
    struct Talker;

    #[consumer]
    impl Talker {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&Rows).await?;
            Ok(Self)
        }

        #[receive]
        async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
            cx.group_send(&Rows, &Row { text }).await
        }

        #[handler("table.row")]
        fn row(event: &Row) -> String {
            event.text.clone()
        }
    }

    #[group("rows", events(Row))]
    struct Rows;

    let channels = compressing();
    let server = Server::start(&channels, channels.route::<Talker>(warp::path!("ws"))).await;
    let mut members = readers(&server, "/ws", OFFER, 17).await;
    let nine = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\n";
    members.extend(readers(&server, "/ws", nine, 1).await);
    members.extend(readers(&server, "/ws", "", 1).await);
    // In one write, so that the server joins their messages.
    let texts: Vec<String> = (0..30).map(|number| format!("{number:03} {}", prose(number * 20))).collect();
    let burst: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
    tokio::io::AsyncWriteExt::write_all(&mut members[0].socket, &burst).await.unwrap();
    for (at, member) in members.iter_mut().enumerate() {
        for text in &texts {
            let received = member.next().await;
            assert_eq!(received.text, *text);
            if at < 17 {
                assert_eq!(received.is_compressed, text.len() > 256, "{} bytes", text.len());
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn slow_client_is_closed_by_the_bytes_that_it_must_read() {
    let channels = Channels::builder().compression(256).outbound_limit(100_000).build().unwrap();
    let server = serve_readers(&channels).await;
    let layer = channels.channel_layer();
    let slow = readers(&server, "/reader", OFFER, 1).await.pop().unwrap();
    let mut reading = readers(&server, "/reader", OFFER, 1).await.pop().unwrap();
    let mut sent = 0;
    let text = prose(100_000);
    while channels.stats().connections.too_slow == 0 {
        layer.group_send(&Table, &Row { text: text.clone() }).await.unwrap();
        assert!(reading.next().await.is_compressed);
        sent += 1;
        assert!(sent < 10_000, "the queue is bounded");
    }
    assert_eq!(channels.stats().connections.too_slow, 1);
    drop(slow);
    server.stop().await;
}

#[event("table.cursor", coalesce = "user")]
struct Cursor {
    user: String,
    at: u32,
    text: String,
}

#[event("table.hold")]
struct Hold {
    text: String,
}

#[group("waiting", events(Row, Cursor, Hold))]
struct Waiting;

/// Waits at a gate in its own handler, so that the frames of the group wait for it.
struct WaitingReader(Arc<Gate>);

#[consumer]
impl WaitingReader {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Waiting).await?;
        Ok(Self(cx.scope().user::<Arc<Gate>>().ok_or(Reject::unauthorized())?.clone()))
    }

    #[handler("table.hold")]
    async fn hold(&mut self, cx: &mut Context<Self>, event: &Hold) -> Result<()> {
        cx.send_text("holding").await?;
        self.0.pass().await;
        cx.send_text(event.text.as_str()).await
    }

    #[handler("table.row")]
    fn row(event: &Row) -> String {
        event.text.clone()
    }

    #[handler("table.cursor")]
    fn cursor(event: &Cursor) -> String {
        format!("{} {} {}", event.user, event.at, event.text)
    }
}

/// Starts a server with clients of [`WaitingReader`] in three windows: the largest, 9 bits, and none.
async fn waiting_readers() -> (Channels, Server, Arc<Gate>, [DeflateClient; 3]) {
    let gate = Arc::new(Gate::closed());
    let builder = Channels::builder().compression(256).outbound_limit(1 << 20).authenticator(user(Arc::clone(&gate)));
    let channels = builder.build().unwrap();
    let server = Server::start(&channels, channels.route::<WaitingReader>(warp::path!("ws"))).await;
    let nine = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\n";
    let mut clients = Vec::new();
    for headers in [OFFER, nine, ""] {
        clients.push(DeflateClient::connect(server.address, "/ws", headers).await);
    }
    let clients = clients.try_into().unwrap_or_else(|_| unreachable!("three were connected"));
    (channels, server, gate, clients)
}

#[tokio::test]
async fn frames_that_wait_for_a_busy_handler_are_sent_compressed_and_in_order() {
    let (channels, server, gate, mut clients) = waiting_readers().await;
    let layer = channels.channel_layer();
    layer.group_send(&Waiting, &Hold { text: prose(2000) }).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.next().await.text, "holding");
    }
    // All of them wait, and are then joined.
    let texts: Vec<String> = (1..=8).map(|number| format!("{number} {}", prose(number * 400))).collect();
    for text in &texts {
        layer.group_send(&Waiting, &Row { text: text.clone() }).await.unwrap();
    }
    gate.open(clients.len());
    for (at, client) in clients.iter_mut().enumerate() {
        let reply = client.next().await;
        assert_eq!((reply.text, reply.is_compressed), (prose(2000), at == 0));
        for text in &texts {
            let received = client.next().await;
            assert_eq!((&received.text, received.is_compressed), (text, at == 0 && text.len() >= 1024));
        }
    }
    assert_eq!(channels.stats().compression.compressed, 6 + 1, "each row once, and the reply to one client");
    server.stop().await;
}

#[tokio::test]
async fn coalesced_frames_are_replaced_in_both_forms() {
    let (channels, server, gate, mut clients) = waiting_readers().await;
    let layer = channels.channel_layer();
    layer.group_send(&Waiting, &Hold { text: "held".into() }).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.next().await.text, "holding");
    }
    let cursor = |user: &str, at: u32| Cursor { user: user.into(), at, text: prose(2000) };
    for at in 0..100 {
        layer.group_send(&Waiting, &cursor("ann", at)).await.unwrap();
        if at == 50 {
            layer.group_send(&Waiting, &Row { text: prose(3000) }).await.unwrap();
        }
        layer.group_send(&Waiting, &cursor("bob", at)).await.unwrap();
    }
    assert_eq!(layer.stats().coalesced, 3 * 198);
    gate.open(clients.len());
    let last = [("ann", 99), ("bob", 99)].map(|(user, at)| format!("{user} {at} {}", prose(2000)));
    for (at, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.next().await.text, "held");
        for text in [&prose(3000), &last[0], &last[1]] {
            let received = client.next().await;
            assert_eq!((&received.text, received.is_compressed), (text, at == 0));
        }
    }
    server.stop().await;
}

#[event("news.posted")]
struct Posted {
    text: String,
}

#[group("news", events(Posted), history(size = 100, ttl = "10m"))]
struct News;

#[derive(Serialize, Deserialize)]
struct Shown {
    text: String,
    at: String,
}

struct NewsReader;

#[consumer]
impl NewsReader {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        _ = cx.group_add_since(&News, &cx.resume()).await?;
        Ok(Self)
    }

    #[handler("news.posted")]
    fn posted(event: &Posted, at: &Position) -> Json<Shown> {
        Json(Shown { text: event.text.clone(), at: at.to_string() })
    }

    #[history_lost]
    fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) {
        panic!("{:?}, {}", lost, cx.scope().path());
    }
}

#[tokio::test]
async fn replayed_messages_are_compressed_once_and_event_streams_stay_plain() {
    let channels = compressing();
    let path = warp::path!("news");
    let routes = channels.route::<NewsReader>(path).or(channels.sse::<NewsReader>(path));
    let server = Server::start(&channels, routes).await;
    let layer = channels.channel_layer();
    let mut first = DeflateClient::connect(server.address, "/news", OFFER).await;
    let shown = |text: &str| serde_json::from_str::<Shown>(text).unwrap();
    layer.group_send(&News, &Posted { text: "before".into() }).await.unwrap();
    let position = shown(&first.next().await.text).at;
    let texts: Vec<String> = (0..5).map(|number| format!("{number} {}", prose(3000))).collect();
    for text in &texts {
        layer.group_send(&News, &Posted { text: text.clone() }).await.unwrap();
    }
    for text in &texts {
        let received = first.next().await;
        assert_eq!((shown(&received.text).text, received.is_compressed), (text.clone(), true));
    }
    assert_eq!(channels.stats().compression.compressed, 5);
    let since = format!("/news?since={position}");
    for headers in [OFFER, OFFER, ""] {
        let mut again = DeflateClient::connect(server.address, &since, headers).await;
        for text in &texts {
            let received = again.next().await;
            assert_eq!((shown(&received.text).text, received.is_compressed), (text.clone(), headers == OFFER));
        }
    }
    assert_eq!(channels.stats().compression.compressed, 5, "the replays have the forms that were sent before");
    let request = format!("GET {since} HTTP/1.1\nHost: {}\nAccept: text/event-stream\n{OFFER}\n", server.address);
    let mut stream = send_request(server.address, &request).await;
    assert_eq!((stream.status, stream.header("sec-websocket-extensions")), (200, None));
    let mut read = String::new();
    // About 60 rows in each of five events.
    while read.matches("a row of the table").count() < 250 {
        let mut piece = [0; 4096];
        let length = within(stream.socket.read(&mut piece)).await.unwrap();
        assert!(length > 0);
        read += std::str::from_utf8(&piece[..length]).expect("lines of text");
    }
    drop((first, stream));
    server.stop().await;
}
