//! The start of a connection's task.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::Instrument;

use crate::connection::Socket;
use crate::consumer::Consumer;
use crate::server::login_terms::LoginTerms;
use crate::server::registration::{AdmissionPermit, Registration};
use crate::server::server::Server;
use crate::session::Opened;

/// The time in which the response to a handshake must reach the client.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);

impl Server {
    /// Runs an accepted connection in a task of its own. `upgrade` sends the response to the handshake, and returns the
    /// socket with the bytes that were read ahead, or `None` if the client has disconnected.
    pub(crate) fn spawn<C: Consumer>(
        permit: AdmissionPermit,
        opened: Opened<C>,
        login: LoginTerms,
        upgrade: impl Future<Output = Option<(Socket, Bytes)>> + Send + 'static,
    ) {
        let server = Arc::clone(&permit.server);
        server.start_background_tasks();
        // The future of the handshake is larger than that of the session, so the session runs in a second, smaller task.
        server.sessions.clone().spawn(async move {
            // The client may vanish before its response is written, or a layer in front of the route may replace the response.
            // Without a deadline the upgrade would wait for ever.
            let upgraded = tokio::time::timeout(UPGRADE_DEADLINE, upgrade).await.unwrap_or_else(|_| {
                if server.failure_logs.allows() {
                    tracing::warn!(
                        consumer = C::INFO.name,
                        "the response to a handshake was not sent within 10 s; a layer in front of the route may have replaced it"
                    );
                }
                None
            });
            let span = opened.span.clone();
            let Some((socket, read_ahead)) = upgraded else {
                opened.abandon().await;
                return drop(permit);
            };
            let session = opened.into_session(socket, &read_ahead);
            let registration = Registration::<C>::new(permit, session.connection(), login);
            // Most connections have no span, so their task does not reserve memory for one.
            if span.is_disabled() {
                server.sessions.spawn(session.run(registration));
            } else {
                server.sessions.spawn(session.run(registration).instrument(span));
            }
        });
    }
}
