//! What all peers share: the address they are given, the line they print, and the chat's JSON.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What a client sends, and what every member of the room receives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub message: String,
}

impl Line {
    /// Decodes a client's text and encodes what the room receives: the chat's whole work besides delivery.
    pub fn through(text: &str) -> Option<String> {
        let line: Self = serde_json::from_str(text).ok()?;
        serde_json::to_string(&line).ok()
    }
}

/// The address behind `--addr`.
///
/// # Panics
///
/// When there is none: these programs are started by `benches/run`.
pub fn address() -> SocketAddr {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--addr");
    arguments.nth(1).and_then(|address| address.parse().ok()).expect("--addr 127.0.0.1:PORT")
}

/// Says that the server listens.
pub fn announce(address: SocketAddr) {
    println!("listening on http://{address}/");
}
