//! The results of authenticators: a user, or a login that can end.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use crate::user::SomeUser;

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
#[derive(Clone, PartialEq, Eq)]
#[must_use = "return it from an authenticator"]
pub struct Login<U> {
    user: Option<U>,
    until: Option<SystemTime>,
}

impl<U> Login<U> {
    /// Creates a login of this user that lasts as long as the connection.
    pub fn new(user: U) -> Self {
        Self { user: Some(user), until: None }
    }

    /// Creates the login of an anonymous client, which is accepted.
    pub fn anonymous() -> Self {
        Self { user: None, until: None }
    }

    /// Sets the end of the login. Default: the end of the connection.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = Some(end);
        self
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
    fn into_parts(self) -> (Option<SomeUser>, Option<SystemTime>);
}

impl<U: Any + Send + Sync> Identity for Option<U> {
    fn into_parts(self) -> (Option<SomeUser>, Option<SystemTime>) {
        (self.map(|user| Arc::new(user) as SomeUser), None)
    }
}

impl<U: Any + Send + Sync> Identity for Login<U> {
    fn into_parts(self) -> (Option<SomeUser>, Option<SystemTime>) {
        (self.user.map(|user| Arc::new(user) as SomeUser), self.until)
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
