//! The marker of a position in the output of a session whose client receives server-sent events.
//!
//! The session writes it as a pong, which it has no other use for. The event stream turns it into an `id:`, which the browser
//! returns in `Last-Event-ID`.

use crate::event::Position;
use crate::websocket::EncodedFrame;

/// The first byte of a marker that belongs to the next message.
const NEXT: u8 = b'+';

/// The first byte of a marker that applies immediately.
const NOW: u8 = b'=';

/// A position, and when the client gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PositionMarker<T> {
    /// With the next message, so that the client has both or none.
    WithNext(T),
    /// Immediately.
    Now(T),
}

impl PositionMarker<&Position> {
    /// Returns the frame of the marker. `None` for an event without a position.
    pub(crate) fn encode(self) -> Option<EncodedFrame> {
        let (first, position) = match self {
            Self::WithNext(position) => (NEXT, position),
            Self::Now(position) => (NOW, position),
        };
        let text = position.to_string();
        (!text.is_empty()).then(|| EncodedFrame::pong(&[&[first], text.as_bytes()].concat()))
    }
}

impl<'a> PositionMarker<&'a str> {
    /// Reads the payload of a marker.
    pub(crate) fn decode(payload: &'a [u8]) -> Option<Self> {
        let (first, text) = payload.split_first()?;
        let text = std::str::from_utf8(text).ok()?;
        match *first {
            NEXT => Some(Self::WithNext(text)),
            NOW => Some(Self::Now(text)),
            _ => None,
        }
    }
}
