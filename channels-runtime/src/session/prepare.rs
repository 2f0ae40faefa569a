//! Preparation of a layer message for all consumers of one type.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::codec::Envelope;
use crate::consumer::{Consumer, Decoded, Delivered};
use crate::layer::{Delivery, Undeliverable};
use crate::session::spans;
use crate::support::{metrics, panic_message};

/// Decodes a message for all connections of `C` in this process, and renders it where no state is needed.
pub(crate) fn prepare<C: Consumer>(envelope: &Envelope) -> Result<Delivery, Undeliverable> {
    // A handler without `self` is the user's code, and it runs in whoever sends: a panic must not hurt the sender.
    let decode = || spans::decode::<C>(envelope).in_scope(|| C::decode(envelope));
    let began = metrics::begun();
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(decode));
    if matches!(decoded, Ok(Ok(Decoded::Frame(..)))) {
        began.record(C::INFO.name, "handler");
    }
    let decoded = decoded.unwrap_or_else(|panic| {
        Err(crate::error::DecodeError::Panicked {
            event: envelope.event_name().into(),
            message: panic_message(&*panic),
        })
    });
    if matches!(decoded, Ok(Decoded::Event(..) | Decoded::Frame(..))) {
        // The name in the source, because a peer may invent names without end.
        let handled =
            || C::INFO.handlers.iter().map(|handler| handler.event).find(|name| *name == envelope.event_name());
        metrics::received(C::INFO.name, handled);
    }
    match decoded {
        Ok(Decoded::Event(event, loss)) => Ok(Delivery::Event(Arc::new(Delivered::new(event)), loss, C::INFO.mailbox)),
        Ok(Decoded::Frame(Some(frame), loss)) => Ok(Delivery::Frame(frame, loss)),
        Ok(Decoded::Frame(None, _)) => Ok(Delivery::Nothing),
        Ok(Decoded::Unhandled) => Err(Undeliverable::Unhandled { consumer: C::INFO.name }),
        Err(error) => Err(Undeliverable::Undecodable { consumer: C::INFO.name, error }),
    }
}
