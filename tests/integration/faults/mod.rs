//! Redis in trouble: killed, hanging, refusing, out of memory, or on a bad connection.
//!
//! Each fault runs once on each layer. `CHANNELS_FAULT_ROUNDS=20` runs it twenty times, each test in its own process, so
//! that its memory can be measured. Then the times and the memory have limits, too, and with `--nocapture` each test prints
//! its results as a line of the table in `docs/reliability.md`.

mod books;
mod kept;
mod proxy;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use books::{Books, Heard};
use channels_runtime::layer::RedisHost;
use channels_runtime::prelude::*;
use futures_util::StreamExt;
use kept::{KeptBooks, KeptGroup};
use proxy::{Line, Proxy};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use warp::Filter;

use crate::support::redis::{Connection, RedisServer, Reply};
use crate::support::until::until_within;

/// Time limit for what should take a second or two; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A send returns within four seconds in every case. The rest is a margin for a busy machine.
const ANSWER: Duration = Duration::from_secs(15);

/// With many rounds: the same, with a margin of one second.
const ANSWER_OF_MANY: Duration = Duration::from_secs(6);

/// With many rounds: the limit for the median recovery time.
const RECOVERY: Duration = Duration::from_secs(1);

/// The limit for the growth of the process in bytes, from the end of the second round to the end of the last.
const GROWTH: i64 = 16 << 20;

/// The number of rounds.
const ROUNDS: &str = "CHANNELS_FAULT_ROUNDS";

/// Makes a process run one fault.
const ALONE: &str = "CHANNELS_FAULT_ALONE";

/// The number of sockets on each of the two servers.
const SOCKETS: usize = 10;

const SENDERS: usize = 2;

#[event("note")]
struct Note {
    from: usize,
    number: u32,
}

#[group("notes", events(Note))]
struct Notes;

#[group("joiners", events(Note))]
struct Joiners;

/// Sends its client every event, in order.
struct Listener;

#[consumer]
impl Listener {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Notes).await?;
        Ok(Self)
    }

    #[handler("note")]
    fn note(event: &Note) -> String {
        format!("{} {}", event.from, event.number)
    }

    #[layer_lost]
    async fn lost(&mut self, cx: &mut Context<Self>) -> Result<()> {
        cx.send_text("lost").await
    }

    #[layer_restored]
    async fn restored(&mut self, cx: &mut Context<Self>) -> Result<()> {
        cx.send_text("restored").await
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Pubsub,
    Core,
}

impl Kind {
    async fn open(self, host: RedisHost) -> ChannelLayer {
        match self {
            Self::Pubsub => ChannelLayer::redis_pubsub(&[host]).await.unwrap(),
            Self::Core => ChannelLayer::redis_core(&[host]).await.unwrap(),
        }
    }
}

/// The faults.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Redis is killed and restarted empty.
    Killed,
    /// The process of Redis is stopped for longer than a send waits.
    Hangs,
    /// Redis has reached its limit of clients.
    Refuses,
    /// Redis requires a password that the layers do not have.
    Denies,
    /// Redis forbids the commands that a layer needs.
    Forbids,
    /// Redis is out of memory.
    Full,
    /// Redis is killed, and a Sentinel promotes its replica.
    Promoted,
    /// All connections are reset.
    Cut,
    /// Everything takes 100 ms longer in each direction.
    Slow,
    /// Redis' replies arrive twice.
    Doubled,
    /// No bytes pass, and no connection is closed. Connections that were open stay silent.
    Silent,
    /// Open connections stop passing bytes without being closed; new ones work.
    Forgotten,
}

impl Fault {
    fn of_the_line(self) -> Option<Line> {
        match self {
            Self::Cut => Some(Line::Closed),
            Self::Slow => Some(Line::Slow),
            Self::Doubled => Some(Line::Doubled),
            Self::Silent => Some(Line::Silent),
            Self::Forgotten => Some(Line::Forgotten),
            Self::Killed | Self::Hangs | Self::Refuses | Self::Denies | Self::Forbids | Self::Full | Self::Promoted => {
                None
            }
        }
    }

