//! What a server serves.

use warp::{Filter, Rejection, Reply};

/// What is served: a route, or several that are joined by `.or(..)`. Every warp filter is one that answers with a
/// [`Reply`], those of [`Channels::route`](crate::Channels::route) and
/// [`Channels::sse`](crate::Channels::sse) among them.
///
/// A function that puts an application's routes together returns them as `impl Routes`. It takes the
/// [`Channels`](crate::Channels) by value, and is called with a clone, which is the same application: what it returned
/// for a reference could not outlive that.
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
    note = "any other warp filter is one if it gives a `Reply`; a function that makes routes returns `impl Routes`"
)]
pub trait Routes: Filter<Extract: Reply, Error = Rejection> + Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<F> Routes for F where F: Filter<Extract: Reply, Error = Rejection> + Clone + Send + Sync + 'static {}
