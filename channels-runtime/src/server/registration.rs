//! The permit of an admitted connection, and its entry in the registry.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::Connection;
use crate::consumer::Consumer;
use crate::error::Reject;
use crate::server::drain::close_for_restart;
use crate::server::server::Server;

/// A permit for one connection, from before its `connect` until its end. Released on drop.
#[derive(Debug)]
pub(crate) struct AdmissionPermit {
    pub(super) server: Arc<Server>,
    /// The address whose limit the permit counts against. Boxed, because most permits have none and every connection holds one.
    address: Option<Box<IpAddr>>,
}

impl AdmissionPermit {
    /// Admits one more connection.
    ///
    /// # Errors
    /// If a limit is reached.
    pub(crate) fn acquire(server: &Arc<Server>, client: Option<SocketAddr>) -> Result<Self, Reject> {
        let address = server.admission.admit(client)?;
        Ok(Self { server: Arc::clone(server), address })
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        self.server.admission.release(self.address.as_deref());
    }
}

/// The entry of a connection in the registry, removed on drop.
pub(super) struct Registration<C: Consumer> {
    permit: AdmissionPermit,
    index: u32,
    consumer: PhantomData<fn() -> C>,
}

impl<C: Consumer> Registration<C> {
    pub(super) fn new(permit: AdmissionPermit, connection: &Arc<Connection>, login_ends: Option<SystemTime>) -> Self {
        let server = &permit.server;
        let index = server.registry.add(connection, C::INFO.name);
        if let Some(end) = login_ends {
            server.login_expiry.add(index, end, connection);
        }
        // A shutdown that began between the handshake and this line did not see the connection.
        if server.stopping.is_cancelled() {
            close_for_restart(connection, server.settings.drain_window);
        }
        Self { permit, index, consumer: PhantomData }
    }
}

impl<C: Consumer> Drop for Registration<C> {
    fn drop(&mut self) {
        let server = &self.permit.server;
        // Before the registry, which reuses the index immediately.
        server.login_expiry.remove(self.index);
        server.registry.remove(self.index, C::INFO.name);
    }
}
