//! Messages a second and the 99th percentile of publishing over HTTP, compared with a hand-written axum handler that makes the same
//! checks: bearer secret, group, event and fields.
//!
//! ```sh
//! cargo run --release --manifest-path benches/publish/Cargo.toml
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use channels_runtime::prelude::*;
use channels_runtime::web::Publish;
use channels_runtime::web::axum::RouterExt;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Connections that each send one request after the other.
const CLIENTS: usize = 8;

/// The length of a reading. The rows alternate.
const READING: Duration = Duration::from_secs(2);

/// Readings of each row.
const ROUNDS: usize = 5;

#[event("order.paid")]
struct OrderPaid {
    amount: u32,
    customer: String,
    items: Vec<u64>,
}

#[group("order-{id}", events(OrderPaid))]
struct Order {
    id: u64,
}

/// What a programmer writes without the route.
#[derive(Deserialize)]
struct Message {
    group: String,
    event: Named,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Named {
    #[serde(rename = "order.paid")]
    Paid(OrderPaid),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Batch { messages: Vec<Message> },
    One(Message),
}

async fn by_hand(State(layer): State<ChannelLayer>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let presented = headers.get("authorization").map(|value| value.as_bytes()).unwrap_or_default();
    let wanted = format!("Bearer {SECRET}");
    let differs = |differs: u8, (a, b): (&u8, &u8)| differs | (a ^ b);
    if presented.len() != wanted.len() || presented.iter().zip(wanted.as_bytes()).fold(0, differs) != 0 {
        return StatusCode::UNAUTHORIZED;
    }
    let messages = match serde_json::from_slice(&body) {
        Ok(Body::One(message)) => vec![message],
        Ok(Body::Batch { messages }) => messages,
        Err(_) => return StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut checked = Vec::with_capacity(messages.len());
    for Message { group, event: Named::Paid(event) } in messages {
        let Some(id) = group.strip_prefix("order-").and_then(|id| id.parse().ok()) else {
            return StatusCode::NOT_FOUND;
        };
        checked.push((Order { id }, event));
    }
    for (order, event) in checked {
        if layer.group_send(&order, &event).await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::ACCEPTED
}

fn request(path: &str, messages: usize) -> Vec<u8> {
    let message = |id: usize| {
        let event = json!({"type": "order.paid", "amount": 1200, "customer": "Ann Example", "items": [1, 2, 3, 4]});
        json!({"group": format!("order-{id}"), "event": event})
    };
    let body = match messages {
        1 => message(7).to_string(),
        _ => json!({"messages": (0..messages).map(message).collect::<Vec<_>>()}).to_string(),
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

/// Sends the request until the end, and returns the latencies.
async fn client(address: SocketAddr, request: Vec<u8>, end: Instant) -> Result<Vec<Duration>> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (mut latencies, mut response) = (Vec::new(), [0; 4096]);
    while Instant::now() < end {
        let began = Instant::now();
        socket.write_all(&request).await?;
        let mut read = 0;
        while !is_complete(&response[..read]) {
            match socket.read(&mut response[read..]).await? {
                0 => return Err(Error::msg("the server closed the connection")),
                more => read += more,
            }
        }
        if !response.starts_with(b"HTTP/1.1 202") {
            return Err(Error::msg(String::from_utf8_lossy(&response[..read]).into_owned()));
        }
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

fn is_complete(response: &[u8]) -> bool {
    let text = String::from_utf8_lossy(response).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Returns the requests a second, and the 99th percentile of the latency.
async fn reading(address: SocketAddr, request: &[u8]) -> Result<(f64, Duration)> {
    let end = Instant::now() + READING;
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client(address, request.to_vec(), end))).collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    latencies.sort_unstable();
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    Ok((latencies.len() as f64 / READING.as_secs_f64(), p99))
}

#[tokio::main]
async fn main() -> Result<()> {
    let channels = Channels::builder().build()?;
    let layer = channels.channel_layer();
    // A member that reads, so that a message is delivered.
    let member = layer.new_channel().await?;
    layer.group_add(&Order { id: 7 }, member.name()).await?;
    tokio::spawn(async move { while member.receive().await.is_some() {} });

    let publish = Publish::builder().secret(SECRET).group::<Order>().max_requests_per_second(u32::MAX).build()?;
    let app = Router::new().route("/by-hand", post(by_hand)).publish(&channels, publish).with_state(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    println!("| messages in a request | route | requests/s | messages/s | p99 |");
    println!("| --- | --- | --- | --- | --- |");
    for messages in [1, 100] {
        let rows = [("`channels.publish`", "/publish"), ("by hand", "/by-hand")];
        let mut readings = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            for ((_, path), readings) in rows.iter().zip(&mut readings) {
                readings.push(reading(address, &request(path, messages)).await?);
            }
        }
        for ((name, _), readings) in rows.iter().zip(&mut readings) {
            readings.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (rate, p99) = readings[ROUNDS / 2];
            let sent = rate * messages as f64;
            println!("| {messages} | {name} | {rate:.0} | {sent:.0} | {:.2} ms |", p99.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}
