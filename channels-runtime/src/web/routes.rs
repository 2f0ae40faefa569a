//! The trait of the filters that a server can serve.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body;
use tower_service::Service;
use warp::{Filter, Rejection, Reply};

use crate::web::request_body::{BodyError, RequestBody};

/// One route, or several that are joined by `.or(..)`. Every warp filter that returns a [`Reply`] is one, including those of
/// [`Channels::route`](crate::Channels::route) and [`Channels::sse`](crate::Channels::sse).
///
/// A function that builds an application's routes returns them as `impl Routes`. It takes [`Channels`](crate::Channels) by value;
/// call it with a clone, which is the same application. From a reference, the returned routes could not outlive the reference.
///
/// ```
/// use channels_runtime::prelude::*;
/// use warp::Filter;
///
/// #[derive(Default)]
/// struct EchoConsumer;
///
/// #[consumer]
/// impl EchoConsumer {
///     #[receive]
///     async fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) -> Result<()> {
///         cx.send_frame(frame).await
///     }
/// }
///
/// fn routes(channels: Channels) -> impl Routes {
///     let page = warp::path::end().map(|| "hello");
///     channels.route::<EchoConsumer>(warp::path!("echo")).or(page)
/// }
///
/// let channels = Channels::builder().build()?;
/// let serving = channels.serve(routes(channels.clone()), "127.0.0.1:8000");
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a route",
    label = "not a route",
    note = "a consumer is served by its route: `channels.route::<ChatConsumer>(warp::path!(\"ws\" / \"chat\"))`",
    note = "several routes are combined into one: `chat.or(pages)`",
    note = "any other warp filter is a route if it returns a `Reply`; a function that builds routes returns `impl Routes`"
)]
pub trait Routes: Filter<Extract: Reply, Error = Rejection> + Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<F> Routes for F where F: Filter<Extract: Reply, Error = Rejection> + Clone + Send + Sync + 'static {}

/// What a server or a test client can serve: [`Routes`], and with the feature `axum` a `Router`.
///
/// `Kind` says which of the two it is. The compiler infers it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a route",
    label = "not a route",
    note = "a consumer is served by its route: `channels.route::<ChatConsumer>(warp::path!(\"ws\" / \"chat\"))`",
    note = "several routes are combined into one: `chat.or(pages)`",
    note = "any other warp filter is a route if it returns a `Reply`; a function that builds routes returns `impl Routes`"
)]
pub trait IntoService<Kind>: Clone + Send + Sync + 'static {
    #[doc(hidden)]
    fn into_service(self) -> impl HttpService;
}

/// The kind of an [`IntoService`] that is [`Routes`].
#[derive(Debug, Clone, Copy)]
pub struct WarpFilter;

#[diagnostic::do_not_recommend]
impl<R: Routes> IntoService<WarpFilter> for R {
    fn into_service(self) -> impl HttpService {
        warp::service(self)
    }
}

/// The service of an [`IntoService`], for a server.
pub trait HttpService:
    Service<Request<RequestBody>, Response = Response<Self::ResponseBody>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
    type ResponseBody: Body<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static,
{
    type ResponseBody = B;
}
