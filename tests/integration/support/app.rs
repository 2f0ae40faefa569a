//! What most applications in the tests have: a server on loopback, and an authenticator that accepts each client as one user.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use channels_runtime::web::{IntoService, ServeError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::client::{Response, handshake, send_request};

/// Time for all connections to end, and then for the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns an authenticator that accepts each client as this user.
pub(crate) fn user<U>(user: U) -> impl Fn(Scope) -> Ready<Result<Option<U>, Reject>> + Send + Sync + 'static
where
    U: Clone + Send + Sync + 'static,
{
    move |_| ready(Ok(Some(user.clone())))
}

/// Returns an authenticator that accepts each client as this user. Clients with the header `x-nobody` are anonymous.
pub(crate) fn user_or_nobody<U>(user: U) -> impl Fn(Scope) -> Ready<Result<Option<U>, Reject>> + Send + Sync + 'static
where
    U: Clone + Send + Sync + 'static,
{
    move |scope| ready(Ok(scope.header("x-nobody").is_none().then(|| user.clone())))
}

/// A web framework, with its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// Warp routes on [`Channels::bind`].
    Ours,
    /// A `Router` on `axum::serve`.
    Axum,
}

/// Makes two tests of each function that takes a [`Front`]. They run on two threads, unless an attribute of the test's own is
/// before the name.
macro_rules! on_both_servers {
    ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
        mod on_ours {
            $($crate::support::app::test_on!(Ours, $(#[$attribute])* $test);)*
        }

        mod on_axum {
            $($crate::support::app::test_on!(Axum, $(#[$attribute])* $test);)*
        }
    };
}
pub(crate) use on_both_servers;

/// Makes a test of a function that takes a [`Front`].
macro_rules! test_on {
    ($front:ident, $test:ident) => {
        $crate::support::app::test_on!($front, #[tokio::test(flavor = "multi_thread", worker_threads = 2)] $test);
    };
    ($front:ident, $(#[$attribute:meta])+ $test:ident) => {
        $(#[$attribute])+
        async fn $test() {
            super::$test($crate::support::app::Front::$front).await;
        }
    };
}
pub(crate) use test_on;

/// A server on a free port of 127.0.0.1.
pub(crate) struct Server {
    pub(crate) channels: Channels,
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<Result<(), ServeError>>,
    /// Stops the server of axum, which does not stop with the channels.
    stop: CancellationToken,
}

impl Server {
    /// Serves the routes of this application.
    pub(crate) async fn start<Kind: 'static>(channels: &Channels, routes: impl IntoService<Kind>) -> Self {
        let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
        let address = server.local_addr();
        let task = tokio::spawn(server.serve(routes));
        Self { channels: channels.clone(), address, task, stop: CancellationToken::new() }
    }

    /// Serves the router of this application on the server of axum.
    pub(crate) async fn start_axum(channels: &Channels, app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
        let task = tokio::spawn(async {
            serving.await.unwrap();
            Ok(())
        });
        Self { channels: channels.clone(), address, task, stop }
    }

    /// Serves a consumer of this application at `/ws`.
    pub(crate) async fn start_consumer<C: channels_runtime::Consumer<Captures = ()>>(
        front: Front,
        channels: &Channels,
    ) -> Self {
        match front {
            Front::Ours => Self::start(channels, channels.route::<C>(warp::path!("ws"))).await,
            Front::Axum => Self::start_axum(channels, Router::new().consumer("/ws", channels.axum::<C>())).await,
        }
    }

    /// Sends the handshake for `/ws` with these header lines.
    pub(crate) async fn handshake(&self, headers: &str) -> Response {
        send_request(self.address, &handshake("/ws", headers)).await
    }

    /// Sends the handshake for `/ws` with the right host.
    pub(crate) async fn enter(&self) -> Response {
        self.handshake(&format!("Host: {}\n", self.address)).await
    }

    /// Closes all connections and waits until the server has ended.
    pub(crate) async fn stop(self) {
        assert!(self.channels.shutdown(PATIENCE).await, "every connection ends");
        assert_eq!(self.channels.stats().admitted, 0);
        self.ended().await;
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(self) {
        self.outcome().await.expect("every connection ends");
    }

    /// Waits until the server has ended, and returns its result.
    pub(crate) async fn outcome(self) -> Result<(), ServeError> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server ends").unwrap()
    }
}
