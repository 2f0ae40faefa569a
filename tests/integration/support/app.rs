//! What most applications in the tests have: a server on loopback, and an authenticator that accepts each client as one user.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::web::ServeError;
use tokio::task::JoinHandle;

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

/// A server on a free port of 127.0.0.1.
pub(crate) struct Server {
    pub(crate) channels: Channels,
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    /// Serves the routes of this application.
    pub(crate) async fn start<Kind: 'static>(channels: &Channels, routes: impl Routes<Kind>) -> Self {
        let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
        let address = server.local_addr();
        Self { channels: channels.clone(), address, task: tokio::spawn(server.serve(routes)) }
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
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server ends").unwrap()
    }
}
