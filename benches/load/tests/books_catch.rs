//! Tests the delivery check against a server that misbehaves on purpose: each fault must appear in its own column.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use clap::Parser;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Drop,
    Double,
    Swap,
    OtherRoom,
    ChangedByte,
    Masked,
    Hangup,
}

/// The number of the message with the fault, counted over the whole run.
const FAULTY_MESSAGE: u32 = 40;

#[derive(Default)]
struct ChatServer {
    rooms: HashMap<String, Vec<TcpStream>>,
    messages: u32,
    held: Option<(String, Vec<u8>)>,
}

impl ChatServer {
    fn broadcast(&mut self, room: &str, payload: &[u8], fault: Fault) {
        let probe = payload.windows(14).any(|text| text == br#"{"message": "p"#);
        self.messages += u32::from(!probe);
        let now = !probe && self.messages == FAULTY_MESSAGE;
        let mut frame = vec![0x81, u8::try_from(payload.len()).expect("100 bytes")];
        frame.extend(payload);
        if now && fault == Fault::OtherRoom {
            let other = self.rooms.iter_mut().find(|(name, _)| *name != room).expect("two rooms").1;
            other[0].write_all(&frame).expect("the client reads");
        }
        for (place, member) in self.rooms.get_mut(room).expect("it sent").iter_mut().enumerate() {
            // The client closes the connection of a member that received an illegal frame. The other members continue.
            let mut send = |frame: &[u8]| drop(member.write_all(frame));
            match (now && place == 1, fault) {
                (true, Fault::Drop) => {}
                (true, Fault::Swap) => self.held = Some((room.to_owned(), frame.clone())),
                (true, Fault::Double) => {
                    send(&frame);
                    send(&frame);
                }
                (true, Fault::ChangedByte) => {
                    let mut changed = frame.clone();
                    changed[70] ^= 1;
                    send(&changed);
                }
                (true, Fault::Masked) => {
                    let mut masked = vec![0x81, 0x80 | frame[1], 0, 0, 0, 0];
                    masked.extend(payload);
                    send(&masked);
                }
                (true, Fault::Hangup) => member.shutdown(std::net::Shutdown::Both).expect("it was open"),
                _ => {
                    send(&frame);
                    // The held message is sent directly after its successor.
                    if place == 1
                        && let Some((_, held)) = self.held.take_if(|(of, _)| of == room)
                    {
                        send(&held);
                    }
                }
            }
        }
    }
}

fn serve(mut stream: TcpStream, chat: &Mutex<ChatServer>, fault: Fault) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let mut room = None;
    loop {
        let count = match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        bytes.extend(&chunk[..count]);
        if room.is_none() && bytes.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8(std::mem::take(&mut bytes)).expect("ASCII");
            let name = head.split(' ').nth(1).expect("a target").to_owned();
            let mut chat = chat.lock().expect("no test panics here");
            let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            stream.write_all(answer.as_bytes()).expect("the client reads");
            chat.rooms.entry(name.clone()).or_default().push(stream.try_clone().expect("a second handle"));
            room = Some(name);
        }
        while let Some(room) = &room {
            let [first, second, ..] = bytes[..] else {
                break;
            };
            let length = 6 + usize::from(second & 0x7f);
            if bytes.len() < length {
                break;
            }
            let frame: Vec<u8> = bytes.drain(..length).collect();
            if first == 0x88 {
                let _ = stream.write_all(&[0x88, 0]);
                return;
            }
            chat.lock().expect("no test panics here").broadcast(room, &frame[6..], fault);
        }
    }
}

fn play(fault: Fault) -> Value {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let Ok(SocketAddr::V4(address)) = listener.local_addr() else { panic!("bound to IPv4") };
    let chat = Arc::new(Mutex::new(ChatServer::default()));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let chat = Arc::clone(&chat);
            thread::spawn(move || serve(stream, &chat, fault));
        }
    });
    run("rooms", address, &["--rooms", "2", "--members", "3"])
}

fn run(scenario: &str, address: SocketAddrV4, more: &[&str]) -> Value {
    let address = address.to_string();
    let pid = std::process::id().to_string();
    let fixed = ["load", scenario, "--addr", &address, "--pid", &pid, "--seconds", "0.4", "--warm-up", "0.1"];
    let options = load::scenario::Options::parse_from(
        fixed.iter().chain(&["--give-up", "0.3", "--patience", "10"]).chain(more).copied(),
    );
    load::scenario::run(&options).expect("a play")
}

/// Checks that `columns` have these counts, and all other columns are zero.
fn assert_columns(report: &Value, columns: &[(&str, u64)]) {
    for column in ["lost", "doubled", "reordered", "wrong_room", "malformed", "dropped_connections"] {
        let expected = columns.iter().find(|(name, _)| *name == column).map_or(0, |(_, count)| *count);
        assert_eq!(report[column], expected, "{column} in {report:#}");
    }
    assert_eq!(report["clean"], columns.is_empty(), "{report:#}");
    assert!(report["expected"].as_u64() > Some(100), "{report:#}");
}

#[test]
fn correct_server_is_clean() {
    let report = play(Fault::None);
    assert_columns(&report, &[]);
    assert!(report["server_us"].as_f64() > Some(0.0) && report["p99_ms"].as_f64() > Some(0.0), "{report:#}");
}

#[test]
fn dropped_delivery_is_lost() {
    let report = play(Fault::Drop);
    assert_columns(&report, &[("lost", 1)]);
    assert_eq!(report["given_up"], 1);
}

#[test]
fn second_delivery_is_doubled() {
    assert_columns(&play(Fault::Double), &[("doubled", 1)]);
}

#[test]
fn delivery_after_its_successor_is_reordered() {
    assert_columns(&play(Fault::Swap), &[("reordered", 1)]);
}

#[test]
fn delivery_to_another_room_is_wrong_room() {
    assert_columns(&play(Fault::OtherRoom), &[("wrong_room", 1)]);
}

#[test]
fn changed_byte_is_malformed_and_its_message_lost() {
    assert_columns(&play(Fault::ChangedByte), &[("malformed", 1), ("lost", 1)]);
}

#[test]
fn masked_frame_and_closed_connection_are_dropped_connections() {
    for fault in [Fault::Masked, Fault::Hangup] {
        let report = play(fault);
        assert_eq!(report["dropped_connections"], 1, "{fault:?}: {report:#}");
        assert!(report["lost"].as_u64() > Some(0), "{fault:?}: {report:#}");
        assert_eq!(report["clean"], false, "{fault:?}");
    }
}
