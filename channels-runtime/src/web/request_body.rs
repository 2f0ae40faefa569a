//! The body of a request, whose socket waits until the body has arrived.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::error::Result;
use crate::web::slots::Slot;

/// The body of a request. Until it has arrived or is dropped, its socket waits: a slow body is limited like a slow head.
pub(crate) struct RequestBody {
    body: Incoming,
    /// `None` after the body has arrived.
    slot: Option<Arc<Slot>>,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, slot: &Arc<Slot>) -> Self {
        let is_complete = body.is_end_stream();
        if !is_complete {
            slot.wait_for_body();
        }
        Self { body, slot: (!is_complete).then(|| Arc::clone(slot)) }
    }

    fn end(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.body_arrived();
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
