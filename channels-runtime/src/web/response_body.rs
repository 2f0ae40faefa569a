//! The body of a response, whose socket waits again afterwards.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

use crate::error::Result;
use crate::web::request_stream::Answering;
use crate::web::slots::Slot;

/// The body of a response. When it is done, the socket waits for another request.
pub(crate) struct ResponseBody<B> {
    pub(super) body: B,
    pub(super) slot: Arc<Slot>,
    /// `None` for an event stream, which ends when the client closes its half of the stream.
    pub(super) _answering: Option<Arc<Answering>>,
}

impl<B: Body + Unpin> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for ResponseBody<B> {
    fn drop(&mut self) {
        self.slot.wait_for_head();
        self.slot.response_ended();
    }
}
