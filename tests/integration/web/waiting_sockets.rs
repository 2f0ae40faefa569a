//! Sockets that have not sent a whole request: their number, their deadline, and the size of a request head.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::admission::echo_server::{say, serve_echo};
use crate::support::client::{handshake, read_head, send_request, until_closed};
use crate::support::example::Example;
use crate::support::until::{until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_sockets_are_dropped_oldest_first() {
    let builder = Channels::builder().max_waiting_sockets(8).header_deadline(Duration::from_secs(3600));
    let server = serve_echo(builder).await;
    let mut slow = Vec::new();
    for number in 0..50 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        if number % 2 == 0 {
            socket.write_all(b"GET /ws HTTP/1.1\r\nHost: ").await.unwrap();
        }
        slow.push(socket);
    }
    let mut answer = server.enter().await;
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 127.0.0.1");
    // All but eight of the fifty, and possibly one more for the client that sends, depending on when the last one arrives.
    until("the oldest sockets are dropped", || server.channels.stats().handshakes.crowded_out >= 42).await;
    assert!(server.channels.stats().handshakes.crowded_out <= 43, "{:?}", server.channels.stats().handshakes);
    for socket in slow.drain(..40) {
        until_closed(socket).await;
    }
    drop((slow, answer));
    server.stop().await;
}

/// Connects from an address of this machine.
async fn connect_from(source: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    socket.connect(server).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_sockets_of_one_source_do_not_drop_slow_client_of_another() {
    let builder = Channels::builder().max_waiting_sockets(8).header_deadline(Duration::from_secs(3600));
    let server = serve_echo(builder).await;
    let request = handshake("/ws", &format!("Host: {}\n", server.address)).replace('\n', "\r\n");
    let (begin, rest) = request.split_at(30);
    let mut slow = connect_from("127.0.0.1", server.address).await;
    slow.write_all(begin.as_bytes()).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(connect_from("127.0.0.2", server.address).await);
    }
    until("the source drops its own", || server.channels.stats().handshakes.crowded_out == 43).await;
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = read_head(slow).await;
    assert_eq!((answer.status, say(&mut answer.socket, "hi").await.as_str()), (101, "hi 127.0.0.1"));
    for socket in silent.drain(..43) {
        until_closed(socket).await;
    }
    drop((silent, answer));
    server.stop().await;
}

/// With 256 open files, 400 silent sockets would leave none.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_with_few_files_accepts_clients_next_to_silent_sockets() {
    let chat = Example::start_with_files("chat", 256, 256);
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(TcpStream::connect(chat.address()).await.unwrap());
    }
    let mut visitors = Vec::new();
    for _ in 0..7 {
        let request = handshake("/ws/chat/lobby/", &format!("Host: {}\n", chat.address()));
        let visitor = within(send_request(chat.address(), &request)).await;
        assert_eq!(visitor.status, 101);
        visitors.push(visitor);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn serve_raises_soft_limit_of_open_files() {
    let chat = Example::start_with_files("chat", 200, 300);
    // It prints its address before it serves.
    let is_raised = || {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", chat.id())).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        files.split_whitespace().skip(3).take(2).all(|limit| limit == "300")
    };
    until("the soft limit is the hard one", is_raised).await;
}

/// The heads of the requests are complete, but their bodies never come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_sockets_without_body_are_dropped_before_slow_upload() {
    let builder = Channels::builder().max_waiting_sockets(8).header_deadline(Duration::from_secs(3600));
    let server = serve_echo(builder).await;
    let post =
        |length: usize| format!("POST /length HTTP/1.1\r\nHost: ours\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(&[&post(10)[..], b"x"].concat()).await.unwrap();
        slow.push(socket);
    }
    // Four of the fifty may stay, and four of those whose heads have not been read yet.
    until("the oldest sockets are dropped", || server.channels.stats().handshakes.crowded_out >= 42).await;
    // A slow upload that starts after the others is not dropped for sockets without a request.
    let mut upload = TcpStream::connect(server.address).await.unwrap();
    upload.write_all(&post(10)).await.unwrap();
    upload.write_all(b"01234").await.unwrap();
    let mut answer = server.enter().await;
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 127.0.0.1");
    for _ in 0..20 {
        slow.push(TcpStream::connect(server.address).await.unwrap());
    }
    until("sockets without a request are dropped", || server.channels.stats().handshakes.crowded_out >= 58).await;
    upload.write_all(b"56789").await.unwrap();
    let mut answered = read_head(upload).await;
    assert_eq!(answered.status, 200);
    let mut length = [0; 2];
    answered.socket.read_exact(&mut length).await.unwrap();
    assert_eq!(&length, b"10");
    drop((slow, answer, answered));
    server.stop().await;
}

