//! WebSocket routes, as warp filters.

use std::convert::Infallible;
use std::future::ready;

use http::HeaderMap;
use http::header::UPGRADE;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::app::Channels;
use crate::consumer::Consumer;
use crate::web::allowed_methods;
use crate::web::captures::{Captures, RoutePath};
use crate::web::handshake::{Handshake, handshake};
use crate::web::request_head::lists;

impl Channels {
    /// Returns a WebSocket route: an ordinary warp filter that can be combined with any other.
    ///
    /// The captures of the path are the arguments of `#[connect]` after `cx`. A path may end with a slash.
    ///
    /// A request that is not a WebSocket handshake is passed on to the next filter, so a page may have the same path. If no other
    /// filter takes it, warp responds with 405 to a method other than `GET`, and with 400 if the header `Upgrade: websocket` is
    /// missing. A malformed handshake gets 400, one of another version 426, one whose path is longer than 2 KiB 414, one whose
    /// headers are larger than 16 KiB 431, and a rejected one the status of its [`Reject`](crate::Reject).
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
    ///
    /// # Panics
    /// If no client can send one of the consumer's commands, because its type reads no object, or reads the field with the
    /// command's name: `#[serde(flatten)]` of an enum with `#[serde(tag = "type")]`. The compiler detects most such types.
    #[track_caller]
    pub fn route<C: Consumer>(
        &self,
        path: impl RoutePath<Captured: Captures<C::Captures>>,
    ) -> BoxedFilter<(Response,)> {
        C::INFO.check_commands();
        let server = self.server().clone();
        Captures::collect(path.itself())
            .and(allowed_methods::get())
            .and(wants_websocket())
            .and(handshake())
            .then(move |captures: C::Captures, handshake: Handshake| {
                let server = server.clone();
                async move {
                    let Ok(response) = handshake.respond::<C, Infallible>(&server, ready(Ok(captures))).await;
                    response
                }
            })
            .boxed()
    }
}

/// Rejects a request that does not offer to become a WebSocket. It may offer other protocols, too.
fn wants_websocket() -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static {
    let offers = warp::header::headers_cloned().and_then(|headers: HeaderMap| {
        let wanted = lists(&headers, &UPGRADE, "websocket");
        std::future::ready(if wanted { Ok(()) } else { Err(warp::reject::not_found()) })
    });
    // The second filter makes the rejection: a missing or an invalid header, which is 400.
    offers.untuple_one().or(warp::header::exact_ignore_case("upgrade", "websocket")).unify()
}
