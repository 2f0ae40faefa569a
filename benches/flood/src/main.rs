//! The time that a client waits for its reply while other clients flood the server.
//!
//! ```sh
//! cargo run --release --manifest-path benches/flood/Cargo.toml
//! cargo run --release --manifest-path benches/flood/Cargo.toml -- --rounds 3 flatten fragments    # some of the floods
//! ```
//!
//! The server is a process of its own on core 0, and the clients are on core 1. Each round measures a quiet server, and then each
//! flood. The table has the medians of the rounds.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use flate2::{Compress, Compression, FlushCompress};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The length of each measurement.
const MEASURED: Duration = Duration::from_secs(10);

/// The time between two requests of the measured client.
const PAUSE: Duration = Duration::from_millis(3);

/// The largest message that the server accepts.
const MAX_MESSAGE: usize = 1024 * 1024;

/// The floods that are measured without arguments.
const KINDS: [&str; 8] = ["ignored", "flatten", "fragments", "echo", "bombs", "blocks", "bombs+blocks", "unpacked"];

type Failure = Box<dyn std::error::Error>;

/// A request of any client.
#[derive(Deserialize)]
struct Ping {}

#[derive(Serialize)]
struct Pong {
    pong: u8,
}

/// A command that takes any fields.
#[derive(Deserialize)]
struct Form {
    #[serde(flatten)]
    fields: HashMap<String, Value>,
}

/// Text that the server sends back.
#[derive(Deserialize, Serialize)]
struct Say {
    text: String,
}

#[derive(Default)]
struct Flooded;

#[consumer(tag = "type")]
impl Flooded {
    #[receive("ping")]
    async fn ping(&mut self, cx: &mut Context<Self>, _: Ping) -> Result<()> {
        cx.send_json(&Pong { pong: 1 }).await
    }

    #[receive("form")]
    fn form(&mut self, _cx: &mut Context<Self>, form: Form) {
        std::hint::black_box(form.fields.len());
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.send_json(&say).await
    }
}

/// The bytes that an attacker sends: some first, and others that it repeats as fast as the server reads.
#[derive(Default)]
struct Attack {
    first: Vec<u8>,
    again: Vec<u8>,
}

/// Returns an attack for each attacker of a flood.
fn flood(kind: &str) -> Option<Vec<Arc<Attack>>> {
    let again = |again: Vec<u8>| Arc::new(Attack { again, ..Attack::default() });
    let keys = |number: usize| (0..number).map(|key| format!("\"key{key}\":{key}")).collect::<Vec<_>>().join(",");
    let padded = format!("{{\"type\":\"ping\",\"pad\":\"{}\"}}", "x".repeat(MAX_MESSAGE - 64));
    let bomb = || again(frame(0xc1, &deflated(padded.as_bytes())));
    // Below 4 KiB a message is inflated on the thread of its connection, above on a thread for blocking work.
    let blocks =
        || again([frame(0xc1, &empty_blocks(3 * 1024)), frame(0xc1, &empty_blocks(MAX_MESSAGE - 64))].concat());
    Some(match kind {
        "none" => Vec::new(),
        "ignored" => vec![again(text(&format!("{{\"type\":\"ping\",{}}}", keys(60_000)))); 8],
        "flatten" => vec![again(text(&format!("{{\"type\":\"form\",{}}}", keys(60_000)))); 8],
        // A text message that never ends: empty continuation frames.
        "fragments" => {
            let (first, again) = (vec![0x01, 0x80, 0, 0, 0, 0], [0x00, 0x80, 0, 0, 0, 0].repeat(64 * 1024 / 6));
            vec![Arc::new(Attack { first, again }); 8]
        }
        "echo" => vec![again(text(&format!("{{\"type\":\"say\",\"text\":\"{}\"}}", "x".repeat(MAX_MESSAGE - 64)))); 8],
        "bombs" => vec![bomb(); 16],
        "blocks" => vec![blocks(); 16],
        "bombs+blocks" => [vec![bomb(); 8], vec![blocks(); 8]].concat(),
        // The texts of the bombs, without compression.
        "unpacked" => vec![again(text(&padded)); 16],
        _ => return None,
    })
}

