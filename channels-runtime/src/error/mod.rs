//! The errors, one type for each boundary.
//!
//! The methods of a consumer return [`Result`], whose error is [`Error`]. `#[connect]` returns [`Reject`] to reject a
//! connection. `?` converts any [`std::error::Error`] into either of them.
//!
//! The other types are specific: [`LayerError`] for the channel layer, [`SendError`] for a send to the client, [`CommandError`]
//! for a client's frame, and [`DecodeError`] for a message in the layer. An [`Error`] keeps the error that was converted into
//! it: `error.downcast_ref::<LayerError>()`.
//!
//! The errors of logins are in [`auth`](crate::auth). The error of a server that cannot start is in [`web`](crate::web).

mod client;
mod codec;
mod handler;
mod layer;
mod redact;
mod reference;
mod reject;
mod settings;
#[cfg(feature = "jwt")]
mod ticket;

pub use client::{CommandError, FrameError, FrameKind, SendError};
pub(crate) use codec::field_path;
pub use codec::{DecodeError, EncodeError};
pub use handler::{AnyError, BackgroundError, BlockingError, Error, Holds, Result};
pub use layer::LayerError;
pub(crate) use redact::{shown, shown_error, without_value};
pub(crate) use reference::LONGEST;
pub use reference::Reference;
pub use reject::Reject;
pub use settings::{BuildError, SettingError};
#[cfg(feature = "jwt")]
pub use ticket::TicketError;

pub use crate::name::NameError;
