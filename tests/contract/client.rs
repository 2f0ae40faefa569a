//! The generated client in Node, against servers in this process.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use warp::Filter;

use crate::auction::{Auction, AuctionBid, AuctionConsumer, contract};
use crate::cable::Cable;
use crate::files::{Folder, generated, node_module, package};

/// Time limit for the next line of the page; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program of Node with the generated client.
struct Page {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _folder: Folder,
}

impl Page {
    /// Starts the program with a client that does not connect yet.
    fn new(server: SocketAddr) -> Self {
        node_module("ws");
        let folder = generated();
        folder.write("package.json", r#"{"type": "module"}"#);
        let mut child = Command::new("node")
            .arg(package().join("contract/programs/page.mjs"))
            .arg(folder.path().join("auction.js"))
            .arg(format!("ws://{server}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs: `scripts/test` installs it");
        let orders = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, orders, lines, _folder: folder }
    }

    async fn order(&mut self, order: Value) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    }

    /// Connects, and returns when the connection is open.
    async fn opens(&mut self, options: Value) {
        let mut order = options;
        order["order"] = "open".into();
        self.order(order).await;
        self.until(&json!({"opened": false})).await;
    }

    /// Returns what the client sees next.
    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time").unwrap();
        serde_json::from_str(&line.expect("the page runs")).unwrap()
    }

    /// Returns the next line with this key.
    async fn next_with(&mut self, key: &str) -> Value {
        loop {
            let line = self.next().await;
            if let Some(value) = line.get(key) {
                return value.clone();
            }
        }
    }

    /// Waits for this line, and returns what came before.
    async fn until(&mut self, wanted: &Value) -> Vec<Value> {
        let mut before = Vec::new();
        loop {
            let line = self.next().await;
            if line == *wanted {
                return before;
            }
            before.push(line);
        }
    }

    /// Sends a request and returns its answer.
    async fn request(&mut self, fields: Value) -> Value {
        self.order(json!({"order": "request", "name": "bid", "fields": fields})).await;
        self.next_with("answer").await
    }

    /// Waits for the offer of this price. Returns the prices of all offers until then, and the reasons of losses.
    async fn offers_until(&mut self, price: u32) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let line = self.next().await;
            if line["is"] == "Offer" {
                seen.push(line["body"]["offer"].clone());
                if line["body"]["offer"] == price {
                    return seen;
                }
            } else if let Some(cause) = line.get("lost") {
                seen.push(cause.clone());
            }
        }
    }

    /// Gives no more orders. Returns when the program has ended, which it does not do while the client wants to connect.
    async fn ends(mut self) {
        drop(self.orders);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.expect("the program ends").unwrap().success());
    }
}

/// Serves the auction.
async fn serve(address: SocketAddr) -> (Channels, SocketAddr) {
    let channels = Channels::builder().contracts([contract().fingerprint(), older()]).build().unwrap();
    let routes = channels.route::<AuctionConsumer>(warp::path!("ws" / "auction" / u32));
    let server = channels.bind(address).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.serve(routes));
    (channels, address)
}

/// The fingerprint of an older contract.
fn older() -> String {
    "auction-00000000".into()
}

fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Publishes offers.
async fn offer(channels: &Channels, prices: impl IntoIterator<Item = u32>) {
    for price in prices {
        channels.channel_layer().group_send(&Auction { lot: 1 }, &AuctionBid::of(price)).await.unwrap();
    }
}

/// A handshake: its query, its token, and its time. And the frames that followed.
struct Visit {
    query: String,
    token: Option<String>,
    at: Instant,
    texts: Vec<String>,
}

/// The connections of a server that closes them as it is told.
#[derive(Default)]
struct Visits {
    seen: Mutex<Vec<Visit>>,
    /// How it closes the next ones. Further ones stay open.
    closes: Mutex<VecDeque<(u16, &'static str)>>,
}

struct Closing {
    visits: Arc<Visits>,
    number: usize,
}

#[consumer]
impl Closing {
    #[connect]
    fn connect(cx: &mut Context<Self>, _lot: u32, visits: Arc<Visits>) -> Result<Self, Reject> {
        let scope = cx.scope();
        let visit = Visit {
            query: scope.query_string().unwrap_or_default().into(),
            token: scope.bearer_token().map(str::to_owned),
            at: Instant::now(),
            texts: Vec::new(),
        };
        let number = {
            let mut seen = visits.seen.lock().unwrap();
            seen.push(visit);
            seen.len() - 1
        };
        if let Some((code, reason)) = visits.closes.lock().unwrap().pop_front() {
            cx.close_with(CloseCode::new(code).unwrap(), reason);
        }
        Ok(Self { visits, number })
    }

