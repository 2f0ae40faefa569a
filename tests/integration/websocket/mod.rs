//! The WebSocket protocol.

mod conformance;
mod invalid_frames;
