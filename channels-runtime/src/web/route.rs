//! Routes for warp, WebSockets and server-sent events, and a server for them. The only folder that knows warp.

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::app::Channels;
use crate::consumer::Consumer;
use crate::web::captures::{Captures, RoutePath};
use crate::web::handshake::{Handshake, handshake};

impl Channels {
    /// A WebSocket route: an ordinary warp filter, to be combined with any other.
    ///
    /// What the path captures are the arguments of `#[connect]` behind `cx`. A path ends with or without a slash.
    ///
    /// A request that is no WebSocket handshake is passed on, so that a page may stand at the same path. If no other filter
    /// takes it, warp answers 405 for another method than `GET`, and 400 where the header `Upgrade: websocket` is missing.
    /// A handshake that is broken is answered 400, one of another version 426; a refused one with the status of its
    /// [`Reject`](crate::Reject).
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// struct ChatConsumer { room: String }
    ///
    /// #[consumer]
    /// impl ChatConsumer {
    ///     #[connect]
    ///     async fn connect(_cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
    ///         Ok(Self { room })
    ///     }
    /// }
    ///
    /// let channels = Channels::builder().build()?;
    /// let chat = channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String));
    /// let routes = chat.or(warp::path::end().map(|| "hello"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn route<C: Consumer>(
        &self,
        path: impl RoutePath<Captured: Captures<C::Captures>>,
    ) -> BoxedFilter<(Response,)> {
        let server = self.server().clone();
        Captures::collect(path.itself())
            .and(warp::get())
            .and(warp::header::exact_ignore_case("upgrade", "websocket"))
            .and(handshake())
            .then(move |captures: C::Captures, handshake: Handshake| {
                let server = server.clone();
                async move { handshake.answer::<C>(&server, captures).await }
            })
            .boxed()
    }
}
