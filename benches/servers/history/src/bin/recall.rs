//! Measures how long 1,000 clients need that come back together and have missed 100 messages each, against `examples/feed`.
//!
//! `--writer` is the process through which the messages are sent. `--addr` and `--pid` are the process to which the clients come
//! back. It may be the same one, or another one on the same Redis, which must then recall the history.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::{SinkExt, StreamExt, stream};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Lets clients come back together.
#[derive(Parser)]
struct Flags {
    #[arg(long)]
    writer: SocketAddr,

    #[arg(long)]
    addr: SocketAddr,

    #[arg(long)]
    pid: u32,

    #[arg(long, default_value_t = 1000)]
    clients: usize,

    #[arg(long, default_value_t = 100)]
    messages: usize,

    /// The clients that connect at the same moment.
    #[arg(long, default_value_t = 200)]
    handshakes: usize,

    /// The room, which must be new.
    #[arg(long, default_value = "recall")]
    room: String,
}

type Socket = WebSocketStream<TcpStream>;

async fn connect(address: SocketAddr, room: &str, since: &str) -> Socket {
    let stream = TcpStream::connect(address).await.expect("the feed listens");
    let address = format!("ws://{address}/ws/feed/{room}/?since={since}");
    tokio_tungstenite::client_async(address, stream).await.expect("the feed accepts a client").0
}

async fn next(socket: &mut Socket) -> String {
    loop {
        match socket.next().await.expect("an open connection").expect("an open connection") {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Close(close) => panic!("the connection was closed: {close:?}"),
            _ => {}
        }
    }
}

fn position(frame: &str, field: &str) -> String {
    let (_, rest) = frame.split_once(&format!("\"{field}\":\"")).expect("the frame has a position");
    rest[..30].to_owned()
}

/// Returns a value of `/proc/PID/status`, in KiB.
fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the value is there");
    line.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().expect("a number")
}

/// Lets the clients come back at a position and receive what they missed. Returns the sockets and the time.
async fn come_back(flags: &Flags, since: &str, missed: usize) -> (Vec<Socket>, Duration) {
    let begun = Instant::now();
    let back = (0..flags.clients).map(|_| async {
        let mut socket = connect(flags.addr, &flags.room, since).await;
        assert!(next(&mut socket).await.contains("\"hello\":\""), "no history is lost");
        for number in 0..missed {
            let line = next(&mut socket).await;
            assert!(line.starts_with(&format!("{{\"message\":\"{number:03} ")), "{line}");
        }
        socket
    });
    let sockets = stream::iter(back).buffer_unordered(flags.handshakes).collect().await;
    (sockets, begun.elapsed())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let flags = Flags::parse();
    let mut writer = connect(flags.writer, &flags.room, "").await;
    let start = position(&next(&mut writer).await, "hello");
    let mut newest = start.clone();
    for number in 0..flags.messages {
        let text = format!("{number:03} {}", "x".repeat(80));
        writer.send(Message::text(format!("{{\"message\":\"{text}\"}}"))).await.expect("an open connection");
        newest = position(&next(&mut writer).await, "at");
    }
    let idle = memory(flags.pid, "VmRSS:");
    let (sockets, recalled) = come_back(&flags, &start, flags.messages).await;
    let (after, peak) = (memory(flags.pid, "VmRSS:"), memory(flags.pid, "VmHWM:"));
    drop(sockets);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (sockets, without) = come_back(&flags, &newest, 0).await;
    println!(
        "{} clients received {} missed messages each within {} ms; without missed messages they needed {} ms; \
         memory of the process in KiB: {idle} before, {after} with the clients, {peak} at most, {} with the clients again",
        flags.clients,
        flags.messages,
        recalled.as_millis(),
        without.as_millis(),
        memory(flags.pid, "VmRSS:"),
    );
    drop(sockets);
}
