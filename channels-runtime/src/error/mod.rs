//! The errors, one enum for each boundary.

mod client;
mod codec;
mod handler;
mod layer;
mod redact;
mod reject;

pub use client::{CommandError, FrameError, FrameKind, SendError};
pub(crate) use codec::field_path;
pub use codec::{DecodeError, EncodeError};
pub use handler::{BackgroundError, BlockingError, Error, IntoError, Result};
pub use layer::LayerError;
pub(crate) use redact::{shown, without_value};
pub use reject::Reject;
