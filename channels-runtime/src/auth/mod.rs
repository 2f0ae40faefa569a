//! Logins: the results of authenticators, and two authenticators that are ready to use.

#[cfg(feature = "django")]
mod django;
mod identity;
#[cfg(feature = "jwt")]
mod jwt;

#[cfg(feature = "django")]
pub use django::{DjangoSession, DjangoSessions, SessionError};
pub use identity::{Identity, Login};
#[cfg(feature = "jwt")]
pub use jwt::{Jwt, KeyError, TokenError};
