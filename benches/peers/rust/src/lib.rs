//! The code that all peers share: the address argument, the line that they print, and the chat's JSON.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A message from a client, and to every member of the room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub message: String,
}

impl Line {
    /// Decodes a client's text and encodes the text for the room: the chat's whole work except delivery.
    pub fn through(text: &str) -> Option<String> {
        let line: Self = serde_json::from_str(text).ok()?;
        serde_json::to_string(&line).ok()
    }
}

/// Returns the address in the argument `--addr`.
///
/// # Panics
///
/// If the argument is missing; `benches/run` always passes it.
pub fn address() -> SocketAddr {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--addr");
    arguments.nth(1).and_then(|address| address.parse().ok()).expect("--addr 127.0.0.1:PORT")
}

/// Prints the address that the server listens on.
pub fn announce(address: SocketAddr) {
    println!("listening on http://{address}/");
}