    /// Returns a time that is long enough for every time limit to expire.
    fn lasts(self) -> Duration {
        match self {
            Self::Hangs => Duration::from_secs(6),
            Self::Silent => Duration::from_secs(8),
            _ => Duration::from_millis(500),
        }
    }
}

/// The result of each note of a sender; `None` while it is in flight.
type Sent = Arc<Mutex<Vec<Option<bool>>>>;

struct Sender {
    sent: Sent,
    slowest: Arc<Mutex<Duration>>,
    task: JoinHandle<()>,
}

impl Sender {
    fn start(from: usize, layer: ChannelLayer) -> Self {
        let (sent, slowest) = (Sent::default(), Arc::<Mutex<Duration>>::default());
        let task = tokio::spawn({
            let (sent, slowest) = (Arc::clone(&sent), Arc::clone(&slowest));
            async move {
                for number in 0.. {
                    sent.lock().unwrap().push(None);
                    let begun = Instant::now();
                    let done = layer.group_send(&Notes, &Note { from, number }).await;
                    {
                        let mut slowest = slowest.lock().unwrap();
                        *slowest = begun.elapsed().max(*slowest);
                    }
                    sent.lock().unwrap()[number as usize] = Some(done.is_ok());
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        });
        Self { sent, slowest, task }
    }

    /// Returns the number of the next note.
    fn next_number(&self) -> u32 {
        u32::try_from(self.sent.lock().unwrap().len()).unwrap()
    }
}

/// Joins and leaves a group repeatedly.
struct Joiner {
    slowest: Arc<Mutex<Duration>>,
    task: JoinHandle<()>,
}

impl Joiner {
    fn start(layer: ChannelLayer) -> Self {
        let slowest = Arc::<Mutex<Duration>>::default();
        let task = tokio::spawn({
            let slowest = Arc::clone(&slowest);
            async move {
                let channel = layer.new_channel().await.unwrap();
                loop {
                    let begun = Instant::now();
                    _ = layer.group_add(&Joiners, channel.name()).await;
                    {
                        let mut slowest = slowest.lock().unwrap();
                        *slowest = begun.elapsed().max(*slowest);
                    }
                    _ = layer.group_discard(&Joiners, channel.name()).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Self { slowest, task }
    }
}

/// A client that connects, receives a note, and disconnects, repeatedly.
struct Visitor {
    /// The number of visits that received a note.
    heard: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Visitor {
    fn start(address: String) -> Self {
        let (heard, stop) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let task = tokio::spawn({
            let (heard, stop) = (Arc::clone(&heard), Arc::clone(&stop));
            async move {
                let mut says_good_bye = false;
                while !stop.load(SeqCst) {
                    // During a fault the client may be rejected, or accepted without receiving anything.
                    if let Ok((mut socket, _)) = tokio_tungstenite::connect_async(&address).await {
                        let first = tokio::time::timeout(Duration::from_millis(500), socket.next()).await;
                        if let Ok(Some(Ok(Message::Text(_)))) = first {
                            heard.fetch_add(1, SeqCst);
                        }
                        says_good_bye = !says_good_bye;
                        if says_good_bye {
                            _ = socket.close(None).await;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Self { heard, stop, task }
    }
}

#[derive(Clone, Default)]
struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    /// One more than the last number of each sender.
    last: Arc<[AtomicU32; SENDERS]>,
    /// The client was notified of the start of a gap, but not of its end.
    in_gap: Arc<AtomicBool>,
}

/// Two servers with sockets and one sender each, on one Redis that has a fault.
struct Play {
    kind: Kind,
    redis: Option<RedisServer>,
    admin: Connection,
    /// A Sentinel that watches Redis, and the replica that it will promote.
    sentinel: Option<RedisServer>,
    replica: Option<RedisServer>,
    proxy: Proxy,
    servers: Vec<Channels>,
    senders: Arc<Vec<Sender>>,
    joiners: Vec<Joiner>,
    visitors: Vec<Visitor>,
    ears: Vec<Ear>,
    listening: Vec<JoinHandle<()>>,
    /// A group with a history.
    kept: Option<KeptGroup>,
}

impl Play {
    async fn start(kind: Kind, fault: Fault) -> Self {
        let redis = RedisServer::start();
        let proxy = Proxy::start(redis.port()).await;
        let sentinel = (fault == Fault::Promoted).then(|| RedisServer::start_sentinel(&redis));
        let host: RedisHost = match &sentinel {
            Some(sentinel) => RedisHost::sentinel([sentinel.url()], "mymaster"),
            None if fault.of_the_line().is_some() => proxy.url().into(),
            None => redis.url().into(),
        };
        let (mut servers, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let layer = kind.open(host.clone()).await;
            let channels = Channels::builder().layer(layer).build().unwrap();
            let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
            addresses.push(format!("ws://{}/ws", server.local_addr()));
            tokio::spawn(server.serve(channels.route::<Listener>(warp::path!("ws")).or(kept::route(&channels))));
            servers.push(channels);
        }
        let kept_addresses: Vec<_> = addresses.iter().map(|address| address.replace("/ws", "/kept")).collect();
        let mut sockets = Vec::new();
        for number in 0..2 * SOCKETS {
            sockets.push(tokio_tungstenite::connect_async(&addresses[number % 2]).await.unwrap().0);
        }
        // The core layer keeps no histories.
        let kept = match kind {
            Kind::Pubsub => Some(KeptGroup::start(&servers, &kept_addresses).await),
            Kind::Core => None,
        };
        // All sockets are in the group before the first note.
        let senders = servers.iter().enumerate();
        let senders = senders.map(|(from, channels)| Sender::start(from, channels.channel_layer()));
        let senders = Arc::new(senders.collect::<Vec<_>>());
        let joiners = servers.iter().map(|channels| Joiner::start(channels.channel_layer())).collect();
        let visitors = addresses.into_iter().map(Visitor::start).collect();
        let ears: Vec<Ear> = sockets.iter().map(|_| Ear::default()).collect();
        let listening = sockets.into_iter().zip(&ears).map(|(mut socket, ear)| {
            let (ear, senders) = (ear.clone(), Arc::clone(&senders));
            tokio::spawn(async move {
                while let Some(Ok(message)) = socket.next().await {
                    let text = match message {
                        Message::Text(text) => text,
                        Message::Close(frame) => panic!("a socket was closed: {frame:?}"),
                        // A heartbeat ping. The next read answers it.
                        _ => continue,
                    };
                    let heard = match text.as_str() {
                        "lost" => {
                            ear.in_gap.store(true, SeqCst);
                            Heard::Lost
                        }
                        "restored" => {
                            ear.in_gap.store(false, SeqCst);
                            Heard::Restored([senders[0].next_number(), senders[1].next_number()])
                        }
                        note => {
                            let (from, number) = note.split_once(' ').unwrap();
                            let (from, number): (usize, u32) = (from.parse().unwrap(), number.parse().unwrap());
                            ear.last[from].store(number + 1, SeqCst);
                            Heard::Note(from, number)
                        }
                    };
                    ear.heard.lock().unwrap().push(heard);
                }
                panic!("a socket ended");
            })
        });
        let listening = listening.collect();
        let admin = redis.connect();
        Self {
            kind,
            redis: Some(redis),
            admin,
            sentinel,
            replica: None,
            proxy,
            servers,
            senders,
            joiners,
            visitors,
            ears,
            listening,
            kept,
        }
    }

    fn redis(&self) -> &RedisServer {
        self.redis.as_ref().unwrap()
    }

    fn order(&mut self, command: &str) {
        let reply = self.admin.ask(command);
        assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
    }

    fn break_off_clients(&mut self) {
        for kind in ["normal", "pubsub"] {
            self.order(&format!("CLIENT KILL TYPE {kind} SKIPME yes"));
        }
    }

    /// Sets up what a fault needs, before each round.
    async fn prepare(&mut self, fault: Fault) {
        if let (Fault::Promoted, Some(sentinel)) = (fault, &self.sentinel) {
            // Otherwise Sentinel would look for replicas only every ten seconds.
            sentinel.ask("SENTINEL RESET mymaster");
            let replica = RedisServer::start_replica(self.redis());
            let begun = Instant::now();
            let follows = format!("127.0.0.1:{}", replica.port());
            let is_known = |known: &Reply| {
                let facts = known.texts();
                facts.contains(&follows) && facts.windows(2).any(|pair| pair == ["master-link-status", "ok"])
            };
            while !sentinel.ask("SENTINEL replicas mymaster").list().iter().any(is_known) {
                assert!(begun.elapsed() < PATIENCE, "Sentinel finds the replica");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.replica = Some(replica);
        }
    }

    async fn begin(&mut self, fault: Fault) {
        match fault {
            // No client can connect in between, so the fault ends immediately.
            Fault::Killed => {}
            Fault::Hangs => self.redis().signal("STOP"),
            Fault::Refuses => {
                self.order("CONFIG SET maxclients 1");
                self.break_off_clients();
            }
            Fault::Denies => {
                self.order("CONFIG SET requirepass nobody-knows");
                self.break_off_clients();
            }
            Fault::Forbids => {
                self.order("ACL SETUSER default -@pubsub -@sortedset -@scripting");
                self.break_off_clients();
            }
            Fault::Full => self.order("CONFIG SET maxmemory 1"),
            // The fault ends when Sentinel reports the new master.
            Fault::Promoted => {
                let replica = self.replica.take().expect("the replica was prepared");
                let port = replica.port().to_string();
                drop(self.redis.replace(replica));
                let sentinel = self.sentinel.as_ref().expect("each round starts with a Redis");
                let begun = Instant::now();
                while sentinel.ask("SENTINEL get-master-addr-by-name mymaster").texts()[1] != port {
                    assert!(begun.elapsed() < PATIENCE, "Sentinel promotes the replica");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                self.admin = self.redis().connect();
            }
            Fault::Cut | Fault::Slow | Fault::Doubled | Fault::Silent | Fault::Forgotten => {
                self.proxy.set(fault.of_the_line().unwrap())
            }
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Killed => {
                let redis = self.redis.take().unwrap().restart();
                self.admin = redis.connect();
                self.redis = Some(redis);
            }
            Fault::Hangs => self.redis().signal("CONT"),
            Fault::Refuses => self.order("CONFIG SET maxclients 1000"),
            Fault::Denies => self.order("ACL SETUSER default nopass"),
            Fault::Forbids => self.order("ACL SETUSER default +@all"),
            Fault::Full => self.order("CONFIG SET maxmemory 0"),
            Fault::Promoted => {}
            Fault::Cut | Fault::Slow | Fault::Doubled | Fault::Silent | Fault::Forgotten => self.proxy.set(Line::Open),
        }
    }

    /// Waits until no client is in a gap and every client receives from every sender. Returns how long that took, after
    /// waiting until all clients, some of them new, have received later notes, so that nothing of the fault remains.
    async fn recovered(&self) -> Duration {
        let begun = Instant::now();
        self.everybody_hears(begun).await;
        let recovered = begun.elapsed();
        self.everybody_hears(begun).await;
        if let Some(kept) = &self.kept {
            kept.everybody_hears().await;
        }
        for visitor in &self.visitors {
            // A visitor that receives now may have connected earlier.
            let enough = visitor.heard.load(SeqCst) + 2;
            while visitor.heard.load(SeqCst) < enough {
                assert!(
                    !visitor.task.is_finished() && begun.elapsed() < PATIENCE,
                    "a client that connects now receives nothing"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        recovered
    }

    async fn everybody_hears(&self, begun: Instant) {
        let next: Vec<u32> = self.senders.iter().map(Sender::next_number).collect();
        let behind = |ear: &Ear| next.iter().enumerate().any(|(from, next)| ear.last[from].load(SeqCst) <= *next);
        let is_deaf = |ear: &Ear| ear.in_gap.load(SeqCst) || behind(ear);
        while let Some(ear) = self.ears.iter().find(|ear| is_deaf(ear)) {
            assert!(self.listening.iter().all(|task| !task.is_finished()), "a socket ended");
            assert!(begun.elapsed() < PATIENCE, "a socket receives nothing; in a gap: {:?}", ear.in_gap);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns the memory of the process in bytes, without the accounts of this test.
    fn memory(&self) -> i64 {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
        let heard = self.ears.iter().map(|ear| ear.heard.lock().unwrap().len() * size_of::<Heard>());
        let sent = self.senders.iter().map(|sender| sender.sent.lock().unwrap().len() * size_of::<Option<bool>>());
        (resident * 4096) as i64 - heard.chain(sent).sum::<usize>() as i64
    }

    /// Returns the number of members that Redis knows.
    fn members(&mut self, group: &str) -> i64 {
        match self.kind {
            Kind::Core => self.admin.ask(&format!("ZCARD asgi:group:{group}")).number(),
            Kind::Pubsub => self.admin.ask(&format!("PUBSUB NUMSUB asgi__group__{group}")).list()[1].number(),
        }
    }

    async fn members_become(&mut self, group: &str, wanted: i64) {
        let begun = Instant::now();
        while self.members(group) != wanted {
            assert!(begun.elapsed() < PATIENCE, "{} {group} in Redis, not {wanted}", self.members(group));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Disconnects every client, and checks that no member remains. Returns the accounts, the number of failed sends, and
    /// the times of the slowest send and the slowest join.
    async fn finish(mut self) -> (Books, Option<KeptBooks>, usize, Duration, Duration) {
        for visitor in self.visitors.drain(..) {
            visitor.stop.store(true, SeqCst);
            tokio::time::timeout(PATIENCE, visitor.task).await.expect("a visit ends").unwrap();
        }
        for joiner in &self.joiners {
            // The task drops its channel, whether or not it is a member.
            joiner.task.abort();
        }
        for sender in &*self.senders {
            // The current note of an aborted sender is in flight and need not arrive.
            sender.task.abort();
        }
        let sent: Vec<Vec<bool>> = self
            .senders
            .iter()
            .map(|sender| sender.sent.lock().unwrap().iter().map(|sent| *sent == Some(true)).collect())
            .collect();
        let kept = match self.kept.take() {
            Some(kept) => Some(kept.finish().await),
            None => None,
        };
        let begun = Instant::now();
        for ear in &self.ears {
            for (from, sent) in sent.iter().enumerate() {
                let last = sent.iter().rposition(|ok| *ok).map_or(0, |last| last as u32 + 1);
                while ear.last[from].load(SeqCst) < last {
                    let heard = || ear.heard.lock().unwrap().iter().rev().take(5).copied().collect::<Vec<_>>();
                    let stats = || self.servers.iter().map(|server| server.channel_layer().stats()).collect::<Vec<_>>();
                    let late = begun.elapsed() > PATIENCE;
                    assert!(!late, "note {last} of {from} did not arrive: {:?}, {:?}", heard(), stats());
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        let mut books = Books::default();
        for ear in &self.ears {
            books.add(&ear.heard.lock().unwrap(), &sent);
        }
        let everybody = if self.kind == Kind::Core { 2 * SOCKETS as i64 } else { 2 };
        self.members_become("notes", everybody).await;
        self.members_become("joiners", 0).await;
        for listening in self.listening.drain(..) {
            listening.abort();
        }
        self.members_become("notes", 0).await;
        for channels in &self.servers {
            channels.channel_layer().close().await;
        }
        let failed = sent.iter().flatten().filter(|ok| !**ok).count();
        let slowest = self.senders.iter().map(|sender| *sender.slowest.lock().unwrap()).max().unwrap();
        let slowest_join = self.joiners.iter().map(|joiner| *joiner.slowest.lock().unwrap()).max().unwrap();
        (books, kept, failed, slowest, slowest_join)
    }
}

/// Runs the fault in this process, or many rounds of it in a child process that runs the test of this name.
async fn play(kind: Kind, fault: Fault, name: &str) {
    let Ok(rounds) = std::env::var(ROUNDS) else { return play_here(kind, fault, None).await };
    if std::env::var_os(ALONE).is_some() {
        return play_here(kind, fault, Some(rounds.parse().expect("the value is a number of rounds"))).await;
    }
    let (_, name) = name.split_once("::").expect("the name starts with the crate");
    let mut alone = tokio::process::Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", name, "--nocapture"]).env(ALONE, "yes").kill_on_drop(true);
    let output = alone.output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success() && said[0].contains("1 passed"), "{}", said.concat());
    // Skips what the test harness prints in the same line.
    said[0].lines().filter_map(|line| line.find("| ").map(|at| &line[at..])).for_each(|figures| println!("{figures}"));
}

/// Formats a number as the documentation does.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

async fn play_here(kind: Kind, fault: Fault, many: Option<usize>) {
    let rounds = many.unwrap_or(1);
    let mut play = Play::start(kind, fault).await;
    play.recovered().await;
    let (mut recovered, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        play.prepare(fault).await;
        play.begin(fault).await;
        tokio::time::sleep(fault.lasts()).await;
        play.end(fault);
        recovered.push(play.recovered().await);
        memory.push(play.memory());
    }
    let (books, kept, failed, slowest, slowest_join) = play.finish().await;
    recovered.sort();
    let median = recovered[recovered.len() / 2];
    // The first round allocates what every round needs.
    let growth = memory[memory.len() - 1] - memory[1.min(memory.len() - 1)];
    println!(
        "| {fault:?} | {} | {rounds} | {} | {} | {} | {} | {} | {} | {:.1} | {:.1} | {:.2} | {:.2} | {:.1} |",
        if kind == Kind::Core { "core" } else { "pub/sub" },
        grouped(books.owed),
        grouped(books.delivered),
        grouped(books.lost()),
        grouped(books.missed_in_gaps),
        grouped(books.gaps),
        grouped(failed),
        slowest.as_secs_f64(),
        slowest_join.as_secs_f64(),
        median.as_secs_f64(),
        recovered[recovered.len() - 1].as_secs_f64(),
        growth as f64 / f64::from(1 << 20),
    );
    if let Some(kept) = kept {
        println!(
            "| {fault:?}, kept group | {rounds} | {} | {} | {} | {} |",
            grouped(kept.received),
            grouped(kept.missed),
            grouped(kept.doubled),
            grouped(kept.lost.iter().sum()),
        );
        assert!(kept.received > 0);
        assert_eq!((kept.missed, kept.doubled), (0, 0), "{kept:?}");
        // Only another server, or the same one without its data, runs `#[history_lost]`: once for each socket.
        let is_another_server = matches!(fault, Fault::Killed | Fault::Promoted);
        let gaps = if is_another_server { rounds } else { 0 };
        assert!(kept.lost.iter().all(|lost| *lost == gaps), "{kept:?}");
    }
    assert!(books.owed > 0);
    assert_eq!(books.lost(), 0, "{books:?}");
    // Pub/sub messages have no number on the wire, so a duplicate looks like a second equal message.
    if (kind, fault) != (Kind::Pubsub, Fault::Doubled) {
        assert_eq!(books.doubled_or_out_of_order, 0, "{books:?}");
    }
    let answer = if many.is_some() { ANSWER_OF_MANY } else { ANSWER };
    assert!(slowest < answer, "a send took {slowest:?}");
    assert!(slowest_join < answer, "a join took {slowest_join:?}");
    // This fault has no end: recovery takes as long as its detection.
    if many.is_some() && fault != Fault::Forgotten {
        assert!(median < RECOVERY, "the recoveries took {recovered:?}");
    }
    if many.is_some() {
        assert!(growth < GROWTH, "the process grew after the second round: {memory:?}");
    }
    if (kind, fault) == (Kind::Core, Fault::Full) {
        // More than the note that each aborted sender was sending.
        assert!(failed > SENDERS, "Redis without memory rejects sends");
    }
    let gap_is_certain = match fault {
        Fault::Killed
        | Fault::Refuses
        | Fault::Denies
        | Fault::Forbids
        | Fault::Promoted
        | Fault::Cut
        | Fault::Silent
        | Fault::Forgotten => true,
        // Replies out of step end a connection of `core`; on pub/sub, messages only arrive twice.
        Fault::Doubled => kind == Kind::Core,
        Fault::Hangs | Fault::Full | Fault::Slow => false,
    };
    if gap_is_certain {
        assert!(books.gaps >= 2 * SOCKETS, "every client is notified: {books:?}");
    }
}

macro_rules! faults {
    ($($kind:ident $module:ident: $($name:ident $fault:ident),*;)*) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let name = concat!(module_path!(), "::", stringify!($name));
                    super::play(super::Kind::$kind, super::Fault::$fault, name).await;
                }
            )*
        })*
    };
}

macro_rules! for_both {
    ($($name:ident $fault:ident),*) => {
        faults! {
            Pubsub pubsub: $($name $fault),*;
            Core core: $($name $fault),*;
        }
    };
}

for_both!(
    redis_killed_and_restarted_recovers Killed, redis_hanging_recovers Hangs, redis_at_client_limit_recovers Refuses, redis_with_unknown_password_recovers Denies, redis_with_forbidden_commands_recovers Forbids,
    redis_out_of_memory_recovers Full, sentinel_promotes_replica_and_layer_recovers Promoted, connection_reset_recovers Cut, connection_with_latency_loses_nothing Slow,
    connection_with_duplicated_replies_recovers Doubled, connection_without_traffic_recovers Silent, connection_dropped_by_network_recovers Forgotten
);

/// Redis answers and accepts messages, but this process receives nothing. Other projects' health checks call this healthy.
async fn readiness_fails_without_receiving(kind: Kind, command: &str) {
    let server = RedisServer::start();
    let layer = kind.open(server.url().into()).await;
    layer.ready(PATIENCE).await.unwrap();
    assert_eq!(server.ask(&format!("ACL SETUSER default -{command}")).text(), "OK");
    for kind in ["pubsub", "normal"] {
        server.ask(&format!("CLIENT KILL TYPE {kind}"));
    }
    assert_eq!(server.ask("PING"), Reply::Bytes(b"PONG".into()));
    assert!(layer.ready(Duration::from_secs(2)).await.is_err());

    assert_eq!(server.ask(&format!("ACL SETUSER default +{command}")).text(), "OK");
    until_within(PATIENCE, "the layer is ready again", async || layer.ready(Duration::from_secs(2)).await.is_ok())
        .await;
}

#[tokio::test]
async fn readiness_fails_when_pubsub_cannot_subscribe() {
    readiness_fails_without_receiving(Kind::Pubsub, "subscribe").await;
}

#[tokio::test]
async fn readiness_fails_when_core_cannot_receive() {
    readiness_fails_without_receiving(Kind::Core, "bzpopmin").await;
}

#[group("admins", events(Note))]
struct Admins;

/// Redis allows this process some names only. A rejected join fails alone and affects no other group.
#[tokio::test]
async fn join_forbidden_by_acl_fails_alone() {
    let server = RedisServer::start();
    let rules = "resetchannels &asgi__group__notes &asgispecific.* &asgi__process*";
    assert_eq!(server.ask(&format!("ACL SETUSER default {rules}")).text(), "OK");
    let layer = Kind::Pubsub.open(server.url().into()).await;
    let channel = layer.new_channel().await.unwrap();
    layer.group_add(&Notes, channel.name()).await.unwrap();
    let (refused, another) = tokio::join!(layer.group_add(&Admins, channel.name()), layer.new_channel());
    let error = refused.unwrap_err();
    assert!(
        std::error::Error::source(&error).is_some_and(|why| why.to_string().contains("no permissions")),
        "{error:?}"
    );
    layer.group_add(&Notes, another.unwrap().name()).await.unwrap();
    layer.group_send(&Notes, &Note { from: 0, number: 1 }).await.unwrap();
    let heard =
        tokio::time::timeout(PATIENCE, channel.receive()).await.expect("the channel receives from the other group");
    assert_eq!(heard.unwrap().decode::<Note>().unwrap().number, 1);
    assert_eq!((layer.stats().gaps, layer.members_here(&Admins).unwrap()), (0, 0));
}
