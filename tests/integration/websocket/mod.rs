//! The WebSocket protocol.

mod compression;
mod conformance;
mod invalid_frames;