/// Returns a client's text frame, with a mask of zeros.
fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

/// Returns a client's frame with this first byte, and a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap_or_default()),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Compresses a message as small as possible.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(message.len());
    let mut compressor = Compress::new(Compression::best(), false);
    compressor.compress_vec(message, &mut compressed, FlushCompress::Sync).expect("a compressor accepts all bytes");
    // The end of a compressed message is not sent.
    compressed.truncate(compressed.len() - 4);
    compressed
}

/// Returns a ping after this many bytes of blocks that are empty, each with a Huffman code of its own. That is the slowest input:
/// an inflater builds two tables for 90 bits.
fn empty_blocks(size: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::with_capacity(size * 8 + 100);
    // The least significant bit first, as DEFLATE has its numbers.
    let mut push = |value: u32, count: u32| bits.extend((0..count).map(|at| value >> at & 1 == 1));
    // A multiple of four blocks is a number of whole bytes.
    for _ in 0..(size * 8 / 360) * 4 {
        // Not the last block, with its own codes: 257 lengths of literals, one of distances, 18 of code lengths.
        push(0b100, 3);
        push(0, 5);
        push(0, 5);
        push(14, 4);
        // The codes of "1" and of "repeat zero", with one bit each.
        for at in 0..18 {
            push(u32::from(at == 2 || at == 17), 3);
        }
        // 256 literals without a code, then the end of the block and one distance.
        push(1 | 127 << 1, 8);
        push(1 | 107 << 1, 8);
        push(0, 2);
        // The end of the block.
        push(0, 1);
    }
    let bytes = bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | u8::from(*bit) << at));
    let mut blocks: Vec<u8> = bytes.collect();
    blocks.extend(deflated(b"{\"type\":\"ping\"}"));
    blocks
}

/// Connects, with or without an offer of compression.
fn connect(address: SocketAddr, offers: bool) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let extensions = if offers { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    let request = format!(
        "GET /flood HTTP/1.1\r\nHost: flood\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    Ok(socket)
}

/// Sends until the server is asked to stop. Returns the number of bytes.
fn attack(mut socket: TcpStream, attack: &Attack, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    if socket.write_all(&attack.first).is_err() {
        return sent;
    }
    while !stop.load(Relaxed) && socket.write_all(&attack.again).is_ok() {
        sent += attack.again.len() as u64;
    }
    sent
}

/// Asks for the measured time. Returns the times of all replies in milliseconds, in order.
fn ask(mut socket: TcpStream) -> io::Result<Vec<f64>> {
    let (question, mut times) = (text("{\"type\":\"ping\"}"), Vec::new());
    let mut reply = [0; 2 + "{\"pong\":1}".len()];
    let begun = Instant::now();
    while begun.elapsed() < MEASURED {
        let asked = Instant::now();
        socket.write_all(&question)?;
        socket.read_exact(&mut reply)?;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
        thread::sleep(PAUSE);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times)
}

/// Serves until the standard input ends. Prints the address at first, and at the end the number of pauses and of inflated messages.
fn serve() -> std::result::Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let channels = Channels::builder().compression(256).max_message_size(MAX_MESSAGE).build()?;
    let server = runtime.block_on(channels.bind("127.0.0.1:0"))?;
    println!("{}", server.local_addr());
    let route = channels.route::<Flooded>(warp::path!("flood"));
    runtime.spawn(async move { server.serve(route).await });
    io::stdin().read_to_end(&mut Vec::new())?;
    let stats = channels.stats();
    println!("{} pauses, {} messages inflated", stats.connections.throttled, stats.compression.inflated);
    runtime.shutdown_background();
    Ok(())
}

