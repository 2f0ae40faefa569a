//! Preparation of a layer message for all consumers of one type.

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::codec::Envelope;
use crate::connection::PositionMarker;
use crate::consumer::{Consumer, Decoded, Delivered};
use crate::error::DecodeError;
use crate::event::DropHint;
use crate::layer::{Delivery, MailboxKind, Undeliverable};
use crate::session::spans;
use crate::support::{metrics, panic_message};
use crate::websocket::{Compressor, EncodedFrame};

/// Returns the kind of the mailboxes of `C`.
pub(crate) fn mailbox_kind<C: Consumer>() -> &'static MailboxKind {
    const { &MailboxKind::of::<C>(prepare::<C>) }
}

/// The kind of the mailboxes of `C` whose clients receive server-sent events.
struct Streamed<C>(PhantomData<fn() -> C>);

/// Returns the kind of the mailboxes of `C` whose clients receive server-sent events.
pub(crate) fn stream_kind<C: Consumer>() -> &'static MailboxKind {
    const { &MailboxKind::of::<Streamed<C>>(prepare_streamed::<C>).marking_positions() }
}

/// Prepares a message like [`prepare`], with its position before its frame.
fn prepare_streamed<C: Consumer>(envelope: &Envelope, _: Option<&Compressor>) -> Result<Delivery, Undeliverable> {
    Ok(match (prepare::<C>(envelope, None)?, PositionMarker::WithNext(envelope.position()).encode()) {
        (Delivery::Frame(frame, hint), Some(marker)) => Delivery::Frame(EncodedFrame::joined(&[&marker, &frame]), hint),
        (delivery, _) => delivery,
    })
}

/// Decodes a message for all connections of `C` in this process, and renders it if its handler has no `self`. What is rendered
/// for all of them is also compressed for all of them.
pub(crate) fn prepare<C: Consumer>(
    envelope: &Envelope,
    compressor: Option<&Compressor>,
) -> Result<Delivery, Undeliverable> {
    // A handler without `self` is user code that runs in the sender's task. Its panic must not reach the sender.
    let decode = || spans::decode::<C>(envelope).in_scope(|| C::decode(envelope));
    let began = metrics::start_call();
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(decode));
    if matches!(decoded, Ok(Ok(Decoded::Frame(..)))) {
        began.record(C::INFO.name, "handler");
    }
    let decoded = decoded.unwrap_or_else(|panic| {
        Err(DecodeError::Panicked { event: envelope.event_name().into(), message: panic_message(&*panic) })
    });
    if matches!(decoded, Ok(Decoded::Event(..) | Decoded::Frame(..))) {
        // The name in the source, because a peer may invent any number of names.
        let handled =
            || C::INFO.handlers.iter().map(|handler| handler.event).find(|name| *name == envelope.event_name());
        metrics::received(C::INFO.name, handled);
    }
    let keep = |hint: DropHint| if envelope.position().is_none() { hint } else { hint.kept() };
    match decoded {
        Ok(Decoded::Event(event, hint)) => {
            let compressor = compressor_for::<C>(envelope, compressor).cloned();
            let delivered = Delivered::new(event, *envelope.position(), compressor);
            Ok(Delivery::Event(Arc::new(delivered), keep(hint), C::INFO.mailbox))
        }
        Ok(Decoded::Frame(Some(frame), hint)) => {
            let frame = match compressor_for::<C>(envelope, compressor) {
                Some(compressor) => compressor.compress(frame),
                None => frame,
            };
            Ok(Delivery::Frame(frame, keep(hint)))
        }
        Ok(Decoded::Frame(None, _)) => Ok(Delivery::Nothing),
        Ok(Decoded::Unhandled) => Err(Undeliverable::Unhandled { consumer: C::INFO.name }),
        Err(error @ (DecodeError::Panicked { .. } | DecodeError::Render { .. })) => {
            Err(Undeliverable::Failed { consumer: C::INFO.name, error })
        }
        Err(error) => Err(Undeliverable::Undecodable { consumer: C::INFO.name, error }),
    }
}

/// Returns the compressor, if the event is rendered once for all connections of `C` and may be compressed.
fn compressor_for<'a, C: Consumer>(envelope: &Envelope, compressor: Option<&'a Compressor>) -> Option<&'a Compressor> {
    let compressor = compressor?;
    let handler = C::INFO.handlers.iter().find(|handler| handler.event == envelope.event_name())?;
    (handler.shared && !handler.uncompressed && !C::INFO.uncompressed).then_some(compressor)
}

#[cfg(test)]
mod tests {
    use super::mailbox_kind;

    macro_rules! consumer {
        ($module:ident) => {
            mod $module {
                use crate::prelude::{CloseCode, Context, consumer};

                #[derive(Default)]
                pub(super) struct Small;

                #[consumer(crate = crate)]
                impl Small {
                    #[disconnect]
                    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
                }
            }
        };
    }

    consumer!(one);
    consumer!(other);

    #[test]
    fn consumers_with_equal_code_have_different_kinds() {
        assert_eq!(mailbox_kind::<one::Small>(), mailbox_kind::<one::Small>());
        assert_ne!(mailbox_kind::<one::Small>(), mailbox_kind::<other::Small>());
    }
}
