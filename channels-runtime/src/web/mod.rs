//! Routes for warp, WebSockets and server-sent events, and a server for them. The only folder that knows warp.

mod captures;
mod health;
#[cfg(feature = "prometheus")]
mod prometheus;
mod routes;
mod serve;
mod sse;
#[cfg(feature = "https")]
mod tls;
mod upgrade;
mod waiting;

pub use captures::{Captures, RoutePath};
pub use routes::Routes;
pub use serve::{Address, ServeError, Server as WebServer};

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{HeaderMap, Uri};
use hyper::upgrade::OnUpgrade;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::channels::Channels;
use crate::consumer::Consumer;
use upgrade::Handshake;

/// The address of whoever sent it, put into a request's extensions by [`Channels::serve`].
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

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
    /// let channels = Channels::builder().build();
    /// let chat = channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String));
    /// let routes = chat.or(warp::path::end().map(|| "hello"));
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

fn handshake() -> impl Filter<Extract = (Handshake,), Error = Infallible> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().map(Some).or(warp::any().map(|| None)).unify();
    warp::path::full()
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<Peer>())
        .and(warp::addr::remote())
        .map(
            |path: warp::path::FullPath,
             query: Option<String>,
             headers: HeaderMap,
             upgrade: Option<OnUpgrade>,
             peer: Option<Peer>,
             remote: Option<SocketAddr>| {
                let path_and_query = match query {
                    Some(query) => format!("{}?{query}", path.as_str()),
                    None => path.as_str().to_owned(),
                };
                let uri = Uri::try_from(path_and_query).unwrap_or_default();
                let peer = peer.map(|Peer(address)| address).or(remote);
                Handshake { uri, headers, upgrade, peer }
            },
        )
}
