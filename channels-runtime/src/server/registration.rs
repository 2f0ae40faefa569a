//! The permit of an admitted connection, and its entry in the registry.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::connection::Connection;
use crate::consumer::Consumer;
use crate::error::Reject;
use crate::server::drain::close_for_restart;
use crate::server::login_terms::LoginTerms;
use crate::server::reauth::Check;
use crate::server::server::Server;
#[cfg(feature = "backend")]
use crate::server::webhooks::Facts;
use crate::session::Registered;
use crate::websocket::CloseCode;

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
    /// The facts for the webhook at the end. `None` without webhooks.
    #[cfg(feature = "backend")]
    facts: Option<Box<Facts>>,
    consumer: PhantomData<fn() -> C>,
}

impl<C: Consumer> Registration<C> {
    pub(super) fn new(permit: AdmissionPermit, connection: &Arc<Connection>, login: LoginTerms) -> Self {
        let server = &permit.server;
        let index = server.registry.add(connection, C::INFO.name);
        #[cfg(feature = "backend")]
        let facts = server.webhooks.as_ref().map(|webhooks| {
            let user = login.key.as_ref().map(|(key, _)| &**key);
            let facts = Facts::new(connection, C::INFO.name, user);
            webhooks.add_connect(facts.clone());
            Box::new(facts)
        });
        if let Some(end) = login.until {
            server.login_expiry.add(index, end, connection);
        }
        if let Some(every) = login.reauth {
            let key = login.key.as_ref().map(|(key, _)| Arc::clone(key));
            server.reauth.add(index, Check::new(connection, every, key, login.has_user));
        }
        if let Some((key, checked)) = login.key {
            server.kicks.registry().add(index, key, checked, connection);
        }
        // A shutdown that began between the handshake and this line did not see the connection.
        if server.stopping.is_cancelled() {
            close_for_restart(connection, server.settings.drain_window);
        }
        Self {
            permit,
            index,
            #[cfg(feature = "backend")]
            facts,
            consumer: PhantomData,
        }
    }
}

impl<C: Consumer> Registered for Registration<C> {
    #[cfg_attr(not(feature = "backend"), expect(unused_variables, reason = "only webhooks contain the code"))]
    fn end(&mut self, code: CloseCode) {
        #[cfg(feature = "backend")]
        if let Some(facts) = &mut self.facts {
            facts.end(code);
        }
    }
}

impl<C: Consumer> Drop for Registration<C> {
    fn drop(&mut self) {
        let server = &self.permit.server;
        #[cfg(feature = "backend")]
        if let (Some(webhooks), Some(facts)) = (&server.webhooks, self.facts.take()) {
            webhooks.add_disconnect(*facts);
        }
        // The registry is the last, because it reuses the index immediately. Login expiry follows `reauth`, which may just add a new
        // end to it.
        server.reauth.remove(self.index);
        server.login_expiry.remove(self.index);
        server.kicks.registry().remove(self.index);
        server.registry.remove(self.index, C::INFO.name);
    }
}