/// Starts the server in a process on core 0, if the program `taskset` exists.
fn start_server() -> io::Result<Child> {
    let program = std::env::current_exe()?;
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "0"]).arg(&program);
    let start = |command: &mut Command| command.arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    start(&mut pinned).or_else(|_| start(&mut Command::new(&program)))
}

/// The wait of the measured client in one flood, in milliseconds.
#[derive(Clone, Copy)]
struct Wait {
    p50: f64,
    p99: f64,
}

fn measure(kind: &str) -> std::result::Result<Wait, Failure> {
    let Some(attacks) = flood(kind) else { return Err(format!("there is no flood `{kind}`").into()) };
    let mut server = start_server()?;
    let mut output = BufReader::new(server.stdout.take().ok_or("the server has an output")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    let address: SocketAddr = line.trim().parse()?;

    let stop = Arc::new(AtomicBool::new(false));
    let innocent = connect(address, false)?;
    let (mut attackers, mut sockets) = (Vec::new(), Vec::new());
    for attack_of_client in attacks {
        let is_compressed = attack_of_client.again[0] & 0x40 != 0;
        let socket = connect(address, is_compressed)?;
        sockets.push(socket.try_clone()?);
        let mut reading = socket.try_clone()?;
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            while reading.read(&mut buffer).is_ok_and(|length| length > 0) {}
        });
        let stop = Arc::clone(&stop);
        attackers.push(thread::spawn(move || attack(socket, &attack_of_client, &stop)));
    }
    let times = ask(innocent)?;
    stop.store(true, Relaxed);
    for socket in &sockets {
        _ = socket.shutdown(std::net::Shutdown::Both);
    }
    let sent: u64 = attackers.into_iter().map(|attacker| attacker.join().unwrap_or_default()).sum();
    drop(server.stdin.take());
    line.clear();
    output.read_line(&mut line)?;
    server.wait()?;
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    eprintln!(
        "{kind:12} {:6} replies  p50 {:8.2} ms  p99 {:8.2} ms  max {:8.2} ms   attackers sent {:6} KiB, {}",
        times.len(),
        at(50),
        at(99),
        at(100),
        sent >> 10,
        line.trim()
    );
    Ok(Wait { p50: at(50), p99: at(99) })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> std::result::Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == "--serve").is_some() {
        return serve();
    }
    let mut rounds = 1;
    if arguments.next_if(|argument| argument == "--rounds").is_some() {
        rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).ok_or("`--rounds` takes a number")?;
    }
    let chosen: Vec<String> = arguments.collect();
    let kinds = if chosen.is_empty() { KINDS.map(str::to_owned).to_vec() } else { chosen };
    // The clients leave core 0 to the server.
    _ = Command::new("taskset").args(["-cp", "1", &std::process::id().to_string()]).stdout(Stdio::null()).status();
    let mut played = Vec::new();
    for _ in 0..rounds {
        let quiet = measure("none")?;
        let waits = kinds.iter().map(|kind| measure(kind)).collect::<std::result::Result<Vec<_>, _>>()?;
        played.push((quiet, waits));
    }
    println!("| flood | p50, ms | p99, ms | p50, of none | p99, of none |\n| --- | --: | --: | --: | --: |");
    let quiet = |of: fn(Wait) -> f64| median(played.iter().map(|(quiet, _)| of(*quiet)));
    println!("| none | {:.2} | {:.2} | | |", quiet(|wait| wait.p50), quiet(|wait| wait.p99));
    for (at, kind) in kinds.iter().enumerate() {
        let waits = |of: fn(Wait) -> f64| median(played.iter().map(|(_, waits)| of(waits[at])));
        let ratio = |of: fn(Wait) -> f64| median(played.iter().map(|(quiet, waits)| of(waits[at]) / of(*quiet)));
        let (p50, p99): (fn(Wait) -> f64, fn(Wait) -> f64) = (|wait| wait.p50, |wait| wait.p99);
        println!("| `{kind}` | {:.2} | {:.2} | {:.1} | {:.1} |", waits(p50), waits(p99), ratio(p50), ratio(p99));
    }
    Ok(())
}
