//! Logins: the results of authenticators, and authenticators that are ready to use.
//!
//! [`ChannelsBuilder::authenticator`](crate::ChannelsBuilder::authenticator) takes a function that returns an [`Identity`]: an
//! `Option<User>`, or a [`Login`], which can end. `Jwt` (feature `jwt`) reads JSON Web Tokens, `DjangoSessions` (feature `django`)
//! reads Django's sessions, and `ForwardAuth` (feature `backend`) asks a backend.
//!
//! `TicketKeys` (feature `jwt`) are the keys of tickets, with which a backend lets a user join one group.

#[cfg(feature = "django")]
mod django;
#[cfg(feature = "backend")]
mod forward;
mod identity;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(any(feature = "django", feature = "jwt"))]
mod key_error;
#[cfg(feature = "jwt")]
mod ticket;

#[cfg(feature = "django")]
pub use django::{DjangoSession, DjangoSessions, SessionError};
#[cfg(feature = "backend")]
pub(crate) use forward::ForwardAuthCounters;
#[cfg(feature = "backend")]
pub use forward::{ForwardAuth, ForwardAuthStats};
pub use identity::{AsyncIdentity, Identity, Login};
#[cfg(feature = "jwt")]
pub use jwt::{Jwt, TokenError};
#[cfg(any(feature = "django", feature = "jwt"))]
pub use key_error::KeyError;
#[cfg(feature = "jwt")]
pub use ticket::{Ticket, TicketKeys};
