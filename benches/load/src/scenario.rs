//! The scenarios, and the resulting line of JSON.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

use crate::net::{Net, Seat, Ticket};
use crate::play::{Figures, Pace, Play, RoomSpec, Watched, Window};
use crate::process;
use crate::wire::{Dialect, SHORTEST, Script};

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// One room of 1,000, one sender, 8 messages in flight.
    Fan8,
    /// One room of 1,000, one sender, one message in flight.
    Fan1,
    /// 100 rooms of 10, a sender in each, 4 messages in flight in each.
    Rooms,
    /// 100 connections, each alone in its room, one message in flight in each: a round trip through the group.
    Echo,
    /// One room of 1,000, one sender, 2 messages a second.
    Paced,
    /// 10,000 connections in rooms of 10, kept open: memory, and the CPU of idle connections.
    Idle,
    /// Handshakes and closing, repeatedly: 2,000 connections in rooms of 10 at a time.
    Connect,
    /// `fan8` with 10, 100, 1,000 and 10,000 members, one after the other.
    Growth,
    /// Ten rooms of 10 with 20 messages a second each: first alone, then next to a room of 10,000 under full load.
    Fair,
    /// A room of 1,000 with one member that never reads, one sender, 4 messages in flight.
    Slow,
}

/// The scenario to play, and the servers.
#[derive(Debug, Clone, Parser)]
#[command(about = "Plays a scenario against a chat server and prints one line of JSON.")]
pub struct Options {
    /// The scenario to play.
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// A server's address. If it is given several times, connections use the addresses in turn.
    #[arg(long, required = true)]
    pub addr: Vec<SocketAddrV4>,
    /// A server's process; its whole tree is measured. It can be given several times.
    #[arg(long)]
    pub pid: Vec<u32>,
    /// A process that the servers use (Redis), measured separately.
    #[arg(long)]
    pub side_pid: Vec<u32>,
    /// Length of the measured window in seconds.
    #[arg(long, default_value_t = 1.5)]
    pub seconds: f64,
    /// Seconds of the same traffic before the window.
    #[arg(long, default_value_t = 0.5)]
    pub warm_up: f64,
    /// Members of a room, instead of the scenario's number.
    #[arg(long)]
    pub members: Option<u32>,
    /// Rooms, instead of the scenario's number.
    #[arg(long)]
    pub rooms: Option<u32>,
    /// Senders of a room, instead of one.
    #[arg(long)]
    pub senders: Option<u32>,
    /// Messages of a sender in flight, instead of the scenario's number.
    #[arg(long)]
    pub under_way: Option<u32>,
    /// Messages per second of a sender with fixed intervals, instead of the scenario's number.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Sizes for `growth`.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000])]
    pub sizes: Vec<u32>,
    /// Idle connections during `connect`, each alone in its room.
    #[arg(long, default_value_t = 0)]
    pub standing: u32,
    /// In `slow`, all members continue to read: the control run for the second half.
    #[arg(long)]
    pub awake: bool,
    /// Bytes of JSON in a message.
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// How the server wraps messages.
    #[arg(long, value_enum, default_value_t = Dialect::Plain)]
    pub dialect: Dialect,
    /// Handshakes in flight at a time.
    #[arg(long, default_value_t = 64)]
    pub pending: usize,
    /// Seconds after which a message that has not reached every member is given up.
    #[arg(long, default_value_t = 5.0)]
    pub give_up: f64,
    /// Time limit in seconds for each of connecting, probing and draining.
    #[arg(long, default_value_t = 60.0)]
    pub patience: f64,
}

impl Options {
    fn watched(&self) -> Watched {
        Watched { servers: self.pid.clone(), side: self.side_pid.clone() }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.patience)
    }

    fn every(&self, rate: f64) -> Pace {
        Pace::Every(Duration::from_secs_f64(1.0 / self.rate.unwrap_or(rate)))
    }

    fn under_way(&self, count: u32) -> Pace {
        Pace::UnderWay(self.under_way.unwrap_or(count))
    }

    /// Returns `rooms` rooms of `members` each, or the numbers in the flags.
    fn rooms(&self, rooms: u32, members: u32, pace: Pace) -> Vec<RoomSpec> {
        let room = RoomSpec {
            members: self.members.unwrap_or(members),
            senders: self.senders.unwrap_or(1),
            pace,
            class: 0,
            slow: false,
        };
        vec![room; self.rooms.unwrap_or(rooms) as usize]
    }
}