    /// Closes without an answer on a bid. Answers `now` in place of the command before.
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        if text.contains("odd") {
            // Not one of them is a message or an answer.
            for odd in [
                "",
                "{",
                "\u{feff}{}",
                "[]",
                "null",
                r#"{"__proto__": {"ref": 1, "ok": 1}}"#,
                r#"{"ref": "1", "ok": 1}"#,
            ] {
                cx.send_text(odd).await?;
            }
            cx.send_binary(&b"\xff\xfe"[..]).await?;
            cx.send_text(r#"{"ref": 1, "ok": {"price": 1}}"#).await?;
            cx.send_text(r#"{"ref": 1, "ok": {"price": 2}}"#).await?;
            return Ok(());
        }
        if text.contains("now") {
            cx.send_text(r#"{"ref": 1, "error": "late"}"#).await?;
            cx.send_text(r#"{"after": "that"}"#).await?;
        }
        let is_bid = text.contains("bid");
        self.visits.seen.lock().unwrap()[self.number].texts.push(text);
        if is_bid {
            cx.close_with(CloseCode::SERVICE_RESTART, "reconnect in 0 ms");
        }
        Ok(())
    }
}

async fn closing(closes: &[(u16, &'static str)]) -> (Arc<Visits>, SocketAddr) {
    let visits = Arc::new(Visits { closes: Mutex::new(closes.iter().copied().collect()), ..Visits::default() });
    let known = Arc::clone(&visits);
    let channels = Channels::builder().build().unwrap();
    let path = warp::path!("ws" / "auction" / u32).and(warp::any().map(move || Arc::clone(&known)));
    let routes = channels.route::<Closing>(path);
    let server = channels.bind(anywhere()).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.serve(routes));
    (visits, address)
}

#[tokio::test]
async fn client_receives_messages_and_answers() {
    let (_channels, address) = serve(anywhere()).await;
    let mut page = Page::new(address);
    page.opens(json!({})).await;
    let hello = page.next().await;
    assert_eq!((&hello["is"], &hello["body"]["lot"]), (&json!("Hello"), &json!(1)), "{hello}");

    page.order(json!({"order": "request", "name": "bid", "fields": {"price": 100}})).await;
    // The offer travels through the layer, so either can be first.
    let both = [page.next().await, page.next().await];
    assert!(both.contains(&json!({"answer": {"ok": {"price": 100}}})), "{both:?}");
    assert!(both.iter().any(|line| line["is"] == "Offer" && line["body"]["offer"] == 100), "{both:?}");
    assert_eq!(page.request(json!({"price": 100})).await, json!({"error": {"reason": "too_low", "least": 101}}));
    let malformed = page.request(json!({"price": "much"})).await;
    assert_eq!(malformed["error"]["code"], "malformed_command", "{malformed}");
    page.order(json!({"order": "send", "name": "bid", "fields": {"price": "much"}})).await;
    let message = page.next_with("body").await;
    assert_eq!(message["error"]["code"], "malformed_command", "{message}");

    page.order(json!({"order": "close"})).await;
    page.until(&json!({"state": "closed"})).await;
    page.order(json!({"order": "send", "name": "bid", "fields": {"price": 1}})).await;
    assert_eq!(page.next_with("sent").await, false);
    page.ends().await;
}

#[tokio::test]
async fn open_connections_are_counted_by_the_announced_contract() {
    let (channels, address) = serve(anywhere()).await;
    let current = contract().fingerprint();
    let counts = |numbers: [usize; 4]| {
        let names = [current.clone(), older(), "other".into(), "none".into()];
        names.into_iter().zip(numbers).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(channels.inspect().contracts, counts([0, 0, 0, 0]));
    let mut page = Page::new(address);
    page.opens(json!({"announce": true})).await;
    page.next_with("is").await;
    let mut others = Vec::new();
    // Of two parameters the first one applies. A value can be encoded.
    for query in [
        "",
        "?contract=auction-0000000%30",
        "?contract=auction-00000000&contract=other",
        "?contract=other",
        "?contract",
        "?contracts=auction-00000000",
        "?contract=%FF%00",
    ] {
        let url = format!("ws://{address}/ws/auction/1{query}");
        others.push(tokio_tungstenite::connect_async(url).await.unwrap().0);
        let connections = || channels.connections() == 1 + others.len();
        while !connections() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(channels.inspect().contracts, counts([1, 2, 3, 2]));

    page.order(json!({"order": "close"})).await;
    page.until(&json!({"state": "closed"})).await;
    page.ends().await;
    while channels.connections() > others.len() {
        tokio::task::yield_now().await;
    }
    assert_eq!(channels.inspect().contracts, counts([0, 2, 3, 2]));
}

#[tokio::test]
async fn client_sends_a_request_as_soon_as_it_is_connected() {
    let (_channels, address) = serve(anywhere()).await;
    let mut page = Page::new(address);
    page.order(json!({"order": "open"})).await;
    assert_eq!(page.request(json!({"price": 7})).await, json!({"ok": {"price": 7}}));
    page.order(json!({"order": "close"})).await;
    page.until(&json!({"state": "closed"})).await;
    page.order(json!({"order": "request", "name": "bid", "fields": {"price": 8}})).await;
    assert_eq!(page.next_with("rejected").await, "bid: closed");
    page.ends().await;
}

#[tokio::test]
async fn client_rejects_requests_of_a_lost_connection_and_repeats_what_is_kept() {
    let (visits, address) = closing(&[]).await;
    let mut page = Page::new(address);
    page.order(json!({"order": "open", "keeps": "also"})).await;
    page.order(json!({"order": "keep", "name": "leave", "fields": {}})).await;
    page.until(&json!({"opened": false})).await;
    page.order(json!({"order": "request", "name": "bid", "fields": {"price": 1}})).await;
    let seen = page.until(&json!({"rejected": "the connection is lost"})).await;
    assert!(seen.contains(&json!({"state": "waiting", "code": 1012, "opened": true})), "{seen:?}");
    page.until(&json!({"opened": true})).await;
    page.order(json!({"order": "unkeep", "name": "leave"})).await;
    page.order(json!({"order": "request", "name": "bid", "fields": {"price": 2}})).await;
    page.until(&json!({"rejected": "the connection is lost"})).await;
    page.until(&json!({"opened": true})).await;
    page.order(json!({"order": "request", "name": "bid", "fields": {"price": 3}})).await;
    page.until(&json!({"rejected": "the connection is lost"})).await;
    page.order(json!({"order": "close"})).await;
    page.ends().await;
    let seen = visits.seen.lock().unwrap();
    let texts: Vec<&[String]> = seen.iter().map(|visit| &visit.texts[..]).take(3).collect();
    let leave = r#"{"command":"leave"}"#;
    let bid = |price: u32| format!(r#"{{"price":{price},"ref":{price},"command":"bid"}}"#);
    // What `opened` keeps is said once, too.
    let also = r#"{"command":"also"}"#;
    let said =
        [vec![also.into(), leave.into(), bid(1)], vec![leave.into(), also.into(), bid(2)], vec![also.into(), bid(3)]];
    assert_eq!(texts, said);
}

#[tokio::test]
async fn client_does_not_take_a_late_answer_for_a_message() {
    let (_visits, address) = closing(&[]).await;
    let mut page = Page::new(address);
    page.opens(json!({"patience": 1})).await;
    page.order(json!({"order": "request", "name": "late", "fields": {}})).await;
    assert_eq!(page.next().await, json!({"rejected": "late: no answer"}));
    page.order(json!({"order": "send", "name": "now", "fields": {}})).await;
    assert_eq!(page.next().await, json!({"sent": true}));
    assert_eq!(page.next().await, json!({"unknown": {"after": "that"}}));
}

#[tokio::test]
async fn client_takes_odd_frames_neither_for_messages_nor_for_answers() {
    let (_visits, address) = closing(&[]).await;
    let mut page = Page::new(address);
    page.opens(json!({})).await;
    page.order(json!({"order": "request", "name": "odd", "fields": {}})).await;
    let (mut answers, mut others) = (Vec::new(), Vec::new());
    while answers.is_empty() || others.len() < 9 {
        let line = page.next().await;
        if line.get("unknown").is_some() { others.push(line) } else { answers.push(line) }
    }
    assert_eq!(answers, [json!({"answer": {"ok": {"price": 1}}})]);
    assert_eq!(others[8], json!({"unknown": {"ref": 1, "ok": {"price": 2}}}));
}

#[tokio::test]
async fn client_connects_at_once_when_the_browser_is_online() {
    let (visits, address) = closing(&[(1012, "reconnect in 3600000 ms")]).await;
    let mut page = Page::new(address);
    page.opens(json!({})).await;
    page.until(&json!({"state": "waiting", "code": 1012, "opened": true})).await;
    page.order(json!({"order": "online"})).await;
    page.until(&json!({"opened": true})).await;
    page.order(json!({"order": "close"})).await;
    page.ends().await;
    assert_eq!(visits.seen.lock().unwrap().len(), 2);

    // But not while the page decides whether to come back.
    let (visits, address) = closing(&[(1012, "reconnect in 0 ms")]).await;
    let mut page = Page::new(address);
    page.opens(json!({"decides": true})).await;
    page.next_with("retry").await;
    page.order(json!({"order": "online"})).await;
    page.order(json!({"order": "decide", "again": false})).await;
    page.until(&json!({"state": "closed", "code": 1012, "opened": true})).await;
    page.ends().await;
    assert_eq!(visits.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn client_waits_as_long_as_the_server_says() {
    const TOLD: Duration = Duration::from_millis(1500);

    let (visits, address) = closing(&[(1012, "reconnect in 1500 ms"), (1012, "reconnect in 0 ms")]).await;
    let mut page = Page::new(address);
    page.opens(json!({})).await;
    page.until(&json!({"opened": true})).await;
    page.until(&json!({"opened": true})).await;
    page.order(json!({"order": "close"})).await;
    page.ends().await;
    let seen = visits.seen.lock().unwrap();
    // Longer than it waits by itself, which is at most 500 ms. Timers of Node may be a millisecond early.
    assert!(seen[1].at - seen[0].at >= TOLD - Duration::from_millis(5), "{:?}", seen[1].at - seen[0].at);
}

/// A timer with a delay of more than 31 bits would run at once, and the client would connect again and again.
#[tokio::test]
async fn client_waits_through_a_delay_that_no_timer_can_hold() {
    let (visits, address) = closing(&[(1012, "reconnect in 99999999999 ms")]).await;
    let mut page = Page::new(address);
    page.opens(json!({"patience": 1e300})).await;
    page.until(&json!({"state": "waiting", "code": 1012, "opened": true})).await;
    page.order(json!({"order": "request", "name": "bid", "fields": {"price": 1}})).await;
    // Longer than a timer that runs at once.
    page.order(json!({"order": "pause", "ms": 50})).await;
    assert_eq!(page.next().await, json!({"paused": 50}));
    page.order(json!({"order": "close"})).await;
    page.until(&json!({"rejected": "closed"})).await;
    page.ends().await;
    assert_eq!(visits.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn client_is_closed_if_the_decision_to_come_back_fails() {
    let (visits, address) = closing(&[(1012, "reconnect in 0 ms")]).await;
    let mut page = Page::new(address);
    page.opens(json!({"decides": true})).await;
    page.next_with("retry").await;
    page.order(json!({"order": "request", "name": "bid", "fields": {"price": 1}})).await;
    page.order(json!({"order": "decide", "again": "fails"})).await;
    page.until(&json!({"state": "closed", "code": 1012, "opened": true})).await;
    assert_eq!(page.next().await, json!({"rejected": "closed"}));
    // The page learns of its own mistake, as of any other.
    assert_eq!(page.next().await, json!({"unhandled": "fails"}));
    page.ends().await;
    assert_eq!(visits.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn client_stays_away_after_a_close_on_purpose() {
    for (code, comes_back) in
        [(1000, false), (1008, false), (3000, false), (4001, false), (1001, true), (1011, true), (1013, true)]
    {
        let (visits, address) = closing(&[(code, "because")]).await;
        let mut page = Page::new(address);
        page.order(json!({"order": "open"})).await;
        if comes_back {
            page.until(&json!({"state": "waiting", "code": code, "opened": true})).await;
            page.until(&json!({"opened": true})).await;
            page.order(json!({"order": "close"})).await;
        } else {
            // The page learns why. It is not told to wait.
            let seen = page.until(&json!({"state": "closed", "code": code, "opened": true})).await;
            assert!(!seen.iter().any(|line| line["state"] == "waiting"), "{seen:?}");
        }
        page.ends().await;
        assert_eq!(visits.seen.lock().unwrap().len(), 1 + usize::from(comes_back), "{code}");
    }
}

#[tokio::test]
async fn client_asks_for_query_and_token_before_each_attempt() {
    let (visits, address) = closing(&[(1012, "reconnect in 0 ms"), (1012, "reconnect in 0 ms")]).await;
    let mut page = Page::new(address);
    page.order(json!({"order": "contract"})).await;
    let contract = page.next_with("contract").await;
    page.opens(json!({"asks": true, "announce": true})).await;
    page.until(&json!({"opened": true})).await;
    page.until(&json!({"opened": true})).await;
    page.order(json!({"order": "close"})).await;
    page.ends().await;
    let seen = visits.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    for (number, visit) in (1..).zip(seen.iter()) {
        let contract = contract.as_str().unwrap();
        assert_eq!(visit.query, format!("asked={number}&contract={contract}"));
        // The token is asked for first.
        assert_eq!(visit.token, Some(format!("token-{}", number - 1)));
    }
}

#[tokio::test]
async fn client_receives_each_missed_event_once() {
    let (channels, address) = serve(anywhere()).await;
    let cable = Cable::to(address).await;
    let mut page = Page::new(cable.address());
    page.opens(json!({"decides": true})).await;
    page.next_with("is").await;
    offer(&channels, 1..=3).await;
    assert_eq!(page.offers_until(3).await, [1, 2, 3]);
    for round in [10, 20] {
        cable.cut();
        let closed = page.next_with("retry").await;
        assert_eq!(closed["code"], 1006);
        offer(&channels, round..round + 3).await;
        page.order(json!({"order": "decide", "again": true})).await;
        page.until(&json!({"opened": true})).await;
        offer(&channels, [round + 3]).await;
        assert_eq!(page.offers_until(round + 3).await, [round, round + 1, round + 2, round + 3]);
    }

    // The positions are handed to another client.
    page.order(json!({"order": "since"})).await;
    let since = page.next_with("since").await;
    page.order(json!({"order": "close"})).await;
    page.ends().await;
    offer(&channels, 30..33).await;
    let mut heir = Page::new(address);
    heir.opens(json!({"since": since})).await;
    assert_eq!(heir.offers_until(32).await, [30, 31, 32]);
}

#[tokio::test]
async fn client_learns_of_lost_history_before_live_events() {
    let (channels, address) = serve(anywhere()).await;
    let cable = Cable::to(address).await;
    let mut page = Page::new(cable.address());
    page.opens(json!({"decides": true})).await;
    offer(&channels, 1..=3).await;
    page.offers_until(3).await;
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    assert_eq!(page.next_with("retry").await["code"], 1012);

    // Another process: its layer knows nothing of the positions of the first one.
    let (channels, _) = serve(address).await;
    offer(&channels, 10..15).await;
    page.order(json!({"order": "decide", "again": true})).await;
    page.until(&json!({"opened": true})).await;
    offer(&channels, 15..20).await;
    let seen = page.offers_until(19).await;
    assert_eq!(seen[0], "other_server", "{seen:?}");
    assert_eq!(seen.iter().filter(|line| line.is_string()).count(), 1, "{seen:?}");

    // The new position is that of the new history.
    cable.cut();
    page.next_with("retry").await;
    offer(&channels, 20..23).await;
    page.order(json!({"order": "decide", "again": true})).await;
    assert_eq!(page.offers_until(22).await, [20, 21, 22]);
}

#[tokio::test]
async fn client_keeps_trying_while_there_is_no_server() {
    let (channels, address) = serve(anywhere()).await;
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    let mut page = Page::new(address);
    page.order(json!({"order": "open"})).await;
    page.until(&json!({"state": "waiting", "code": 1006, "opened": false})).await;
    let _channels = serve(address).await;
    page.until(&json!({"state": "open"})).await;
    // A client that is closed while it connects opens no more.
    page.order(json!({"order": "close"})).await;
    page.order(json!({"order": "open"})).await;
    page.order(json!({"order": "close"})).await;
    page.ends().await;
}
