//! The start of a connection: `#[connect]`.

use std::sync::Arc;

use tracing::{Instrument, Span};

use crate::connection::{Connection, Shared};
use crate::consumer::{Consumer, Context};
use crate::error::{Error, Reject};
use crate::layer::{Mailbox, MailboxKind};
use crate::scope::Scope;
use crate::session::spans;
use crate::session::spans::within;
use crate::support::{catch_panic, panic_message};
use crate::websocket::Window;

/// A consumer that has accepted its connection. The client has not received the response yet.
pub(crate) struct Opened<C: Consumer> {
    pub(crate) consumer: C,
    pub(crate) cx: Context<C>,
    /// The span of its log records, if it is enabled.
    pub(crate) span: Span,
}

/// Runs `#[connect]`. If it rejects, fails, panics or is dropped, the channel leaves the layer and its groups.
pub(crate) async fn open<C: Consumer>(
    shared: &Arc<Shared>,
    scope: Scope,
    captures: C::Captures,
    kind: &'static MailboxKind,
    window: Window,
) -> Result<Opened<C>, Reject> {
    let backend = shared.layer.backend();
    let channel = backend.new_channel_name();
    let span = spans::connection::<C>(&scope, &channel);
    let connection = Connection::new(kind, channel.clone(), scope, Arc::clone(shared), C::HAS_GAP_METHODS, window);
    backend.table().register(&(Arc::clone(&connection) as Arc<dyn Mailbox>));
    // From here on the context removes the channel from the layer, however the connection ends.
    let mut cx = Context::new(connection);
    backend.announce(&channel).await?;
    let connecting =
        span.in_scope(|| catch_panic(|| within(spans::call::<C>("connect"), || C::connect(&mut cx, captures))));
    let consumer = match connecting.instrument(span.clone()).await {
        Ok(connected) => connected?,
        Err(panic) => return Err(Error::msg(format!("`connect` panicked: {}", panic_message(&*panic))).into()),
    };
    Ok(Opened { consumer, cx, span })
}
