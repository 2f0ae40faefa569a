//! The WebSocket protocol (RFC 6455), from a correct and from an incorrect client over a raw socket to `examples/echo`:
//! sections 1 to 7, 9, 10, 12 and 13 of the Autobahn fuzzing client, under its section numbers, as a table of this project. Every
//! case has one correct outcome.
//!
//! The frames of the server are checked as strictly: unmasked, whole, in the shortest form, with a close frame as the last
//! thing before the end of the stream, which is not a reset.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use tokio_util::task::AbortOnDropHandle;

use crate::support::deflate_client::{deflated, inflated};
use crate::support::echo::Echo;
use crate::support::example::Example;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

/// The message limit of the server.
const LIMIT: usize = 16 * 1024 * 1024;

/// After this many failures the remaining cases are skipped: each case of an unresponsive server would wait for its time
/// limit.
const ENOUGH: usize = 20;

/// The time limit for a response. No case waits for time to pass.
const SILENCE: Duration = Duration::from_secs(20);

/// The time in which the client must receive nothing. A late error of a busy server is missed; a slow server never fails a
/// case.
const QUIET: Duration = Duration::from_millis(300);

/// A step of a case: an action of the client, or an expected frame.
#[derive(Clone)]
enum Step {
    /// Writes these bytes in one write.
    Write(Vec<u8>),
    /// Writes these bytes in pieces of this size.
    Chop(Vec<u8>, usize),
    /// Sends each of these messages compressed, and expects it back.
    Deflate(CompressedMessages),
    /// Expects this frame next.
    See(u8, Vec<u8>),
    /// Expects that the server sends nothing and keeps the connection open.
    Quiet,
    /// Repeats these steps.
    Times(usize, Vec<Self>),
}

/// Messages that are parts of one text. They are made when they are sent, because a thousand for each case do not fit into memory.
#[derive(Clone)]
struct CompressedMessages {
    opcode: u8,
    text: Arc<[u8]>,
    /// The size of each message.
    size: usize,
    /// The largest size of a frame.
    frame_size: usize,
    count: usize,
}

impl CompressedMessages {
    /// Returns each message. Each one begins at another place of the text.
    fn iter(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..self.count).map(|number| {
            let begin = number * 997 % self.text.len();
            self.text.iter().cycle().skip(begin).take(self.size).copied().collect()
        })
    }

    /// Returns the frames of a message.
    fn frames(&self, message: &[u8]) -> Vec<u8> {
        let mut frames = fragments(self.opcode, &deflated(message), self.frame_size.min(message.len()));
        frames[0] |= 0x40;
        frames
    }
}

/// The expected end of the connection.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    /// The client closes after a correct exchange.
    Clean,
    /// The server sends a close frame with this code, or without a code.
    Closed(Option<u16>),
}

#[derive(Clone)]
struct Case {
    id: String,
    steps: Vec<Step>,
    end: End,
    /// The client's offer of compression. `None` for a case without an extension.
    offer: Option<&'static str>,
}

/// Returns the bytes of a client's frame, with the length in its shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    masked(bytes, payload)
}

/// Appends a mask and the masked payload to this head.
fn masked(mut head: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    let mask = [0x1d, 0xc4, 0x73, 0x9a];
    head.extend(mask);
    // Word by word, because large payloads are slow in a build without optimisation.
    let word = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap());
    let mut words = payload.chunks_exact(8);
    for eight in &mut words {
        head.extend((u64::from_ne_bytes(eight.try_into().unwrap()) ^ word).to_ne_bytes());
    }
    head.extend(words.remainder().iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    head
}

/// Returns a message in frames of at most `size` bytes.
fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(size).max(1);
    let mut bytes = Vec::with_capacity(payload.len() + 14 * count);
    for at in 0..count {
        let opcode = if at == 0 { opcode } else { CONTINUATION };
        let fin = if at + 1 == count { FIN } else { 0 };
        let piece = &payload[at * size..payload.len().min((at + 1) * size)];
        bytes.extend(frame(fin | opcode, piece));
    }
    bytes
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

fn write(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Write(bytes.into())
}

fn see(opcode: u8, payload: impl Into<Vec<u8>>) -> Step {
    Step::See(opcode, payload.into())
}

/// Writes all parts in one write.
fn join(parts: &[Vec<u8>]) -> Step {
    Step::Write(parts.concat())
}

/// The cases of a section.
#[derive(Default)]
struct Table {
    cases: Vec<Case>,
}

impl Table {
    fn add(&mut self, id: impl fmt::Display, end: End, steps: Vec<Step>) {
        self.cases.push(Case { id: id.to_string(), steps, end, offer: None });
    }

    fn compressed(&mut self, id: impl fmt::Display, offer: &'static str, steps: Vec<Step>) {
        self.cases.push(Case { id: id.to_string(), steps, end: End::Clean, offer: Some(offer) });
    }

    fn ok(&mut self, id: impl fmt::Display, steps: Vec<Step>) {
        self.add(id, End::Clean, steps);
    }

    fn fails(&mut self, id: impl fmt::Display, code: u16, steps: Vec<Step>) {
        self.add(id, End::Closed(Some(code)), steps);
    }
}

/// Returns text in which a lost or moved byte is visible.
fn letters(size: usize) -> Vec<u8> {
    repeated(b"abcdefghijklmnopqrstuvwxyz0123456789+", size)
}

fn bytes(size: usize) -> Vec<u8> {
    repeated(&(0..=250).collect::<Vec<u8>>(), size)
}

fn repeated(pattern: &[u8], size: usize) -> Vec<u8> {
    let mut all = pattern.repeat(size / pattern.len() + 1);
    all.truncate(size);
    all
}

