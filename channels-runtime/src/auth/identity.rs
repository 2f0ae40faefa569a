//! Who a client is: what authenticators give, and two that are ready.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::user::SomeUser;

/// A user, and when the login ends: what an [authenticator](crate::ChannelsBuilder::authenticator) gives for a client whose
/// connection should not outlive what let it in.
///
/// At that moment the connection is closed with 3000 ([`CloseCode::UNAUTHORIZED`](crate::CloseCode::UNAUTHORIZED)) and the
/// reason `the login has ended`; its client may log in again and come back. A handler that runs is not interrupted. A login
/// that has ended before the handshake is answered with 401.
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
///         // Ask your database for the ticket, and until when it is good.
///         let Some(ticket) = scope.bearer_token() else { return Ok(Login::nobody()) };
///         let user = User { name: ticket.to_owned() };
///         Ok(Login::new(user).until(SystemTime::now() + Duration::from_secs(3600)))
///     })
///     .build()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "give it to `Channels` from an authenticator"]
pub struct Login<U> {
    user: Option<U>,
    until: Option<SystemTime>,
}

impl<U> Login<U> {
    /// Somebody who is logged in for as long as the connection lasts.
    pub fn new(user: U) -> Self {
        Self { user: Some(user), until: None }
    }

    /// Somebody who is not logged in, and may come in.
    pub fn nobody() -> Self {
        Self { user: None, until: None }
    }

    /// Ends the login at this moment.
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = Some(end);
        self
    }
}

impl<U> fmt::Debug for Login<U> {
    // The user may hold anything, a token for instance, and this may go to logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("until", &self.until).finish_non_exhaustive()
    }
}

/// What an authenticator gives: `Option<User>`, or a [`Login`].
#[diagnostic::on_unimplemented(
    message = "an authenticator cannot give `{Self}`",
    label = "gives `{Self}`",
    note = "give `Ok(Some(user))`, `Ok(None)` for nobody, or `Ok(Login::new(user).until(end))`"
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

mod sealed {
    pub trait Sealed {}
    impl<U> Sealed for Option<U> {}
    impl<U> Sealed for super::Login<U> {}
}
