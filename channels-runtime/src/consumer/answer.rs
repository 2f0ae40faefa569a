//! Answers: the result of a command, or the reason why a frame is not a command, for the client that asked.

use std::future::poll_fn;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::connection::Connection;
use crate::consumer::consumer::Consumer;
use crate::consumer::context::Context;
use crate::consumer::info::AnswerFields;
use crate::error::{CommandError, FrameError, Reference, Result, SendError, shown};
use crate::websocket::{CloseCode, EncodedFrame, with_json};

/// The client expects an answer: the connection, and the reference that the answer repeats.
#[derive(Debug)]
pub struct Asked {
    connection: Arc<Connection>,
    reference: Reference,
    fields: &'static AnswerFields,
}

impl Asked {
    /// Returns `None` for a command without a reference, to which nothing is sent.
    pub(crate) fn new<C: Consumer>(cx: &Context<C>, reference: Option<Reference>) -> Option<Self> {
        let reference = reference?;
        Some(Self { connection: Arc::clone(cx.connection()), reference, fields: const { &C::INFO.answer } })
    }

    /// Sends the reply or the refusal if there is space. Otherwise returns the frame, for [`Self::send_rest`].
    ///
    /// # Errors
    /// If serde cannot encode the value as JSON.
    pub(crate) fn offer<R, E>(&self, result: Result<&R, &E>) -> Result<Option<EncodedFrame>>
    where
        R: Serialize + ?Sized,
        E: Serialize + ?Sized,
    {
        let AnswerFields { ok, error, reference } = self.fields;
        let reference = Some((*reference, &self.reference));
        match result {
            Ok(value) => self.offer_answer(&Answer { reference, field: ok, value }),
            Err(value) => self.offer_answer(&Answer { reference, field: error, value }),
        }
    }

    fn offer_answer<T: Serialize>(&self, answer: &T) -> Result<Option<EncodedFrame>> {
        let offered = with_json(answer, |frame| match self.connection.offer(frame) {
            Ok(false) => Some(EncodedFrame::copied(frame)),
            // Nobody waits for the answer on a closed connection, so that is not an error of the method.
            Ok(true) | Err(_) => None,
        });
        Ok(offered.map_err(SendError::Encode)?)
    }

    /// Sends the frame when there is space. Has no effect if the connection closes.
    pub(crate) async fn send_rest(self, frame: EncodedFrame) {
        _ = poll_fn(|task| self.connection.poll_send(task, &frame)).await;
    }
}

impl<C: Consumer> Context<C> {
    /// Rejects a frame that is not a command, as a consumer without `#[receive(_)]` does. Sends
    /// `{"error": {"code": "unknown_command", "message": ".."}}`, with [`CommandError::code`]. If the frame has a reference that an
    /// answer would repeat, this response repeats it: `{"ref": 7, "error": {..}}`. Binary where text is expected, or text where
    /// binary is expected, closes the connection with 1003. A consumer without `#[receive]` sends no response.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn refuse(&mut self, error: &CommandError) -> Result<()> {
        let message = error.to_string();
        match error {
            CommandError::NotListening => Ok(()),
            CommandError::Frame(FrameError::Kind { .. }) => {
                self.close_with(CloseCode::UNSUPPORTED, &message);
                Ok(())
            }
            _ => {
                let fields = const { &C::INFO.answer };
                let reference = error.reference().map(|reference| (fields.reference, reference));
                let value = &serde_json::json!({"code": error.code(), "message": shown(&message)});
                self.send_json(&Answer { reference, field: fields.error, value }).await
            }
        }
    }
}

/// The frame for the client: `{"ref": 7, "ok": ..}`.
struct Answer<'a, T: ?Sized> {
    /// The field and the reference. `None` for a frame without one.
    reference: Option<(&'static str, &'a Reference)>,
    /// The field that holds the value.
    field: &'static str,
    value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for Answer<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some((field, reference)) = self.reference {
            map.serialize_entry(field, reference)?;
        }
        map.serialize_entry(self.field, self.value)?;
        map.end()
    }
}