#[tokio::test]
async fn request_head_has_deadline_and_size_limit() {
    let server = serve_echo(Channels::builder().header_deadline(Duration::from_millis(300))).await;
    for begin in ["", "G", "GET /ws HTTP/1.1\r\nHost: "] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(begin.as_bytes()).await.unwrap();
        until_closed(socket).await;
    }
    // Also between two requests. A WebSocket may be silent.
    let mut open = server.enter().await;
    let page = send_request(server.address, "GET /page HTTP/1.1\nHost: ours\n\n").await;
    assert_eq!(page.status, 200);
    until_closed(page.socket).await;
    assert_eq!(say(&mut open.socket, "hi").await, "hi 127.0.0.1");
    // A client that had a response before and sends nothing more is not counted.
    until("late heads are counted", || server.channels.stats().handshakes.head_late == 3).await;

    // The server closes the socket before it has read all, so the client may miss the response.
    let large = format!("GET /page HTTP/1.1\r\nHost: ours\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    _ = socket.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    _ = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    let many = format!("GET /page HTTP/1.1\nHost: ours\n{}\n", "X: x\n".repeat(200));
    assert_eq!(send_request(server.address, &many).await.status, 431);
    until("large heads are counted", || server.channels.stats().handshakes.head_too_large == 2).await;
    assert_eq!(server.channels.stats().handshakes.head_late, 3);
    drop(open);
    server.stop().await;
}

/// Each byte comes in time, but the head never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_head_sent_byte_by_byte_has_same_deadline() {
    const DEADLINE: Duration = Duration::from_millis(500);
    let server = serve_echo(Channels::builder().header_deadline(DEADLINE)).await;
    let dribbles = async |mut socket: TcpStream, begin: &[u8]| {
        let begun = Instant::now();
        socket.write_all(begin).await.unwrap();
        let (mut reads, mut writes) = socket.split();
        let mut every = tokio::time::interval(DEADLINE / 10);
        let mut written = 0;
        let mut heard = [0; 1];
        loop {
            tokio::select! {
                // Both futures may be dropped. A failed write is followed by the end of the stream.
                _ = every.tick() => written += usize::from(writes.write_all(b"x").await.is_ok()),
                // A reset ends the stream, too.
                end = reads.read(&mut heard) => {
                    assert_eq!(end.unwrap_or(0), 0, "an incomplete head gets no response");
                    break;
                }
            }
            // Enough for a busy machine, but shorter than the total if each byte restarted the deadline.
            assert!(begun.elapsed() < 20 * DEADLINE, "the socket is open after {written} bytes");
        }
        assert!(begun.elapsed() >= DEADLINE / 2, "the deadline has passed: {:?}", begun.elapsed());
    };
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    tokio::join!(dribbles(first, b"GET /"), dribbles(second, b"GET /ws HTTP/1.1\r\nHost: ours\r\nX: "));
    until("both sockets are counted", || server.channels.stats().handshakes.head_late == 2).await;
    server.stop().await;
}

#[tokio::test]
async fn keep_alive_socket_counts_as_waiting() {
    let server = serve_echo(Channels::builder().max_waiting_sockets(1)).await;
    let page = send_request(server.address, "GET /page HTTP/1.1\nHost: ours\n\n").await;
    let mut socket = page.socket;
    let mut body = [0; 6];
    socket.read_exact(&mut body).await.unwrap();
    // The socket has had its response and waits again; the next client takes its slot.
    assert_eq!(server.enter().await.status, 101);
    until("the waiting socket was dropped", || server.channels.stats().handshakes.crowded_out == 1).await;
    until_closed(socket).await;
    // Two requests over one socket need one slot.
    let page = send_request(server.address, "GET /page HTTP/1.1\nHost: ours\n\n").await;
    let mut socket = page.socket;
    socket.read_exact(&mut body).await.unwrap();
    socket.write_all(b"GET /page HTTP/1.1\r\nHost: ours\r\n\r\n").await.unwrap();
    assert_eq!(read_head(socket).await.status, 200);
    assert_eq!(server.channels.stats().handshakes.crowded_out, 1);
    server.stop().await;
}
