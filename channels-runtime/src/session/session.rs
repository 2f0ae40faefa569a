//! The session of one connection: `#[connect]`, one step at a time, `#[disconnect]`.
//!
//! The methods of a consumer never run concurrently. Events of the layer and frames of the client take turns, each kind in order.
//! However the connection ends, the consumer leaves its groups, `#[disconnect]` runs once, and then the socket is closed.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use tracing::Instrument;

use crate::connection::{Connection, Socket};
use crate::consumer::{BoxFuture, Consumer, Context};
use crate::layer::batching;
use crate::session::close;
use crate::session::close::CloseWait;
use crate::session::end::end;
use crate::session::handler_call::{begin, check, drive_output_while};
use crate::session::input::Input;
use crate::session::open::Opened;
use crate::session::step::{Step, Trigger};
use crate::websocket::CloseCode;

impl<C: Consumer> Opened<C> {
    /// Opens the connection's socket. `read_ahead` holds the bytes that the client sent after its request.
    pub(crate) fn into_session(self, socket: Socket, read_ahead: &[u8]) -> Session<C> {
        let Self { consumer, cx, span: _ } = self;
        cx.connection().open(socket);
        let input = Input::new(read_ahead, cx.connection().shared().limits.inbound);
        Session { consumer, cx, input }
    }

    /// Ends the connection of a client that disconnected before the response to its handshake.
    pub(crate) async fn abandon(mut self) {
        end(&mut self.consumer, &mut self.cx, CloseCode::ABNORMAL).instrument(self.span).await;
    }
}

/// The entry of a connection that its session holds until the end.
pub(crate) trait Registered: Send {
    /// Called with the close code before `#[disconnect]`. Not called if the session is cut off.
    fn end(&mut self, code: CloseCode);
}

/// One connection with its consumer.
pub(crate) struct Session<C: Consumer> {
    consumer: C,
    cx: Context<C>,
    input: Input,
}

impl<C: Consumer> Session<C> {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.cx.connection()
    }

    /// Serves the connection until it ends, tells `registration` the close code, and drops it after the close.
    // One future owns everything. A nested future would hold the values that both futures use twice, in each idle connection.
    pub(crate) fn run(mut self, mut registration: impl Registered) -> impl Future<Output = ()> + Send {
        let connection = Arc::clone(self.connection());
        batching::batched(async move {
            let (code, wait) = loop {
                // The trigger is a copy: one that borrowed the step would keep the step in the future while the handler runs.
                let (step, mut trigger) =
                    poll_fn(|task| self.poll_step(&connection, task).map(Step::with_trigger)).await;
                batching::more_follows(matches!(step, Step::Client(_)) && self.input.has_rest());
                {
                    let Self { consumer, cx, .. } = &mut self;
                    let mut event = None;
                    // Awaited without a variable, because the future would hold the variable twice.
                    let result = drive_output_while(
                        &connection,
                        begin(consumer, cx, &connection, step, &mut event, &mut trigger),
                    )
                    .await;
                    check::<C>(&connection, result, trigger, event.as_deref());
                }
                if let Trigger::End(code, wait) = trigger {
                    let is_cut = wait == CloseWait::Answer && self.input.drop_message();
                    break (code, if is_cut { CloseWait::Disconnect } else { wait });
                }
                if self.input.is_turn_over(&connection) {
                    tokio::task::yield_now().await;
                }
            };
            registration.end(code);
            let Self { consumer, cx, .. } = &mut self;
            // Boxed, so that an idle connection does not reserve the space for its end.
            let ending: BoxFuture<'_, ()> = Box::pin(end(consumer, cx, code));
            drive_output_while(&connection, Some(ending)).await;
            Box::pin(close::wait(&mut self.cx, &mut self.input, wait)).await;
            // Used by reference, because the future would hold a moved value twice.
            _ = &registration;
        })
    }

    // Borrows the session as a whole, because the future of an idle connection holds each reference.
    fn poll_step(&mut self, connection: &Connection, task: &mut Task<'_>) -> Poll<Step> {
        let Self { cx, input, .. } = self;
        input.poll_step(connection, cx, task)
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, Session};
    use crate::prelude::CloseCode;
    use crate::prelude::consumer;

    #[derive(Default)]
    struct Small;

    #[consumer(crate = crate)]
    impl Small {
        #[disconnect]
        fn disconnect(&mut self, _cx: &mut super::Context<Self>, _code: CloseCode) {}
    }

    impl super::Registered for () {
        fn end(&mut self, _code: CloseCode) {}
    }

    fn size_of_output<S, F>(_: impl FnOnce(S) -> F) -> usize {
        size_of::<F>()
    }

    /// Most of an idle connection's memory is its task. If this fails, box a branch that is rarely taken.
    #[test]
    fn task_of_connection_is_small() {
        let task = size_of_output(|session: Session<Small>| session.run(()));
        assert!(
            task <= 88,
            "{task} bytes for the future of a connection ({} for the session), without its consumer",
            size_of::<Session<Small>>()
        );
        assert!(size_of::<Connection>() <= 248, "{} bytes for a connection", size_of::<Connection>());
    }
}
