//! Logins: the results of authenticators, and two authenticators that are ready to use.
//!
//! [`ChannelsBuilder::authenticator`](crate::ChannelsBuilder::authenticator) takes a function that returns an [`Identity`]: an
//! `Option<User>`, or a [`Login`], which can end. `Jwt` (feature `jwt`) reads JSON Web Tokens, and `DjangoSessions` (feature
//! `django`) reads Django's sessions.

#[cfg(feature = "django")]
mod django;
mod identity;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(any(feature = "django", feature = "jwt"))]
mod key_error;

#[cfg(feature = "django")]
pub use django::{DjangoSession, DjangoSessions, SessionError};
pub use identity::{AsyncIdentity, Identity, Login};
#[cfg(feature = "jwt")]
pub use jwt::{Jwt, TokenError};
#[cfg(any(feature = "django", feature = "jwt"))]
pub use key_error::KeyError;
