//! The channel on which this process receives that a user's connections are closed.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::error::LayerError;
use crate::layer::{ChannelLayer, Delivery, Full, Mailbox, MailboxKind, USERS, Undeliverable, UserClose};
use crate::name::{ChannelName, GroupName};
use crate::server::user_registry::UserRegistry;
use crate::support::{LogLimit, lock};

/// Closes the connections of a user when any process asks for it.
///
/// One channel for the whole process: a connection joins no group, so a handshake costs no call to Redis, and a close that arrives
/// during a handshake is not missed. The channel exists from the first login with a key on.
#[derive(Default)]
pub(crate) struct Kicks {
    registry: Arc<UserRegistry>,
    joining: tokio::sync::Mutex<()>,
    inbox: Mutex<Option<Joined>>,
}

struct Joined {
    inbox: Arc<Inbox>,
    layer: ChannelLayer,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.layer.backend().release(&self.inbox.name);
    }
}

impl Kicks {
    pub(crate) fn registry(&self) -> &Arc<UserRegistry> {
        &self.registry
    }

    /// Joins the group, if this process is not a member. Everything that was sent before may have been missed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the next call joins.
    pub(super) async fn listen(&self, layer: &ChannelLayer) -> Result<(), LayerError> {
        let is_listening = || lock(&self.inbox).as_ref().is_some_and(|joined| !joined.inbox.closed.load(Relaxed));
        if is_listening() {
            return Ok(());
        }
        let _joining = self.joining.lock().await;
        if is_listening() {
            return Ok(());
        }
        let backend = layer.backend();
        let inbox = Arc::new(Inbox {
            name: backend.new_channel_name(),
            registry: Arc::clone(&self.registry),
            closed: AtomicBool::new(false),
            failure_logs: LogLimit::default(),
        });
        backend.table().register(&(Arc::clone(&inbox) as Arc<dyn Mailbox>));
        let joined = Joined { inbox, layer: layer.clone() };
        backend.announce(&joined.inbox.name).await?;
        backend.group_add(&GroupName::new(USERS)?, &joined.inbox.name).await?;
        self.registry.forget_all();
        let before = lock(&self.inbox).replace(joined);
        drop(before);
        Ok(())
    }

    /// Leaves the group.
    pub(super) fn leave(&self) {
        let joined = lock(&self.inbox).take();
        drop(joined);
    }
}

/// The mailbox of the channel. It queues nothing: each event is executed when it arrives.
struct Inbox {
    name: ChannelName,
    registry: Arc<UserRegistry>,
    /// The layer is closed.
    closed: AtomicBool,
    failure_logs: LogLimit,
}

impl Mailbox for Inbox {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn kind(&self) -> &'static MailboxKind {
        const { &MailboxKind::of::<Self>(|envelope, _| Ok::<_, Undeliverable>(Delivery::Raw(envelope.clone()))) }
    }

    fn deliver(&self, delivery: &Delivery, _: Instant) -> Result<bool, Full> {
        let Delivery::Raw(envelope) = delivery else { return Ok(true) };
        match UserClose::read(envelope) {
            Ok(close) => self.registry.close(close),
            Err(problem) => {
                if self.failure_logs.allows() {
                    tracing::warn!(problem, "an event for the connections of a user was ignored");
                }
            }
        }
        Ok(true)
    }

    fn layer_closed(&self) {
        self.closed.store(true, Relaxed);
    }
}