/// Plays a scenario.
///
/// # Errors
///
/// If it cannot be played: rejected connections, members that receive nothing, or too small a size.
pub fn run(options: &Options) -> Result<Value, String> {
    let sizes = [options.members, options.rooms, options.senders, options.under_way];
    if sizes.contains(&Some(0)) || options.sizes.contains(&0) || options.pending == 0 {
        return Err("sizes must be at least 1".into());
    }
    if options.senders.unwrap_or(1) > options.members.unwrap_or(u32::MAX) {
        return Err("more senders than members".into());
    }
    if options.bytes < SHORTEST {
        return Err(format!("a message has at least {SHORTEST} bytes"));
    }
    let mut stage = Stage::new(options)?;
    let mut report = match options.scenario {
        Scenario::Fan8 => stage.traffic(&options.rooms(1, 1_000, options.under_way(8))),
        Scenario::Fan1 => stage.traffic(&options.rooms(1, 1_000, options.under_way(1))),
        Scenario::Rooms => stage.traffic(&options.rooms(100, 10, options.under_way(4))),
        Scenario::Echo => stage.traffic(&options.rooms(100, 1, options.under_way(1))),
        Scenario::Paced => stage.traffic(&options.rooms(1, 1_000, options.every(2.0))),
        Scenario::Idle => stage.idle(),
        Scenario::Connect => stage.connect(),
        Scenario::Growth => stage.growth(),
        Scenario::Fair => stage.fair(),
        Scenario::Slow => stage.slow(),
    }?;
    let name = options.scenario.to_possible_value().expect("no scenario is hidden").get_name().to_owned();
    report["scenario"] = json!(name);
    Ok(report)
}

/// The rest of the servers before memory is read in `idle`. Bun, for example, releases the memory of the handshakes
/// only after a second or two.
const REST: Duration = Duration::from_secs(3);

/// The connections and the state of the plays on them.
struct Stage<'a> {
    options: &'a Options,
    net: Net,
    run: u16,
    /// The number of rooms used so far. Every play has its own rooms, so no message of an earlier play can reach it.
    rooms: u32,
}

impl<'a> Stage<'a> {
    fn new(options: &'a Options) -> Result<Self, String> {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let run = time.map_or(0, |time| time.subsec_micros() ^ std::process::id());
        // Two runs with one Redis must not share rooms either, because members of the last run could still be in them.
        let rooms = (run & 0xff) << 16;
        Ok(Self { options, net: Net::new(&options.addr, options.dialect)?, run: run as u16, rooms })
    }

    /// Opens the connections of a play and ensures that every member is in its group. The servers rest before each
    /// reading of their memory.
    fn seat(&mut self, specs: &[RoomSpec], rest: Duration) -> Result<(Play, Seated), String> {
        let mut play = self.play(specs);
        let before = process::cpu(&self.options.pid).total;
        let rss_before = process::rss(&self.options.pid);
        let tickets = play.tickets();
        let connected =
            self.net.connect(&tickets, self.options.pending, self.options.patience(), &mut |seat, text, now| {
                play.text(seat, text, now);
            })?;
        let cpu = self.settle() - before;
        std::thread::sleep(rest);
        let rss = process::rss(&self.options.pid);
        play.probe(&mut self.net, self.options.patience())?;
        std::thread::sleep(rest);
        let count = tickets.len() as f64;
        Ok((
            play,
            Seated {
                connections: tickets.len(),
                connects_per_second: count / connected.elapsed.as_secs_f64(),
                connect_us: cpu / count * 1e6,
                rss_before,
                rss,
                rss_touched: process::rss(&self.options.pid),
            },
        ))
    }

    fn play(&mut self, specs: &[RoomSpec]) -> Play {
        let script = Script::new(self.options.dialect, self.options.bytes);
        let give_up = Duration::from_secs_f64(self.options.give_up);
        let play = Play::new(&self.net, script, self.run, self.rooms, specs, give_up);
        self.rooms += u32::try_from(specs.len()).expect("few rooms");
        play
    }

    /// Waits, for at most two seconds, until the servers are idle, and returns their CPU time so far.
    fn settle(&mut self) -> f64 {
        let mut before = process::cpu(&self.options.pid).total;
        for _ in 0..40 {
            std::thread::sleep(Duration::from_millis(50));
            let now = process::cpu(&self.options.pid).total;
            if now - before < 0.001 {
                return now;
            }
            before = now;
        }
        before
    }

    fn measure(&mut self, play: &mut Play, enabled: &[bool]) -> Window {
        let seconds = Duration::from_secs_f64(self.options.seconds);
        let warm_up = Duration::from_secs_f64(self.options.warm_up);
        let drain = Duration::from_secs_f64(self.options.give_up + 0.5);
        play.measure(&mut self.net, &self.options.watched(), enabled, warm_up, seconds, drain)
    }