/// 1: messages of all sizes at which the header changes, whole and in pieces.
fn framing(table: &mut Table) {
    let sizes = [0, 1, 2, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537];
    for (section, opcode) in [(1, TEXT), (2, BINARY)] {
        for (at, size) in sizes.into_iter().enumerate() {
            let payload = if opcode == TEXT { letters(size) } else { bytes(size) };
            let whole = frame(FIN | opcode, &payload);
            let seen = see(opcode, payload);
            table.ok(format!("1.{section}.{}", at + 1), vec![write(whole.clone()), seen.clone()]);
            let piece = if size > 1000 { 997 } else { 1 };
            table.ok(format!("1.{section}.{} chopped by {piece}", at + 1), vec![Step::Chop(whole, piece), seen]);
        }
    }
    for (at, size) in [0, 125, 126, 65_535, 65_536].into_iter().enumerate() {
        // The server parses a frame wherever a read ends.
        for piece in [2, 3, 5, 13] {
            let whole = [frame(FIN | BINARY, &bytes(size)), frame(FIN | TEXT, b"behind it")].concat();
            let piece = if size > 1000 { piece * 331 } else { piece };
            let seen = vec![Step::Chop(whole, piece), see(BINARY, bytes(size)), see(TEXT, "behind it")];
            table.ok(format!("1.3.{} chopped by {piece}", at + 1), seen);
        }
    }
}

/// 2: pings and pongs.
fn pings(table: &mut Table) {
    let all: Vec<u8> = (0..125).map(|at| 0xff - at).collect();
    table.ok("2.1", vec![write(frame(FIN | PING, b"")), see(PONG, "")]);
    table.ok("2.2", vec![write(frame(FIN | PING, b"Hello, world!")), see(PONG, "Hello, world!")]);
    table.ok("2.3", vec![write(frame(FIN | PING, &[0, 0xff, 0xfe, 0xfd])), see(PONG, [0, 0xff, 0xfe, 0xfd])]);
    table.ok("2.4", vec![write(frame(FIN | PING, &all)), see(PONG, all.clone())]);
    table.fails("2.5", 1002, vec![write(frame(FIN | PING, &letters(126)))]);
    table.ok("2.6", vec![Step::Chop(frame(FIN | PING, &all), 1), see(PONG, all.clone())]);
    table.ok("2.7", vec![write(frame(FIN | PONG, b""))]);
    table.ok("2.8", vec![write(frame(FIN | PONG, b"nobody asked"))]);
    let unasked = join(&[frame(FIN | PONG, b"nobody asked"), frame(FIN | PING, b"but I do")]);
    table.ok("2.9", vec![unasked, see(PONG, "but I do")]);
    let ten = |chop: Option<usize>| {
        let pings: Vec<u8> = (0..10).flat_map(|at| frame(FIN | PING, format!("ping {at}").as_bytes())).collect();
        let mut steps = vec![chop.map_or(Step::Write(pings.clone()), |size| Step::Chop(pings.clone(), size))];
        steps.extend((0..10).map(|at| see(PONG, format!("ping {at}"))));
        steps
    };
    table.ok("2.10", ten(None));
    table.ok("2.11", ten(Some(1)));
    table.fails("2.12 a pong of 126 bytes", 1002, vec![write(frame(FIN | PONG, &letters(126)))]);
}

/// 3: reserved bits without an extension.
fn reserved_bits(table: &mut Table) {
    let hello = || frame(FIN | TEXT, b"Hello");
    // The payload of a close frame must be a valid code, so that only the bits are wrong.
    let payload = |opcode| if opcode == CLOSE { &[0x03, 0xe8][..] } else { b"reserved" };
    let bad = |bits: u8, opcode: u8| frame(FIN | (bits << 4) | opcode, payload(opcode));
    let echoed = || see(TEXT, "Hello");
    table.fails("3.1", 1002, vec![write(bad(1, TEXT))]);
    table.fails("3.2", 1002, vec![join(&[hello(), bad(2, TEXT), frame(FIN | PING, b"")]), echoed()]);
    table.fails("3.3", 1002, vec![write(hello()), echoed(), write([bad(3, TEXT), frame(FIN | PING, b"")].concat())]);
    let chopped = Step::Chop([hello(), bad(4, TEXT), frame(FIN | PING, b"")].concat(), 1);
    table.fails("3.4", 1002, vec![chopped, echoed()]);
    table.fails("3.5", 1002, vec![write(bad(5, BINARY))]);
    table.fails("3.6", 1002, vec![write(bad(6, PING))]);
    table.fails("3.7", 1002, vec![write(bad(7, CLOSE))]);
    for bits in 1..=7 {
        for (name, opcode) in [("text", TEXT), ("binary", BINARY), ("ping", PING), ("pong", PONG), ("close", CLOSE)] {
            table.fails(
                format!("3.8 bits {bits} in a {name}"),
                1002,
                vec![join(&[hello(), bad(bits, opcode)]), echoed()],
            );
        }
        let continued = join(&[frame(TEXT, b"Hel"), bad(bits, CONTINUATION)]);
        table.fails(format!("3.8 bits {bits} in a continuation"), 1002, vec![continued]);
    }
}

/// 4: reserved opcodes.
fn opcodes(table: &mut Table) {
    let hello = || frame(FIN | TEXT, b"Hello");
    for (section, opcodes) in [(1, 3..=7), (2, 11..=15)] {
        for (at, opcode) in opcodes.enumerate() {
            let id = |way: &str| format!("4.{section}.{} {way}", at + 1);
            let echoed = || see(TEXT, "Hello");
            table.fails(id("empty"), 1002, vec![write(frame(FIN | opcode, b""))]);
            table.fails(id("with a payload"), 1002, vec![write(frame(FIN | opcode, b"reserved"))]);
            table.fails(id("not final"), 1002, vec![write(frame(opcode, b"reserved"))]);
            let between = join(&[hello(), frame(FIN | opcode, b"reserved"), frame(FIN | PING, b"")]);
            table.fails(id("behind a text"), 1002, vec![between, echoed()]);
            let chopped = Step::Chop([hello(), frame(FIN | opcode, b""), frame(FIN | PING, b"")].concat(), 1);
            table.fails(id("behind a text, chopped"), 1002, vec![chopped, echoed()]);
            let within = join(&[frame(TEXT, b"Hel"), frame(FIN | opcode, b""), frame(FIN | CONTINUATION, b"lo")]);
            table.fails(id("within a message"), 1002, vec![within]);
        }
    }
}

