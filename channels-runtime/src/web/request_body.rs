//! The body of a request, whose socket holds a slot until the body has arrived.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::error::Result;
use crate::web::http_connection::HttpConnection;

/// The body of a request. Until it has come, or is dropped, its socket waits: whoever takes for ever to send one is no better than
/// whoever takes for ever to ask.
pub(crate) struct RequestBody {
    body: Incoming,
    /// Until then.
    caller: Option<HttpConnection>,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, caller: &HttpConnection) -> Self {
        let is_told = body.is_end_stream();
        if !is_told {
            caller.crowded_out(caller.seat.tells());
        }
        Self { body, caller: (!is_told).then(|| caller.clone()) }
    }

    fn end(&mut self) {
        if let Some(caller) = self.caller.take() {
            caller.seat.has_told();
        }
    }
}

impl Body for RequestBody {
    type Data = <Incoming as Body>::Data;
    type Error = <Incoming as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(task);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.end();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end();
    }
}