    fn traffic(&mut self, specs: &[RoomSpec]) -> Result<Value, String> {
        let (mut play, seated) = self.seat(specs, Duration::ZERO)?;
        let window = self.measure(&mut play, &[true]);
        let mut report = figures(&window, &window.classes[0]);
        extend(&mut report, costs(&window));
        extend(&mut report, self.books(&play));
        extend(&mut report, seated.report());
        self.net.close(0, Duration::from_secs(5));
        Ok(report)
    }

    fn books(&mut self, play: &Play) -> Value {
        let (expected, tally) = play.books.close();
        json!({
            "clean": tally.is_clean() && self.net.dropped == 0,
            "expected": expected,
            "lost": tally.lost,
            "doubled": tally.doubled,
            "reordered": tally.reordered,
            "wrong_room": tally.wrong_room,
            "malformed": tally.malformed,
            "given_up": play.given_up,
            "dropped_connections": self.net.dropped,
            "first_failure": self.net.failure,
        })
    }

    fn idle(&mut self) -> Result<Value, String> {
        let specs = self.options.rooms(1_000, 10, Pace::UnderWay(1));
        let (play, seated) = self.seat(&specs, REST)?;
        let before = process::cpu(&self.options.pid).total;
        let began = Instant::now();
        std::thread::sleep(Duration::from_secs_f64(self.options.seconds));
        let share = (process::cpu(&self.options.pid).total - before) / began.elapsed().as_secs_f64();
        let mut report = seated.report();
        extend(&mut report, json!({ "idle_cpu_percent": share * 100.0 }));
        extend(&mut report, self.books(&play));
        self.net.close(0, self.options.patience());
        self.settle();
        extend(&mut report, json!({ "rss_after_close": process::rss(&self.options.pid) }));
        Ok(report)
    }

    fn connect(&mut self) -> Result<Value, String> {
        let standing: Vec<Ticket> = (0..self.options.standing)
            .map(|room| Ticket { seat: Seat { room: self.rooms + room, member: 0 }, cramped: false })
            .collect();
        self.rooms += self.options.standing;
        self.open(&standing)?;
        let standing = standing.len();
        let began = Instant::now();
        let (mut count, mut cycles, mut connecting, mut connect_cpu, mut close_cpu) = (0, 0, 0.0, 0.0, 0.0);
        let mut rates = Vec::new();
        // One cycle too many is better than none. Fifty are enough for any server.
        while cycles == 0
            || (connecting < self.options.seconds && cycles < 50 && began.elapsed() < self.options.patience())
        {
            let members = self.options.members.unwrap_or(10);
            let tickets: Vec<Ticket> = (0..self.options.rooms.unwrap_or(200))
                .flat_map(|room| (0..members).map(move |member| (room, member)))
                .map(|(room, member)| Ticket { seat: Seat { room: self.rooms + room, member }, cramped: false })
                .collect();
            self.rooms += self.options.rooms.unwrap_or(200);
            let before = process::cpu(&self.options.pid).total;
            let elapsed = self.open(&tickets)?;
            let open = self.settle();
            self.net.close(standing, Duration::from_secs(5));
            let closed = self.settle();
            connecting += elapsed;
            connect_cpu += open - before;
            close_cpu += closed - open;
            rates.push(tickets.len() as f64 / elapsed);
            count += tickets.len();
            cycles += 1;
        }
        rates.sort_by(f64::total_cmp);
        let report = json!({
            "connections": count,
            "cycles": cycles,
            "standing": standing,
            "connects_per_s": rates[rates.len() / 2],
            "connect_cpu_us": connect_cpu / count as f64 * 1e6,
            "close_cpu_us": close_cpu / count as f64 * 1e6,
            "clean": self.net.dropped == 0,
            "dropped_connections": self.net.dropped,
            "first_failure": self.net.failure,
        });
        self.net.close(0, self.options.patience());
        Ok(report)
    }

    fn open(&mut self, tickets: &[Ticket]) -> Result<f64, String> {
        let patience = self.options.patience();
        let connected = self.net.connect(tickets, self.options.pending, patience, &mut |_, _, _| {})?;
        Ok(connected.elapsed.as_secs_f64())
    }

    fn growth(&mut self) -> Result<Value, String> {
        let mut sizes = Vec::new();
        for members in &self.options.sizes {
            let mut specs = self.options.rooms(1, *members, self.options.under_way(8));
            for spec in &mut specs {
                spec.members = *members;
            }
            let (mut play, _) = self.seat(&specs, Duration::ZERO)?;
            let window = self.measure(&mut play, &[true]);
            let mut report = json!({ "members": members });
            extend(&mut report, figures(&window, &window.classes[0]));
            extend(&mut report, costs(&window));
            extend(&mut report, self.books(&play));
            sizes.push(report);
            self.net.close(0, Duration::from_secs(5));
            self.settle();
        }
        let clean = sizes.iter().all(|size| size["clean"] == json!(true));
        Ok(json!({ "clean": clean, "sizes": sizes }))
    }