/// 5: fragments, and control frames between them.
fn fragmentation(table: &mut Table) {
    let (one, two) = (|| frame(TEXT, b"fragment1"), || frame(FIN | CONTINUATION, b"fragment2"));
    let both = || see(TEXT, "fragment1fragment2");
    let ping = || frame(FIN | PING, b"between");
    let pong = || see(PONG, "between");
    table.fails("5.1", 1002, vec![join(&[frame(PING, b"fragment1"), two()])]);
    table.fails("5.2", 1002, vec![join(&[frame(PONG, b"fragment1"), two()])]);
    table.fails("5.2 a close", 1002, vec![join(&[frame(CLOSE, &[0x03, 0xe8]), two()])]);
    for (numbers, frames, seen) in [
        (["5.3", "5.4", "5.5"], vec![one(), two()], vec![both()]),
        (["5.6", "5.7", "5.8"], vec![one(), ping(), two()], vec![pong(), both()]),
    ] {
        let by_frame = frames.iter().cloned().map(Step::Write).collect();
        let ways = [vec![join(&frames)], by_frame, vec![Step::Chop(frames.concat(), 1)]];
        for (number, steps) in numbers.into_iter().zip(ways) {
            table.ok(number, [steps, seen.clone()].concat());
        }
    }
    for (id, bad) in [("5.9", FIN | CONTINUATION), ("5.12", CONTINUATION)] {
        let bad = frame(bad, b"of nothing");
        let hello = frame(FIN | TEXT, b"Hello");
        table.fails(format!("{id} at once"), 1002, vec![join(&[bad.clone(), hello.clone()])]);
        table.fails(format!("{id} frame by frame"), 1002, vec![write(bad.clone()), write(hello.clone())]);
        table.fails(format!("{id} byte by byte"), 1002, vec![Step::Chop([bad.clone(), hello.clone()].concat(), 1)]);
        table.fails(format!("{id} behind a text"), 1002, vec![join(&[hello, bad]), see(TEXT, "Hello")]);
    }
    let over = join(&[one(), two(), frame(CONTINUATION, b"fragment3"), frame(FIN | TEXT, b"fragment4")]);
    table.fails("5.15", 1002, vec![over, both()]);
    let twice = join(&[frame(CONTINUATION, b"a"), frame(TEXT, b"b"), frame(FIN | CONTINUATION, b"c")]);
    table.fails("5.16", 1002, vec![twice.clone(), twice]);
    let twice = join(&[frame(FIN | CONTINUATION, b"a"), frame(TEXT, b"b"), frame(FIN | CONTINUATION, b"c")]);
    table.fails("5.17", 1002, vec![twice.clone(), twice]);
    table.fails("5.18", 1002, vec![join(&[one(), frame(FIN | TEXT, b"fragment2")])]);
    table.fails("5.18 a binary", 1002, vec![join(&[one(), frame(FIN | BINARY, b"fragment2")])]);
    let five = |number: u8, fin: u8, opcode: u8| frame(fin | opcode, format!("fragment{number}").as_bytes());
    let all = "fragment1fragment2fragment3fragment4fragment5";
    let [first, second] = ["one", "two"].map(|text| frame(FIN | PING, text.as_bytes()));
    let parts = [
        five(1, 0, TEXT),
        five(2, 0, CONTINUATION),
        first,
        five(3, 0, CONTINUATION),
        five(4, 0, CONTINUATION),
        second,
        five(5, FIN, CONTINUATION),
    ];
    let seen = || [see(PONG, "one"), see(PONG, "two"), see(TEXT, all)];
    table.ok("5.19", [join(&parts)].into_iter().chain(seen()).collect());
    let [one_pong, two_pong, whole] = seen();
    let early = vec![join(&parts[..3]), one_pong, join(&parts[3..6]), two_pong, join(&parts[6..]), whole];
    table.ok("5.20", early);
    for (id, piece) in [("5.21 byte by byte", 1), ("5.22 in pieces of 7", 7)] {
        table.ok(id, [Step::Chop(parts.concat(), piece)].into_iter().chain(seen()).collect());
    }
    let empty = join(&[frame(TEXT, b""), frame(CONTINUATION, b""), frame(FIN | CONTINUATION, b"")]);
    table.ok("5.23 all empty", vec![empty, see(TEXT, "")]);
    let around = join(&[frame(BINARY, b""), frame(CONTINUATION, &[0, 1]), frame(FIN | CONTINUATION, b"")]);
    table.ok("5.24 empty around it", vec![around, see(BINARY, [0, 1])]);
    let mut thousand = frame(TEXT, b"a");
    thousand.extend((0..1000).flat_map(|_| frame(CONTINUATION, b"")));
    thousand.extend(frame(FIN | CONTINUATION, b"z"));
    table.ok("5.25 a thousand empty ones", vec![write(thousand), see(TEXT, "az")]);
    let unasked = join(&[one(), frame(FIN | PONG, b"nobody asked"), two()]);
    table.ok("5.26 a pong between", vec![unasked, both()]);
    let closed = join(&[one(), close(1000, b""), two()]);
    table.add("5.27 a close between", End::Closed(Some(1000)), vec![closed]);
}

/// κόσμε, the word of Markus Kuhn's test file: letters of two bytes and one of three.
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

