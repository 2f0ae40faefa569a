//! The results of authenticators: a user, or a login that can end.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::support::LONGEST;
use crate::user::{Identified, SomeUser};

/// A user, and the end of the login. An [authenticator](crate::ChannelsBuilder::authenticator) returns it if the connection
/// should not outlive the login.
///
/// At the end of the login the connection is closed with 3000 ([`CloseCode::UNAUTHORIZED`](crate::CloseCode::UNAUTHORIZED)) and
/// the reason `the login has ended`. The client may log in again and reconnect. A running handler is not interrupted. A login
/// that has ended before the handshake is rejected with 401.
///
/// ```
/// use channels_runtime::auth::Login;
/// use channels_runtime::prelude::*;
/// use std::time::{Duration, SystemTime};
///
/// struct User { name: String }
///
/// let channels = Channels::builder()
///     .authenticator(|scope: Scope| async move {
///         // Look up the ticket and its end in your database.
///         let Some(ticket) = scope.bearer_token() else { return Ok(Login::anonymous()) };
///         let user = User { name: ticket.to_owned() };
///         Ok(Login::new(user).until(SystemTime::now() + Duration::from_secs(3600)))
///     })
///     .build()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(PartialEq, Eq)]
#[must_use = "return it from an authenticator"]
pub struct Login<U> {
    user: Option<Arc<U>>,
    until: Option<SystemTime>,
    key: Option<Arc<str>>,
    reauth: Option<Duration>,
    answered: Option<Instant>,
}

impl<U> Login<U> {
    /// Creates a login of this user that lasts as long as the connection.
    pub fn new(user: U) -> Self {
        Self::shared(Arc::new(user))
    }

    /// Creates a login of a user that several connections share, such as one from a cache.
    pub fn shared(user: Arc<U>) -> Self {
        Self { user: Some(user), until: None, key: None, reauth: None, answered: None }
    }

    /// Creates the login of an anonymous client, which is accepted.
    pub fn anonymous() -> Self {
        Self { user: None, until: None, key: None, reauth: None, answered: None }
    }

    /// Sets the end of the login. Default: the end of the connection.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = Some(end);
        self
    }

    /// Sets the key of the user, such as the primary key in the database: [`ChannelLayer::user`](crate::ChannelLayer::user) closes
    /// all connections with this key. Default: none. An empty key is none.
    ///
    /// [`Jwt`](crate::auth), [`DjangoSessions`](crate::auth) and [`ForwardAuth`](crate::auth) set it.
    pub fn key(self, key: impl Into<Arc<str>>) -> Self {
        self.with_key(Some(key.into()))
    }

    /// Checks the login again after each such time, while the connection is open. Default: the
    /// [application's](crate::ChannelsBuilder::reauth).
    pub fn reauth(mut self, every: Duration) -> Self {
        self.reauth = Some(every.min(LONGEST));
        self
    }

    pub(crate) fn with_key(mut self, key: Option<Arc<str>>) -> Self {
        self.key = key.filter(|key| !key.is_empty());
        self
    }

    /// Sets the time at which the source of the login was asked.
    #[cfg(feature = "backend")]
    pub(crate) fn answered(mut self, at: Instant) -> Self {
        self.answered = Some(at);
        self
    }
}

// `derive` would require `U: Clone`.
impl<U> Clone for Login<U> {
    fn clone(&self) -> Self {
        let Self { user, until, key, reauth, answered } = self;
        Self { user: user.clone(), until: *until, key: key.clone(), reauth: *reauth, answered: *answered }
    }
}

impl<U> fmt::Debug for Login<U> {
    // The user may hold secrets, such as a token, and this may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("until", &self.until).finish_non_exhaustive()
    }
}

/// The result of an authenticator: `Option<User>`, or a [`Login`].
#[diagnostic::on_unimplemented(
    message = "an authenticator cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "return `Ok(Some(user))`, `Ok(None)` for an anonymous client, or `Ok(Login::new(user).until(end))`"
)]
pub trait Identity: sealed::Sealed {
    #[doc(hidden)]
    fn into_parts(self) -> Identified;
}

impl<U: Any + Send + Sync> Identity for Option<U> {
    fn into_parts(self) -> Identified {
        Identified::new(self.map(|user| Arc::new(user) as SomeUser))
    }
}

impl<U: Any + Send + Sync> Identity for Login<U> {
    fn into_parts(self) -> Identified {
        let Self { user, until, key, reauth, answered } = self;
        Identified { user: user.map(|user| user as SomeUser), until, key, reauth, answered }
    }
}

/// The future of an authenticator. Every future implements it. A trait of its own tells a function that is not async what to
/// write.
#[diagnostic::on_unimplemented(
    message = "an authenticator is async, but this one returns `{Self}`",
    label = "write `async move {{ Ok(Some(user)) }}`",
    note = "`Channels::builder().authenticator(|scope: Scope| async move {{ Ok(Some(user)) }})`; `Ok(None)` accepts an anonymous client, `Err(Reject::unauthorized())` rejects"
)]
pub trait AsyncIdentity: Future {}

#[diagnostic::do_not_recommend]
impl<F: Future> AsyncIdentity for F {}

mod sealed {
    pub trait Sealed {}
    impl<U> Sealed for Option<U> {}
    impl<U> Sealed for super::Login<U> {}
}