    fn fair(&mut self) -> Result<Value, String> {
        let small = RoomSpec { members: 10, senders: 1, pace: self.options.every(20.0), class: 0, slow: false };
        let mut specs = vec![small; self.options.rooms.unwrap_or(10) as usize];
        specs.push(RoomSpec {
            members: self.options.members.unwrap_or(10_000),
            senders: self.options.senders.unwrap_or(1),
            pace: self.options.under_way(4),
            class: 1,
            slow: false,
        });
        let (mut play, seated) = self.seat(&specs, Duration::ZERO)?;
        let alone = self.measure(&mut play, &[true, false]);
        let beside = self.measure(&mut play, &[true, true]);
        let mut report = json!({
            "alone": figures(&alone, &alone.classes[0]),
            "small": figures(&beside, &beside.classes[0]),
            "big": figures(&beside, &beside.classes[1]),
        });
        extend(&mut report, costs(&beside));
        extend(&mut report, self.books(&play));
        extend(&mut report, seated.report());
        self.net.close(0, Duration::from_secs(5));
        Ok(report)
    }

    fn slow(&mut self) -> Result<Value, String> {
        let mut specs = self.options.rooms(1, 1_000, self.options.under_way(4));
        for spec in &mut specs {
            spec.slow = true;
            if spec.members < 2 {
                return Err("`slow` needs at least two members".into());
            }
        }
        let (mut play, seated) = self.seat(&specs, Duration::ZERO)?;
        let whole = self.measure(&mut play, &[true]);
        if !self.options.awake {
            play.mute(&mut self.net);
        }
        let rss = process::rss(&self.options.pid);
        let window = self.measure(&mut play, &[true]);
        let grown = process::rss(&self.options.pid).saturating_sub(rss);
        let ends = play.unmute(&mut self.net, Duration::from_secs(10));
        // A server may close the slow reader. That is a policy, and not a fault.
        let cut = ends.iter().filter(|(_, open)| !open).count() as u64;
        let sent = play.books.close().0 / u64::from((specs[0].members - 1).max(1));
        let mut report = json!({ "before": figures(&whole, &whole.classes[0]) });
        extend(&mut report, figures(&window, &window.classes[0]));
        extend(&mut report, costs(&window));
        extend(&mut report, self.books(&play));
        let clean = play.books.close().1.is_clean() && self.net.dropped <= cut;
        let mine: Vec<u64> = ends.iter().map(|(seen, _)| *seen).collect();
        extend(
            &mut report,
            json!({ "clean": clean, "dropped_connections": self.net.dropped.saturating_sub(cut), "slow_received": mine, "slow_cut": cut, "slow_sent": sent, "rss_growth": grown }),
        );
        extend(&mut report, seated.report());
        self.net.close(0, Duration::from_secs(5));
        Ok(report)
    }
}

/// The cost of adding the members.
struct Seated {
    connections: usize,
    connects_per_second: f64,
    connect_us: f64,
    rss_before: u64,
    rss: u64,
    rss_touched: u64,
}

impl Seated {
    fn report(&self) -> Value {
        let each = |rss: u64| (rss as f64 - self.rss_before as f64) / self.connections as f64;
        json!({
            "connections": self.connections,
            "connects_per_s": self.connects_per_second,
            "connect_cpu_us": self.connect_us,
            "rss_before": self.rss_before,
            "rss_full": self.rss,
            "rss_per_connection": each(self.rss),
            "rss_per_connection_touched": each(self.rss_touched),
        })
    }
}

fn figures(window: &Window, class: &Figures) -> Value {
    json!({
        "seconds": window.seconds,
        "deliveries": class.deliveries,
        "deliveries_per_s": class.deliveries as f64 / window.seconds,
        "p50_ms": class.latency.quantile_ms(0.5),
        "p99_ms": class.latency.quantile_ms(0.99),
        "max_ms": class.latency.max_ms(),
    })
}

fn costs(window: &Window) -> Value {
    let deliveries = window.deliveries();
    let each = |seconds: f64| (deliveries > 0).then(|| seconds / deliveries as f64 * 1e6);
    json!({
        "server_us": each(window.server.total),
        "server_user_us": each(window.server.user),
        "side_us": each(window.side.total),
        "load_us": each(window.load.total),
        "server_cores": window.server.total / window.seconds,
        "load_cores": window.load.total / window.seconds,
        "foreign_cores": window.foreign,
        "joined": (window.reads > 0).then(|| deliveries as f64 / window.reads as f64),
    })
}

fn extend(report: &mut Value, more: Value) {
    if let (Value::Object(report), Value::Object(more)) = (report, more) {
        report.extend(more);
    }
}
