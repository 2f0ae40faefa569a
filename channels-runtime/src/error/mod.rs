//! The errors, one type for each boundary.
//!
//! [`Error`] and [`Result`] are what consumers return, and [`Reject`] is how `#[connect]` rejects a connection; any
//! [`std::error::Error`] becomes one of them through `?`. [`LayerError`] is the error of the channel layer, [`SendError`] of a send
//! to the client, [`CommandError`] of a client's frame, [`DecodeError`] of a message in the layer. An [`Error`] that came from one
//! of them still holds it: `error.downcast_ref::<LayerError>()`. Errors of logins are in [`auth`](crate::auth), those of a server
//! that cannot start in [`web`](crate::web).

mod client;
mod codec;
mod handler;
mod layer;
mod redact;
mod reject;
mod settings;

pub use client::{CommandError, FrameError, FrameKind, SendError};
pub(crate) use codec::field_path;
pub use codec::{DecodeError, EncodeError};
pub use handler::{BackgroundError, BlockingError, Error, IntoError, Result};
pub use layer::LayerError;
pub(crate) use redact::{shown, without_value};
pub use reject::Reject;
pub use settings::{BuildError, SettingError};

pub use crate::name::NameError;