/// Returns byte sequences and whether each is valid UTF-8.
fn sequences() -> Vec<(&'static str, Vec<u8>, bool)> {
    let mut all: Vec<(&'static str, Vec<u8>, bool)> = Vec::new();
    let mut rows = |section: &'static str, valid: bool, rows: &[&[u8]]| {
        all.extend(rows.iter().map(|row| (section, row.to_vec(), valid)));
    };
    rows("6.2", true, &["Hello-µ@ßöäüàá-UTF-8!!".as_bytes(), "日本語テキスト 🦀".as_bytes()]);
    rows("6.3", false, &[b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"]);
    let words = ["hello$world", "hello\u{a2}world", "hello\u{20ac}world", "hello\u{24b62}world"];
    rows("6.5", true, &words.map(str::as_bytes));
    rows("6.5", true, &[KOSME]);
    // Each prefix of κόσμε: valid where it ends with a letter.
    rows("6.6", true, &[&KOSME[..2], &KOSME[..5], &KOSME[..7], &KOSME[..9], &KOSME[..11]]);
    rows("6.6", false, &[&KOSME[..1], &KOSME[..3], &KOSME[..4], &KOSME[..6], &KOSME[..8], &KOSME[..10]]);
    // The first code point of each length.
    rows("6.7", true, &[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]);
    rows("6.8", false, &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]);
    // The last code point of each length.
    rows("6.9", true, &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]);
    rows("6.10", false, &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]);
    // Around the surrogates and the last code point.
    rows("6.11", true, &[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"]);
    rows("6.11", false, &[b"\xf4\x90\x80\x80"]);
    // Continuation bytes without a start.
    rows("6.12", false, &[b"\x80", b"\xbf"]);
    for count in 2..=6 {
        let alternating: Vec<u8> = (0..count).map(|at| if at % 2 == 0 { 0x80 } else { 0xbf }).collect();
        rows("6.12", false, &[&alternating]);
    }
    rows("6.12", false, &[&(0x80..=0xbf).collect::<Vec<u8>>()]);
    // Start bytes, each followed by a space.
    for range in [0xc0..=0xdf, 0xe0..=0xef, 0xf0..=0xf7, 0xf8..=0xfb, 0xfc..=0xfd_u8] {
        let lonely: Vec<u8> = range.flat_map(|byte| [byte, b' ']).collect();
        rows("6.13", false, &[&lonely]);
    }
    // The last byte is missing.
    let incomplete: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    rows("6.14", false, &incomplete);
    rows("6.15", false, &[&incomplete.concat()]);
    rows("6.16", false, &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]);
    // Overlong: a slash, the last code point of each length, NUL.
    let slash: [&[u8]; 5] =
        [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"];
    rows("6.17", false, &slash);
    let most: [&[u8]; 5] =
        [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"];
    rows("6.18", false, &most);
    let nul: [&[u8]; 5] =
        [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"];
    rows("6.19", false, &nul);
    // Surrogates, alone and in pairs.
    let high: [&[u8]; 4] = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"];
    let low: [&[u8]; 3] = [b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"];
    rows("6.20", false, &high);
    rows("6.20", false, &low);
    for high in high {
        for low in [low[0], low[2]] {
            rows("6.21", false, &[&[high, low].concat()]);
        }
    }
    // Noncharacters are valid UTF-8: the last two of each plane.
    for plane in 0..=16_u32 {
        for last in [0xfffe, 0xffff] {
            let text = char::from_u32(plane << 16 | last).expect("no surrogate").to_string();
            rows("6.22", true, &[text.as_bytes()]);
        }
    }
    for special in '\u{fff9}'..='\u{ffff}' {
        rows("6.23", true, &[special.to_string().as_bytes()]);
    }
    all
}

/// Returns the number of bytes after which no continuation is valid UTF-8, or `None` if the sequence is only incomplete.
fn spoiled_at(bytes: &[u8]) -> Option<usize> {
    (1..=bytes.len()).find(|end| std::str::from_utf8(&bytes[..*end]).is_err_and(|error| error.error_len().is_some()))
}

/// 6: text must be UTF-8, and is refused at the first invalid byte.
fn utf8(table: &mut Table) {
    table.ok("6.1.1", vec![write(frame(FIN | TEXT, b"")), see(TEXT, "")]);
    table.ok("6.1.2", vec![write(fragments(TEXT, b"", 1)), see(TEXT, "")]);
    let within = join(&[frame(TEXT, b""), frame(CONTINUATION, b"middle"), frame(FIN | CONTINUATION, b"")]);
    table.ok("6.1.3", vec![within, see(TEXT, "middle")]);
    // The client pauses after a valid beginning; then comes the invalid sequence, or only its first byte.
    let spoilt = [KOSME, b"\xf4\x90\x80\x80", b"edited"].concat();
    for (at, (first, second)) in [(11, 15), (12, 13)].into_iter().enumerate() {
        let early =
            vec![write(frame(TEXT, &spoilt[..first])), Step::Quiet, write(frame(FIN | PING, b"")), see(PONG, "")];
        let spoils = write(frame(CONTINUATION, &spoilt[first..second]));
        table.fails(format!("6.4.{} in three frames", at + 1), 1007, [early, vec![spoils]].concat());
        let mut head = frame(FIN | TEXT, &spoilt);
        head.truncate(6 + second);
        let spoils = head.split_off(6 + first);
        table.fails(format!("6.4.{} in one frame", at + 3), 1007, vec![write(head), Step::Quiet, write(spoils)]);
    }
    let (mut section, mut number) = ("", 0);
    for (of, payload, valid) in sequences() {
        number = if section == of { number + 1 } else { 1 };
        section = of;
        let ways = [
            ("whole", write(frame(FIN | TEXT, &payload))),
            ("a frame for each byte", write(fragments(TEXT, &payload, 1))),
            ("byte by byte", Step::Chop(frame(FIN | TEXT, &payload), 1)),
        ];
        for (way, step) in ways {
            let id = format!("{section}.{number} {way}");
            if valid {
                table.ok(id, vec![step, see(TEXT, payload.clone())]);
            } else {
                table.fails(id, 1007, vec![step]);
            }
        }
        let Some(end) = spoiled_at(&payload) else { continue };
        // As in 6.4 for one sequence: each is refused before the client goes on.
        let id = |way: &str| format!("{section}.{number} at once, {way}");
        let mut cut = frame(FIN | TEXT, &[&payload[..], b"and so on"].concat());
        cut.truncate(6 + end);
        table.fails(id("within a frame"), 1007, vec![write(cut)]);
        table.fails(id("within a message"), 1007, vec![write(frame(TEXT, &payload[..end]))]);
        if end > 1 {
            let split = join(&[frame(TEXT, &payload[..end - 1]), frame(CONTINUATION, &payload[end - 1..end])]);
            table.fails(id("over two frames"), 1007, vec![split]);
        }
    }
    // Binary frames need not be UTF-8.
    table.ok("6.24 bytes need not be UTF-8", vec![write(frame(FIN | BINARY, b"\xff\xfe")), see(BINARY, b"\xff\xfe")]);
    let long = "ä".repeat(70_000).into_bytes();
    for (at, size) in [1, 3, 4093, 65_537].into_iter().enumerate() {
        let step = write(fragments(TEXT, &long, size));
        table.ok(format!("6.25.{} a long text cut within its letters", at + 1), vec![step, see(TEXT, long.clone())]);
    }
    let mut spoiled = long.clone();
    spoiled[100_001] = b'a';
    let mut head = frame(FIN | TEXT, &spoiled);
    head.truncate(14 + 100_002);
    table.fails("6.26 a long text is refused before its end", 1007, vec![write(head)]);
}

/// 7: how a connection ends.
fn closing(table: &mut Table) {
    let closed = |code: u16| End::Closed(Some(code));
    let hello = || frame(FIN | TEXT, b"Hello");
    table.add("7.1.1", closed(1000), vec![join(&[hello(), close(1000, b"")]), see(TEXT, "Hello")]);
    table.add("7.1.2", closed(1000), vec![join(&[close(1000, b""), close(1000, b"again")])]);
    table.add("7.1.3", closed(1000), vec![join(&[close(1000, b""), frame(FIN | PING, b"late")])]);
    table.add("7.1.4", closed(1000), vec![join(&[close(1000, b""), hello()])]);
    let within = join(&[frame(TEXT, b"fragment1"), close(1000, b""), frame(FIN | CONTINUATION, b"fragment2")]);
    table.add("7.1.5", closed(1000), vec![within]);
    let large = letters(256 * 1024);
    let much = join(&[frame(FIN | TEXT, &large), hello(), close(1000, b""), frame(FIN | PING, b"late")]);
    table.add("7.1.6", closed(1000), vec![much, see(TEXT, large), see(TEXT, "Hello")]);
    let flood: Vec<u8> = (0..20_000).flat_map(|_| hello()).collect();
    table.add("7.1.7 much behind it", closed(1000), vec![join(&[close(1000, b""), flood])]);
    table.add("7.1.8 garbage behind it", closed(1000), vec![join(&[close(1000, b""), vec![0xff; 4096]])]);
    table.add("7.3.1", End::Closed(None), vec![write(frame(FIN | CLOSE, b""))]);
    table.fails("7.3.2", 1002, vec![write(frame(FIN | CLOSE, b"\x03"))]);
    table.add("7.3.3", closed(1000), vec![write(close(1000, b""))]);
    table.add("7.3.4", closed(1000), vec![write(close(1000, b"Hello World!"))]);
    table.add("7.3.5", closed(1000), vec![write(close(1000, &letters(123)))]);
    table.fails("7.3.6", 1002, vec![write(close(1000, &letters(124)))]);
    table.add("7.3.7 byte by byte", closed(1000), vec![Step::Chop(close(1000, &letters(123)), 1)]);
    for (at, (_, sequence, _)) in sequences().into_iter().filter(|(_, _, valid)| !valid).enumerate() {
        if sequence.len() <= 123 {
            table.fails(format!("7.5.{}", at + 1), 1007, vec![write(close(1000, &sequence))]);
        }
    }
    let fine = "κόσμε 🦀".as_bytes();
    table.add("7.5 a reason in UTF-8", closed(1000), vec![write(close(1000, fine))]);
    let valid = (1000..=1003).chain(1007..=1014).chain([3000, 3001, 3999, 4000, 4001, 4999]);
    for (at, code) in valid.enumerate() {
        table.add(format!("7.7.{} code {code}", at + 1), closed(code), vec![write(close(code, b""))]);
    }
    let invalid =
        [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1099, 1100, 1999, 2000, 2998, 2999, 5000, 5001, 9999, 32_768, 65_535];
    for (at, code) in invalid.into_iter().enumerate() {
        let section = if code >= 5000 { "7.13" } else { "7.9" };
        table.fails(format!("{section}.{} code {code}", at + 1), 1002, vec![write(close(code, b""))]);
        table.fails(
            format!("{section}.{} code {code} and a reason", at + 1),
            1002,
            vec![write(close(code, b"the error has a source"))],
        );
    }
}

/// 9: large messages, whole, in fragments and in pieces, up to the limit; one byte beyond it; and many small messages.
fn limits(table: &mut Table) {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * 1024;
    for (section, opcode) in [(1, TEXT), (2, BINARY)] {
        let payload = |size| if opcode == TEXT { letters(size) } else { bytes(size) };
        for (at, size) in [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, LIMIT].into_iter().enumerate() {
            let steps = vec![write(frame(FIN | opcode, &payload(size))), see(opcode, payload(size))];
            table.ok(format!("9.{section}.{} {size} bytes", at + 1), steps);
        }
        let sizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
        for (at, size) in sizes.into_iter().enumerate() {
            let steps = vec![write(fragments(opcode, &payload(4 * MIB), size)), see(opcode, payload(4 * MIB))];
            table.ok(format!("9.{}.{} fragments of {size}", section + 2, at + 1), steps);
        }
        for (at, size) in [64, 128, 256, 512, 1024, 2048].into_iter().enumerate() {
            let payload = payload(MIB);
            let steps = vec![Step::Chop(frame(FIN | opcode, &payload), size), see(opcode, payload)];
            table.ok(format!("9.{}.{} chopped by {size}", section + 4, at + 1), steps);
        }
        for (at, size) in [0, 16, 64, 256, KIB, 4 * KIB].into_iter().enumerate() {
            let round = vec![write(frame(FIN | opcode, &payload(size))), see(opcode, payload(size))];
            let steps = vec![Step::Times(1000, round)];
            table.ok(format!("9.{}.{} 1000 times {size} bytes", section + 6, at + 1), steps);
        }
        let id = |way: &str| format!("9.9.{section} {way}");
        let mut head = frame(FIN | opcode, &payload(LIMIT + 1));
        head.truncate(14);
        table.fails(id("beyond the limit, by its header"), 1009, vec![write(head)]);
        let mut over = frame(opcode, &payload(LIMIT));
        over.extend(frame(FIN | CONTINUATION, b"x"));
        table.fails(id("beyond the limit, by a fragment"), 1009, vec![write(over)]);
    }
}

/// 10: a sender that fragments its messages by packet size.
fn automatic_fragments(table: &mut Table) {
    table.ok("10.1.1", vec![write(fragments(TEXT, &letters(65_536), 1300)), see(TEXT, letters(65_536))]);
    table.ok("10.1.2", vec![write(fragments(BINARY, &bytes(65_536), 1300)), see(BINARY, bytes(65_536))]);
}

/// The offer of browsers.
const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// The number of messages in a case with compression: 2, or that of `CHANNELS_CONFORMANCE_MESSAGES`.
fn messages_of_case() -> usize {
    std::env::var("CHANNELS_CONFORMANCE_MESSAGES").map_or(2, |count| count.parse().expect("a number of messages"))
}

/// Adds 18 cases: messages of all sizes, whole and in frames.
fn compressed_sizes(table: &mut Table, section: &str, offer: &'static str, opcode: u8, text: &[u8]) {
    let whole = [16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072].map(|size| (size, usize::MAX));
    let in_frames = [8192, 16_384, 32_768, 65_536, 131_072].map(|size| (size, 256)).into_iter().chain([
        (131_072, 1024),
        (131_072, 4096),
        (131_072, 32_768),
    ]);
    let (text, count) = (Arc::from(text), messages_of_case());
    for (at, (size, frame_size)) in whole.into_iter().chain(in_frames).enumerate() {
        let messages = CompressedMessages { opcode, text: Arc::clone(&text), size, frame_size, count };
        table.compressed(format!("{section}.{}", at + 1), offer, vec![Step::Deflate(messages)]);
    }
}

/// A table in JSON, in ASCII.
fn json() -> Vec<u8> {
    let row = |number: u32| {
        let noise = number.wrapping_mul(2_654_435_761);
        format!("{{\"id\": {number}, \"name\": \"user {}\", \"active\": {}}}, ", noise % 1000, noise.is_multiple_of(2))
    };
    (0..3000).flat_map(|number| row(number).into_bytes()).collect()
}

/// A picture: bytes that change slowly, with noise.
fn picture() -> Vec<u8> {
    (0..200_000_u32).map(|at| ((at / 64) as u8).wrapping_add((at.wrapping_mul(2_654_435_761) >> 29) as u8)).collect()
}

/// Prose with letters of two bytes, in which every cut is at a letter of one byte or inside of a letter.
fn prose() -> Vec<u8> {
    let words = ["Habe", "nun,", "ach!", "Philosophie,", "Juristerei", "und", "Medizin,", "heißem", "Bemühn"];
    let word = |at: u32| format!("{} ", words[(at.wrapping_mul(2_654_435_761) >> 16) as usize % words.len()]);
    (0..30_000).flat_map(|at| word(at).into_bytes()).collect()
}

/// A page in HTML, in ASCII.
fn page() -> Vec<u8> {
    let row = |at: u32| {
        format!("<tr class=\"row\"><td>{at}</td><td><a href=\"/item/{}\">more</a></td></tr>\n", at * 7919 % 997)
    };
    (0..4000).flat_map(|at| row(at).into_bytes()).collect()
}

/// 12: compressed messages of different kinds.
fn compression_of_contents(table: &mut Table) {
    compressed_sizes(table, "12.1", OFFER, TEXT, &json());
    compressed_sizes(table, "12.2", OFFER, BINARY, &picture());
    compressed_sizes(table, "12.3", OFFER, BINARY, &prose());
    compressed_sizes(table, "12.4", OFFER, TEXT, &page());
    let latin: Vec<u8> = prose().into_iter().map(|byte| if byte < 0x80 { byte } else { 0xfc }).collect();
    compressed_sizes(table, "12.5", OFFER, BINARY, &latin);
}

/// 13: offers with all kinds of parameters.
fn compression_offers(table: &mut Table) {
    for (section, offer) in [
        ("13.1", "permessage-deflate"),
        ("13.2", "permessage-deflate; server_no_context_takeover"),
        ("13.3", "permessage-deflate; server_max_window_bits=9"),
        ("13.4", "permessage-deflate; server_max_window_bits=15"),
        ("13.5", "permessage-deflate; server_no_context_takeover; server_max_window_bits=9"),
        ("13.6", "permessage-deflate; server_no_context_takeover; server_max_window_bits=15"),
        (
            "13.7",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9, \
             permessage-deflate; server_no_context_takeover, permessage-deflate",
        ),
    ] {
        compressed_sizes(table, section, offer, TEXT, &json());
    }
}

/// What the RFC requires of a header and the list above does not cover (sections 5.1 and 5.2).
fn headers(table: &mut Table) {
    for (name, opcode) in [("text", TEXT), ("binary", BINARY), ("ping", PING), ("pong", PONG), ("close", CLOSE)] {
        table.fails(format!("5.1 a {name} without a mask"), 1002, vec![write([FIN | opcode, 2, 0x03, 0xe8])]);
        let behind = [frame(FIN | TEXT, b"Hello"), vec![FIN | opcode, 0]].concat();
        table.fails(format!("5.1 a {name} without a mask, later"), 1002, vec![write(behind), see(TEXT, "Hello")]);
    }
    let continued = [frame(TEXT, b"Hel"), vec![FIN | CONTINUATION, 2, b'l', b'o']].concat();
    table.fails("5.1 a continuation without a mask", 1002, vec![write(continued)]);
    for (at, mask) in [[0; 4], [0xff; 4], [1, 0, 0, 0], [0, 0, 0, 0x80]].into_iter().enumerate() {
        let mut bytes = vec![FIN | TEXT, 0x80 | 11];
        bytes.extend(mask);
        bytes.extend(b"hello there".iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        table.ok(format!("5.3.{} mask {mask:02x?}", at + 1), vec![write(bytes), see(TEXT, "hello there")]);
    }
    for length in [0, 1, 125_u16] {
        let mut head = vec![FIN | BINARY, 0x80 | 126];
        head.extend(length.to_be_bytes());
        let bad = masked(head, &bytes(length.into()));
        table.fails(format!("5.2 {length} bytes by a length of two bytes"), 1002, vec![write(bad)]);
    }
    for length in [0, 1, 125, 126, 65_535_u64] {
        let mut head = vec![FIN | BINARY, 0x80 | 127];
        head.extend(length.to_be_bytes());
        let bad = masked(head, &bytes(usize::try_from(length).unwrap()));
        table.fails(format!("5.2 {length} bytes by a length of eight bytes"), 1002, vec![write(bad)]);
    }
    for length in [1 << 63, u64::MAX, (1 << 63) | 5] {
        let mut head = vec![FIN | BINARY, 0x80 | 127];
        head.extend(u64::to_be_bytes(length));
        table.fails(format!("5.2 the highest bit of a length ({length:x})"), 1002, vec![write(masked(head, b"12345"))]);
    }
    for length in [(1_u64 << 63) - 1, 1 << 32, 1 << 40] {
        let mut head = vec![FIN | BINARY, 0x80 | 127];
        head.extend(length.to_be_bytes());
        table.fails(format!("5.2 a length of {length:x}"), 1009, vec![write(masked(head, b"12345"))]);
    }
    for (name, opcode) in [("ping", PING), ("pong", PONG), ("close", CLOSE)] {
        let mut head = vec![FIN | opcode, 0x80 | 126];
        head.extend(2_u16.to_be_bytes());
        let bad = masked(head, &[0x03, 0xe8]);
        table.fails(format!("5.5 a {name} with a length of two bytes"), 1002, vec![write(bad)]);
        let mut head = vec![FIN | opcode, 0x80 | 127];
        head.extend((1_u64 << 20).to_be_bytes());
        table.fails(format!("5.5 a {name} of a mebibyte"), 1002, vec![write(masked(head, b""))]);
    }
}

/// A frame of the server, or the end.
#[derive(PartialEq)]
enum Seen {
    Frame(u8, Vec<u8>),
    /// The end of the stream, with or without a close frame before it.
    End,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (opcode, payload) = match self {
            Self::Frame(opcode, payload) => (*opcode, payload),
            Self::End => return f.write_str("the end of the stream"),
        };
        match opcode {
            CLOSE => match payload.split_first_chunk::<2>() {
                Some((code, reason)) => {
                    let reason = String::from_utf8_lossy(reason);
                    write!(f, "a close frame with {} {reason:?}", u16::from_be_bytes(*code))
                }
                None => write!(f, "a close frame without a code ({} bytes)", payload.len()),
            },
            _ => {
                let name = match opcode {
                    TEXT => "text",
                    BINARY => "binary",
                    PING => "ping",
                    PONG => "pong",
                    _ => "frame of no known opcode",
                };
                let head = String::from_utf8_lossy(&payload[..payload.len().min(40)]).into_owned();
                write!(f, "a {name} of {} bytes, {head:?}", payload.len())
            }
        }
    }
}

struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    used: usize,
    /// The server has accepted compression.
    inflates: bool,
}

impl Client {
    fn connect(address: SocketAddr, offer: Option<&str>) -> Result<Self, String> {
        let fail = |what: &str, error: std::io::Error| format!("{what}: {error}");
        let mut socket = TcpStream::connect(address).map_err(|error| fail("connecting", error))?;
        socket.set_nodelay(true).map_err(|error| fail("TCP_NODELAY", error))?;
        socket.set_read_timeout(Some(SILENCE)).map_err(|error| fail("a deadline", error))?;
        socket.set_write_timeout(Some(SILENCE)).map_err(|error| fail("a deadline", error))?;
        let request = format!(
            "GET /echo HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
            offer.map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n")).unwrap_or_default()
        );
        socket.write_all(request.as_bytes()).map_err(|error| fail("the handshake", error))?;
        let mut client = Self { socket, buffer: Vec::new(), used: 0, inflates: false };
        let end = loop {
            if let Some(at) = client.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !client.read()? {
                return Err("the server hung up within the handshake".into());
            }
        };
        let head = String::from_utf8_lossy(&client.buffer[..end]).into_owned();
        client.used = end;
        client.inflates = head.to_ascii_lowercase().contains("sec-websocket-extensions: permessage-deflate");
        if client.inflates != offer.is_some() {
            return Err(format!("an offer of {offer:?} gets {head:?}"));
        }
        // The key and the accept value of RFC 6455, section 1.3.
        let accepted = head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        if accepted { Ok(client) } else { Err(format!("the handshake gets {head:?}")) }
    }

    /// Reads once. Returns `false` at the end of the stream.
    fn read(&mut self) -> Result<bool, String> {
        let mut piece = [0; 64 * 1024];
        loop {
            match self.socket.read(&mut piece) {
                Ok(count) => {
                    self.buffer.extend(&piece[..count]);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err("the server sends nothing".into());
                }
                Err(error) => return Err(format!("reading fails: {error}")),
            }
        }
    }

    /// Buffers `count` bytes of the next frame. Returns `false` if the stream ends before.
    fn have(&mut self, count: usize) -> Result<bool, String> {
        while self.buffer.len() - self.used < count {
            if !self.read()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the next frame, checked by the rules for a server.
    fn next_frame(&mut self) -> Result<Seen, String> {
        if !self.have(2)? {
            return if self.buffer.len() == self.used { Ok(Seen::End) } else { Err("half a header".into()) };
        }
        let [first, second] = [self.buffer[self.used], self.buffer[self.used + 1]];
        let is_compressed = self.inflates && matches!(first, 0xc1 | 0xc2);
        if first & 0x70 != 0 && !is_compressed {
            return Err(format!("reserved bits in a header: {first:02x}"));
        }
        if first & FIN == 0 {
            return Err(format!("a fragment, which this server never sends: {first:02x}"));
        }
        if second & 0x80 != 0 {
            return Err("a server's frame with a mask".into());
        }
        let more = match second {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        if !self.have(2 + more)? {
            return Err("half a header".into());
        }
        let extended = &self.buffer[self.used + 2..self.used + 2 + more];
        let length = extended.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let length = if more == 0 { usize::from(second) } else { length };
        if (more == 2 && length < 126) || (more == 8 && length < 65_536) {
            return Err(format!("a length of {length} in {more} bytes"));
        }
        let opcode = first & 0x0f;
        if opcode >= CLOSE && length > 125 {
            return Err(format!("a control frame of {length} bytes"));
        }
        if !self.have(2 + more + length)? {
            return Err(format!("the stream ends within a frame of {length} bytes"));
        }
        let begin = self.used + 2 + more;
        let mut payload = self.buffer[begin..begin + length].to_vec();
        if is_compressed {
            payload = inflated(&payload);
        }
        self.used = begin + length;
        if self.used == self.buffer.len() {
            self.buffer.clear();
            self.used = 0;
        }
        if opcode == TEXT && std::str::from_utf8(&payload).is_err() {
            return Err("a text that is not UTF-8".into());
        }
        Ok(Seen::Frame(opcode, payload))
    }

    /// Asserts that nothing arrives for a while and that nothing is buffered.
    fn hear_nothing(&mut self) -> Result<(), String> {
        let set = |client: &Self, time| client.socket.set_read_timeout(Some(time)).map_err(|error| error.to_string());
        set(self, QUIET)?;
        let waits = self.buffer.len() == self.used
            && self.socket.peek(&mut [0]).is_err_and(|error| {
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
            });
        set(self, SILENCE)?;
        if waits { Ok(()) } else { Err(format!("expected nothing, got {}", self.next_frame()?)) }
    }

    fn write(&mut self, bytes: &[u8]) {
        // A server that has refused the client may be gone already. Its frames decide, not whether it still reads.
        _ = self.socket.write_all(bytes);
    }

    /// Expects a close frame with this code, then the end of the stream, and nothing in between.
    fn expect_close(&mut self, code: Option<u16>) -> Result<(), String> {
        let expected = match code {
            Some(code) => format!("a close frame with {code}"),
            None => "a close frame without a code".into(),
        };
        let seen = self.next_frame().map_err(|error| format!("expected {expected}, but {error}"))?;
        let fits = match (&seen, code) {
            (Seen::Frame(CLOSE, payload), None) => payload.is_empty(),
            (Seen::Frame(CLOSE, payload), Some(code)) => {
                payload.starts_with(&code.to_be_bytes()) && std::str::from_utf8(&payload[2..]).is_ok()
            }
            _ => false,
        };
        if !fits {
            return Err(format!("expected {expected}, got {seen}"));
        }
        match self.next_frame().map_err(|error| format!("expected the end after {expected}, but {error}"))? {
            Seen::End => Ok(()),
            other @ Seen::Frame(..) => Err(format!("expected the end after {expected}, got {other}")),
        }
    }
}

/// Expects this frame next.
fn expect_frame(client: &mut Client, opcode: u8, payload: Vec<u8>) -> Result<(), String> {
    let expected = Seen::Frame(opcode, payload);
    match client.next_frame() {
        Ok(seen) if seen == expected => Ok(()),
        Ok(seen) => Err(format!("expected {expected}, got {seen}")),
        Err(error) => Err(format!("expected {expected}, but {error}")),
    }
}

/// Runs the steps in order.
fn walk(client: &mut Client, steps: &[Step]) -> Result<(), String> {
    for step in steps {
        match step {
            Step::Write(bytes) => client.write(bytes),
            Step::Deflate(messages) => {
                for message in messages.iter() {
                    client.write(&messages.frames(&message));
                    expect_frame(client, messages.opcode, message)?;
                }
            }
            Step::Chop(bytes, size) => bytes.chunks(*size).for_each(|piece| client.write(piece)),
            Step::See(opcode, payload) => expect_frame(client, *opcode, payload.clone())?,
            Step::Quiet => client.hear_nothing()?,
            Step::Times(times, steps) => (0..*times).try_for_each(|_| walk(client, steps))?,
        }
    }
    Ok(())
}

fn play(case: &Case, address: SocketAddr, compression: bool) -> Result<(), String> {
    let mut client = Client::connect(address, case.offer.or(compression.then_some(OFFER)))?;
    walk(&mut client, &case.steps)?;
    match case.end {
        End::Clean => {
            client.write(&close(1000, b""));
            client.expect_close(Some(1000))
        }
        End::Closed(code) => client.expect_close(code),
    }
}

fn table() -> Vec<(&'static str, Vec<Case>)> {
    let section = |title, add: fn(&mut Table)| {
        let mut table = Table::default();
        add(&mut table);
        (title, table.cases)
    };
    vec![
        section("1 Framing", framing),
        section("2 Pings and pongs", pings),
        section("3 Reserved bits", reserved_bits),
        section("4 Opcodes", opcodes),
        section("5 Fragmentation", fragmentation),
        section("6 UTF-8", utf8),
        section("7 Close handling", closing),
        section("9 Limits and performance", limits),
        section("10 Automatic fragmentation", automatic_fragments),
        section("12 Compression, different contents", compression_of_contents),
        section("13 Compression, different parameters", compression_offers),
        section("RFC 6455, 5.1 to 5.5: masks and lengths", headers),
    ]
}

#[test]
fn conformance_cases_have_expected_outcome() {
    let echo = Example::start("echo", &["--max-message", &LIMIT.to_string()]);
    play_all(echo.address(), false);
}

/// The same cases with a client that negotiates compression, and those of sections 12 and 13.
#[test]
fn conformance_cases_have_expected_outcome_with_compression() {
    let echo = Example::start("echo", &["--max-message", &LIMIT.to_string(), "--compress", "64"]);
    play_all(echo.address(), true);
}

/// The same cases against the same consumer in an axum application, on the server of axum.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conformance_cases_have_expected_outcome_on_axum() {
    let channels = Channels::builder().max_message_size(LIMIT).build().unwrap();
    let app = axum::Router::new().consumer("/echo", channels.axum::<Echo>());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let _serving = AbortOnDropHandle::new(tokio::spawn(async { axum::serve(listener, app).await }));
    tokio::task::spawn_blocking(move || play_all(address, false)).await.unwrap();
}

/// Cases with a bit that the extension gives a meaning: the client marks a message as compressed that is not.
const OF_THE_EXTENSION: [&str; 3] = ["3.4", "3.8 bits 4 in a text", "3.8 bits 4 in a binary"];

/// Plays every case, of those without an extension also with one.
fn play_all(address: SocketAddr, compression: bool) {
    let table = table();
    let is_played = |case: &&Case| {
        if compression { !OF_THE_EXTENSION.contains(&&*case.id) } else { case.offer.is_none() }
    };
    let cases: Vec<&Case> = table.iter().flat_map(|(_, cases)| cases).filter(is_played).collect();
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Relaxed)) {
                    if let Err(error) = play(case, address, compression) {
                        let mut failures = failures.lock().unwrap();
                        failures.push(format!("case {}: {error}", case.id));
                        if failures.len() >= ENOUGH {
                            next.store(cases.len(), Relaxed);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// The case counts in the documentation are those of this table.
#[test]
fn conformance_case_counts_match_documentation() {
    let documented = include_str!("../../../docs/reliability.md");
    let table = table();
    let mut rows: Vec<String> = table.iter().map(|(title, cases)| format!("| {title} | {} |", cases.len())).collect();
    rows.push(format!("| all | {} |", table.iter().map(|(_, cases)| cases.len()).sum::<usize>()));
    let rows = rows.join("\n");
    assert!(documented.contains(&rows), "docs/reliability.md should say\n{rows}");
}

/// The list of sequences is written by hand; this checks it against the standard library.
#[test]
fn utf8_sequences_are_classified_correctly() {
    for (section, bytes, valid) in sequences() {
        assert_eq!(std::str::from_utf8(&bytes).is_ok(), valid, "{section} {bytes:02x?}");
    }
}
