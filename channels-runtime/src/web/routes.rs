//! The trait of the filters that a server can serve.

use warp::{Filter, Rejection, Reply};

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
    note = "any other warp filter is a route if it returns a `Reply`; a function that builds routes returns `impl Routes`"
)]
pub trait Routes: Filter<Extract: Reply, Error = Rejection> + Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<F> Routes for F where F: Filter<Extract: Reply, Error = Rejection> + Clone + Send + Sync + 'static {}
