//! Handshakes a second with `ForwardAuth`, with its cache and without, and the requests that the backend gets when 100 users reconnect
//! 1,000 times.
//!
//! ```sh
//! cargo run --release --manifest-path benches/identity/Cargo.toml
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use channels_runtime::auth::ForwardAuth;
use channels_runtime::prelude::*;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Clients that each connect one time after the other.
const CLIENTS: usize = 8;

/// The length of a reading. The rows alternate.
const READING: Duration = Duration::from_secs(2);

/// Readings of each row.
const ROUNDS: usize = 5;

const USERS: usize = 100;
const RECONNECTS: usize = 1000;

/// The time that the backend needs for a response while the users reconnect.
const THINKS: Duration = Duration::from_millis(20);

#[derive(Deserialize)]
struct User {
    id: usize,
}

#[derive(Default)]
struct Named;

#[consumer]
impl Named {
    #[connect]
    fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        match cx.user::<User>() {
            Some(user) if user.id > USERS => Err(Reject::forbidden()),
            _ => Ok(Self),
        }
    }
}

/// Reads the head of a request or a response.
async fn head(socket: &mut TcpStream) -> Result<String> {
    let (mut head, mut buffer) = (Vec::new(), [0; 2048]);
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut buffer).await? {
            0 => return Err(Error::msg("the connection was closed")),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A backend that answers with the number in the cookie.
async fn backend(asked: Arc<AtomicUsize>, thinks: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                while let Ok(request) = head(&mut socket).await {
                    asked.fetch_add(1, Relaxed);
                    if !thinks.is_zero() {
                        tokio::time::sleep(thinks).await;
                    }
                    let id = request.split("sessionid=").nth(1).and_then(|rest| rest.split("\r\n").next());
                    let body = format!(r#"{{"id": {}}}"#, id.unwrap_or("0"));
                    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    if socket.write_all(response.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// Serves a consumer, with `ForwardAuth` if there is a time to live.
async fn serve(ttl: Option<Duration>, thinks: Duration) -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let asked = Arc::<AtomicUsize>::default();
    let mut builder = Channels::builder();
    if let Some(ttl) = ttl {
        let url = format!("http://{}/whoami/", backend(Arc::clone(&asked), thinks).await?);
        builder = builder.forward_auth(ForwardAuth::<User>::new(url)?.cookies(["sessionid"]).ttl(ttl));
    }
    // All clients reconnect at once, and the server would drop some of the sockets that wait for a handshake.
    let channels = builder.max_handshakes_per_second(u32::MAX).max_waiting_sockets(2 * RECONNECTS).build()?;
    let server = channels.bind("127.0.0.1:0").await?;
    let address = server.local_addr();
    tokio::spawn(server.serve(channels.route::<Named>(warp::path!("ws"))));
    Ok((address, asked))
}

/// Connects and disconnects.
async fn handshake(address: SocketAddr, user: usize) -> Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: sessionid={user}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let response = head(&mut socket).await?;
    if response.starts_with("HTTP/1.1 101") { Ok(()) } else { Err(Error::msg(response)) }
}

/// Returns the handshakes a second.
async fn reading(address: SocketAddr) -> Result<f64> {
    let end = Instant::now() + READING;
    let client = |number: usize| async move {
        let mut made = 0;
        while Instant::now() < end {
            handshake(address, (number + made * CLIENTS) % USERS).await?;
            made += 1;
        }
        Ok::<_, Error>(made)
    };
    let clients: Vec<_> = (0..CLIENTS).map(|number| tokio::spawn(client(number))).collect();
    let mut made = 0;
    for client in clients {
        made += client.await??;
    }
    Ok(made as f64 / READING.as_secs_f64())
}

#[tokio::main]
async fn main() -> Result<()> {
    let rows = [
        ("no authenticator", None),
        ("`ForwardAuth`, cached", Some(Duration::from_secs(3600))),
        ("`ForwardAuth`, not cached", Some(Duration::ZERO)),
    ];
    let mut servers = Vec::new();
    for (_, ttl) in rows {
        servers.push(serve(ttl, Duration::ZERO).await?.0);
    }
    let mut readings = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (server, readings) in servers.iter().zip(&mut readings) {
            readings.push(reading(*server).await?);
        }
    }
    println!("| login | handshakes/s |\n| --- | --- |");
    for ((name, _), readings) in rows.iter().zip(&mut readings) {
        readings.sort_by(f64::total_cmp);
        println!("| {name} | {:.0} |", readings[ROUNDS / 2]);
    }

    println!("\n| {RECONNECTS} reconnects of {USERS} users | requests to the backend |\n| --- | --- |");
    for (name, ttl) in [("cached for 10 s", Duration::from_secs(10)), ("not cached, shared while they run", Duration::ZERO)] {
        let (address, asked) = serve(Some(ttl), THINKS).await?;
        let clients: Vec<_> = (0..RECONNECTS).map(|number| tokio::spawn(handshake(address, number % USERS))).collect();
        for client in clients {
            client.await??;
        }
        println!("| {name} | {} |", asked.load(Relaxed));
    }
    Ok(())
}
