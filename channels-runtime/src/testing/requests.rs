//! The requests of a test client: the fields of their answers, and their references.

use serde_json::{Map, Value};

use crate::consumer::AnswerFields;
use crate::websocket::Frame;

/// The requests of a client, over all connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requests {
    pub(super) fields: AnswerFields,
    /// The reference of the last request.
    pub(super) last: u64,
}

impl Default for Requests {
    fn default() -> Self {
        Self { fields: AnswerFields { reference: "ref", ok: "ok", error: "error" }, last: 0 }
    }
}

/// Returns the answer to the request with this reference.
pub(super) fn answer(frame: &Frame, field: &str, reference: u64) -> Option<Map<String, Value>> {
    let Frame::Text(text) = frame else { return None };
    let answer: Map<String, Value> = serde_json::from_str(text).ok()?;
    (answer.get(field)?.as_u64()? == reference).then_some(answer)
}
