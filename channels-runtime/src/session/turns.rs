//! The turns of a session: events of the layer and messages of the client alternate, and the task yields to other tasks.

use std::task::{Context as Task, Poll};

use crate::connection::{Connection, Next};
use crate::consumer::{Consumer, Context};
use crate::session::input::{EVENTS, Input};
use crate::session::step::Step;

impl Input {
    /// Counts a step. Returns whether the task now yields to the sockets and the other connections.
    ///
    /// The messages of one read are handled together, so that one write carries their output. The bound keeps a flood of events
    /// or frames (pings and pongs are also frames), long messages and slow handlers from delaying the writes and the other
    /// connections. A client whose bytes have all been read needs no bound: after a read that does not fill the buffer, the next
    /// read waits until the socket is ready.
    pub(super) fn is_turn_over(&mut self, connection: &Connection) -> bool {
        let is_over = self.ends_turn();
        if is_over {
            connection.end_turn();
        }
        is_over
    }

    /// Waits for the next step.
    pub(super) fn poll_step<C: Consumer>(
        &mut self,
        connection: &Connection,
        cx: &mut Context<C>,
        task: &mut Task<'_>,
    ) -> Poll<Step> {
        let step = self.poll_next(connection, cx, task);
        if step.is_pending() {
            self.turn.restart();
        }
        step
    }

    fn poll_next<C: Consumer>(
        &mut self,
        connection: &Connection,
        cx: &mut Context<C>,
        task: &mut Task<'_>,
    ) -> Poll<Step> {
        // If events do not have the first turn, they have the second.
        let events_first = self.events_left > 0;
        for events in [events_first, true] {
            let step = match connection.next(task, events) {
                Next::Event(event) => {
                    self.events_left = self.events_left.saturating_sub(1);
                    return Poll::Ready(Step::Event(event));
                }
                Next::Gap(gap) => Step::Gap(gap),
                Next::HistoryLost(lost) => Step::HistoryLost(lost),
                Next::Client { held } => match self.poll_message(cx, task) {
                    Poll::Ready(read) => {
                        // One write carries the held frames and the output of this message.
                        if held {
                            connection.hand_over();
                        }
                        read.into()
                    }
                    Poll::Pending => {
                        if held {
                            connection.write_held(task);
                        }
                        if events {
                            return Poll::Pending;
                        }
                        // The client has had its turn.
                        self.events_left = EVENTS;
                        continue;
                    }
                },
                Next::Nothing if events => return Poll::Pending,
                Next::Nothing => {
                    self.events_left = EVENTS;
                    continue;
                }
                Next::Closing(code) => Step::Closing(code),
                Next::LayerClosed => Step::LayerClosed,
                Next::Broken => Step::Disconnected,
            };
            self.events_left = EVENTS;
            return Poll::Ready(step);
        }
        Poll::Pending
    }
}
