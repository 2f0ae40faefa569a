//! The time that a client waits for its reply while other clients flood the server.
//!
//! ```sh
//! cargo run --release --manifest-path benches/flood/Cargo.toml
//! cargo run --release --manifest-path benches/flood/Cargo.toml -- flatten fragments    # some of the floods
//! ```

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Clients that send as fast as the server reads.
const ATTACKERS: usize = 8;

/// The length of each measurement.
const MEASURED: Duration = Duration::from_secs(8);

/// The time between two requests of the measured client.
const PAUSE: Duration = Duration::from_millis(3);

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

/// Returns the bytes that an attacker sends first, and those that it then repeats.
fn flood(kind: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let keys = |number: usize| (0..number).map(|key| format!("\"key{key}\":{key}")).collect::<Vec<_>>().join(",");
    Some(match kind {
        "none" => (Vec::new(), Vec::new()),
        "ignored" => (Vec::new(), text(&format!("{{\"type\":\"ping\",{}}}", keys(60_000)))),
        "flatten" => (Vec::new(), text(&format!("{{\"type\":\"form\",{}}}", keys(60_000)))),
        // A text message that never ends: empty continuation frames.
        "fragments" => (vec![0x01, 0x80, 0, 0, 0, 0], [0x00, 0x80, 0, 0, 0, 0].repeat(64 * 1024 / 6)),
        "echo" => (Vec::new(), text(&format!("{{\"type\":\"say\",\"text\":\"{}\"}}", "x".repeat(1024 * 1024 - 64)))),
        _ => return None,
    })
}

/// Returns a client's text frame, with a mask of zeros.
fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap_or_default()),
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload.as_bytes());
    frame
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.write_all(
        b"GET /flood HTTP/1.1\r\nHost: flood\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
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
fn attack(mut socket: TcpStream, first: &[u8], again: &[u8], stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    if socket.write_all(first).is_err() {
        return sent;
    }
    while !stop.load(Relaxed) && socket.write_all(again).is_ok() {
        sent += again.len() as u64;
    }
    sent
}

/// Asks for the measured time. Returns the times of all replies, in order.
fn ask(mut socket: TcpStream) -> io::Result<Vec<Duration>> {
    let (question, mut times) = (text("{\"type\":\"ping\"}"), Vec::new());
    let mut reply = [0; 2 + "{\"pong\":1}".len()];
    let begun = Instant::now();
    while begun.elapsed() < MEASURED {
        let asked = Instant::now();
        socket.write_all(&question)?;
        socket.read_exact(&mut reply)?;
        times.push(asked.elapsed());
        thread::sleep(PAUSE);
    }
    times.sort_unstable();
    Ok(times)
}

fn measure(kind: &str) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let Some((first, again)) = flood(kind) else { return Err(format!("there is no flood `{kind}`").into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let channels = Channels::builder().build()?;
    let server = runtime.block_on(channels.bind("127.0.0.1:0"))?;
    let address = server.local_addr();
    let route = channels.route::<Flooded>(warp::path!("flood"));
    runtime.spawn(async move { server.serve(route).await });

    let stop = Arc::new(AtomicBool::new(false));
    let (first, again) = (Arc::new(first), Arc::new(again));
    let innocent = connect(address)?;
    let (mut attackers, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..if again.is_empty() { 0 } else { ATTACKERS } {
        let socket = connect(address)?;
        sockets.push(socket.try_clone()?);
        let mut reading = socket.try_clone()?;
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            while reading.read(&mut buffer).is_ok_and(|length| length > 0) {}
        });
        let (first, again, stop) = (Arc::clone(&first), Arc::clone(&again), Arc::clone(&stop));
        attackers.push(thread::spawn(move || attack(socket, &first, &again, &stop)));
    }
    // The first seconds spend what the rate limit allows after a silence.
    thread::sleep(Duration::from_secs(2));
    let times = ask(innocent)?;
    stop.store(true, Relaxed);
    for socket in &sockets {
        _ = socket.shutdown(std::net::Shutdown::Both);
    }
    let sent: u64 = attackers.into_iter().map(|attacker| attacker.join().unwrap_or_default()).sum();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!(
        "{kind:10} {:6} replies  p50 {:8.2} ms  p99 {:8.2} ms  max {:8.2} ms   attackers sent {:6} MiB, {} pauses",
        times.len(),
        at(50),
        at(99),
        at(100),
        sent >> 20,
        channels.stats().connections.throttled
    );
    runtime.shutdown_background();
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let kinds: Vec<String> = std::env::args().skip(1).collect();
    let all = ["none", "ignored", "flatten", "fragments", "echo"];
    if kinds.is_empty() {
        return all.into_iter().try_for_each(measure);
    }
    kinds.iter().try_for_each(|kind| measure(kind))
}
