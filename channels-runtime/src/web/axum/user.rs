//! The user of a request, as an extractor.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use crate::app::Channels;
use crate::error::Reject;
use crate::web::handshake::Handshake;

/// An extractor that runs the [authenticator](crate::ChannelsBuilder::authenticator) of [`Channels`] for a request, so that pages
/// and consumers know the same user. `None` is an anonymous client. If the authenticator rejects the client, the response is
/// that rejection.
///
/// The state of the application is the [`Channels`], or contains them (`FromRef`).
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use channels_runtime::prelude::*;
/// use channels_runtime::web::axum::User;
///
/// struct Account { name: String }
///
/// async fn me(User(account): User<Account>) -> String {
///     account.map_or_else(|| "nobody".into(), |account| account.name.clone())
/// }
///
/// let channels = Channels::builder()
///     .authenticator(|_: Scope| async { Ok(Some(Account { name: "ann".into() })) })
///     .build()?;
/// let app: Router = Router::new().route("/me", get(me)).with_state(channels);
/// # Ok::<(), Error>(())
/// ```
pub struct User<U>(pub Option<Arc<U>>);

impl<U> fmt::Debug for User<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.0.as_ref().map(|_| type_name::<U>())).finish()
    }
}

impl<U, S> FromRequestParts<S> for User<U>
where
    U: Any + Send + Sync,
    S: Sync,
    Channels: FromRef<S>,
{
    type Rejection = Reject;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Reject> {
        let channels = Channels::from_ref(state);
        // The upgrade must stay in the request, so the handshake is a copy without it.
        let handshake = Handshake::copied_from(parts);
        handshake.user(channels.server()).await.map(Self)
    }
}
