//! The user of a request for a page.

use std::any::Any;
use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;

use crate::app::Channels;
use crate::error::Reject;
use crate::scope::Scope;
use crate::web::handshake::{Handshake, handshake};

impl Channels {
    /// Returns a filter that runs the [authenticator](crate::ChannelsBuilder::authenticator) for a request, so that pages and
    /// consumers know the same user. It extracts `Ok(None)` for an anonymous client, and the authenticator's rejection, which is
    /// a reply.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// struct User { name: String }
    ///
    /// let channels = Channels::builder()
    ///     .authenticator(|scope: Scope| async move {
    ///         let token = scope.bearer_token().ok_or_else(Reject::unauthorized)?;
    ///         Ok(Some(User { name: token.to_owned() }))
    ///     })
    ///     .build()?;
    /// let page = warp::path!("me").and(channels.user::<User>()).map(|user: Result<Option<Arc<User>>, Reject>| {
    ///     user.map(|user| user.map_or_else(|| "nobody".into(), |user| user.name.clone()))
    /// });
    /// # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # rt.block_on(async {
    /// let response = warp::test::request().path("/me").header("authorization", "Bearer ann").reply(&page).await;
    /// assert_eq!(response.body(), "ann");
    /// let response = warp::test::request().path("/me").reply(&page).await;
    /// assert_eq!(response.status(), 401);
    /// # });
    /// # Ok::<(), Error>(())
    /// ```
    pub fn user<U: Any + Send + Sync>(&self) -> BoxedFilter<(std::result::Result<Option<Arc<U>>, Reject>,)> {
        let server = self.server().clone();
        handshake()
            .then(move |handshake: Handshake| {
                let server = Arc::clone(&server);
                async move { handshake.user(&server).await }
            })
            .boxed()
    }

    /// Returns a filter that extracts the [`Scope`] of a request, without a user, so that a page reads cookies and tokens exactly as
    /// the authenticator does. (`warp::cookie` differs: it takes the first of two cookies with one name, and keeps quotes.)
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// let channels = Channels::builder().build()?;
    /// let session = channels.scope().map(|scope: Scope| scope.cookie("session").map(str::to_owned));
    /// # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # rt.block_on(async {
    /// let request = warp::test::request().header("cookie", "session=\"k1\"");
    /// assert_eq!(request.filter(&session).await.unwrap().as_deref(), Some("k1"));
    /// # });
    /// # Ok::<(), Error>(())
    /// ```
    pub fn scope(&self) -> BoxedFilter<(Scope,)> {
        let server = self.server().clone();
        handshake().map(move |handshake: Handshake| handshake.scope(&server)).boxed()
    }
}
