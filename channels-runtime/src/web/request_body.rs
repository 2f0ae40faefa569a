//! The body of a request, whose socket waits until the body has arrived.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::support::lock;
use crate::web::request_stream::Answering;
use crate::web::slots::Slot;

/// A failure to read a body.
pub(super) type BodyError = Box<dyn Error + Send + Sync>;

/// A body of any type. The `Mutex` makes it `Sync`, which warp requires of a body. Only its owner locks it.
type AnyBody = Mutex<UnsyncBoxBody<Bytes, BodyError>>;

/// The body of a request. Until it has arrived or is dropped, its socket waits: a slow body is limited like a slow head.
pub struct RequestBody {
    body: Either<Incoming, AnyBody>,
    /// `None` after the body has arrived, and if another server owns the socket.
    slot: Option<Arc<Slot>>,
    answering: Weak<Answering>,
}

impl RequestBody {
    /// `answering` is the response, if the client may close its half of the stream before it.
    pub(super) fn new(body: Incoming, slot: &Arc<Slot>, answering: Option<&Arc<Answering>>) -> Self {
        let is_complete = body.is_end_stream();
        if !is_complete {
            slot.wait_for_body();
        } else if let Some(answering) = answering {
            answering.hide_end();
        }
        Self {
            body: Either::Left(body),
            slot: (!is_complete).then(|| Arc::clone(slot)),
            answering: answering.map(Arc::downgrade).unwrap_or_default(),
        }
    }

    /// Returns the body of a request that arrives on a socket of another server.
    pub(crate) fn without_slot<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        Self {
            body: Either::Right(Mutex::new(body.map_err(Into::into).boxed_unsync())),
            slot: None,
            answering: Weak::new(),
        }
    }

    fn end(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.body_arrived();
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match &mut self.body {
            Either::Left(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Either::Right(body) => Pin::new(body.get_mut().unwrap_or_else(PoisonError::into_inner)).poll_frame(task),
        };
        if matches!(frame, Poll::Ready(None)) || self.is_end_stream() {
            if let Some(answering) = self.answering.upgrade() {
                answering.hide_end();
            }
            self.end();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Either::Left(body) => body.is_end_stream(),
            Either::Right(body) => lock(body).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Either::Left(body) => body.size_hint(),
            Either::Right(body) => lock(body).size_hint(),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end();
    }
}
