//! Routes as a tower service, for HTTP servers other than ours.

use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body;
use tower_service::Service;

use crate::web::peer_address::PeerAddress;
use crate::web::request_body::{BodyError, RequestBody};
use crate::web::routes::{HttpService, IntoService};

/// Converts routes into a tower [`Service`], which hyper, axum, tonic and other servers can call. This works for every route of
/// `Channels`: WebSockets, server-sent events, health pages, metrics.
///
/// The server must support HTTP upgrades, for example hyper's `serve_connection(..).with_upgrades()`, and must pass on the
/// request with its extensions. The client's address is the extension [`PeerAddress`](crate::web::PeerAddress) of the request,
/// or axum's `ConnectInfo<SocketAddr>` with the feature `axum`. Without either, limits per address do not apply.
///
/// The limits for slow requests are those of the other server, if it has any. The other server does not stop with
/// [`Channels::shutdown`](crate::Channels::shutdown), which closes only the connections of consumers.
///
/// ```
/// use channels_runtime::prelude::*;
/// use channels_runtime::web;
/// use hyper::server::conn::http1;
/// use hyper_util::rt::TokioIo;
/// use hyper_util::service::TowerToHyperService;
/// use tokio::net::TcpListener;
///
/// async fn serve(channels: Channels, listener: TcpListener) -> std::io::Result<()> {
///     let health = web::service(channels.health());
///     loop {
///         let (socket, address) = listener.accept().await?;
///         let health = TowerToHyperService::new(health.clone());
///         tokio::spawn(async move {
///             let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), health);
///             _ = connection.with_upgrades().await;
///         });
///     }
/// }
/// ```
pub fn service<R, B, Kind>(
    routes: R,
) -> impl Service<
    Request<B>,
    Response = Response<impl Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static>,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static
where
    R: IntoService<Kind>,
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    RouteService { routes: routes.into_service() }
}

/// Routes that respond to requests of another server.
#[derive(Debug, Clone)]
struct RouteService<S> {
    routes: S,
}

impl<S, B> Service<Request<B>> for RouteService<S>
where
    S: HttpService,
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(task)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let extensions = request.extensions_mut();
        if let Some(address) = PeerAddress::of_other_server(extensions) {
            extensions.insert(address);
        }
        self.routes.call(request.map(RequestBody::without_slot))
    }
}
