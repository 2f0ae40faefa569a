//! Tickets in a consumer.

use std::fmt;

use crate::auth::Ticket;
use crate::consumer::context::Context;
use crate::error::{Result, TicketError};
use crate::event::{ByName, Group, JoinedBy, Plain};
use crate::support::{Unawaited, count};

impl<C> Context<C> {
    /// Verifies a [ticket](crate::auth::TicketKeys) for a group of this type. It does not join the group. For a client without a
    /// login, whose ticket says who it is, and for a group with a history:
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # #[event("chat.message")] struct ChatMessage { message: String }
    /// # #[group("chat_{room}", events(ChatMessage))] struct Room { room: String }
    /// struct ChatConsumer { user: String, room: Room }
    ///
    /// #[consumer]
    /// impl ChatConsumer {
    ///     /// `/ws/chat?ticket=..`, with `Channels::builder().token_parameter("ticket")`.
    ///     #[connect]
    ///     async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
    ///         let token = cx.scope().bearer_token().ok_or(Reject::unauthorized())?.to_owned();
    ///         let ticket = cx.ticket::<Room>(&token)?;
    ///         cx.group_add(&ticket.group).await?;
    ///         Ok(Self { user: ticket.user, room: ticket.group })
    ///     }
    /// #   #[handler("chat.message")] fn chat_message(event: &ChatMessage) -> String { event.message.clone() }
    /// }
    /// ```
    ///
    /// # Errors
    /// If it is not a valid ticket, or for a group of another type. It is counted
    /// ([`ConnectionStats::tickets_refused`](crate::stats::ConnectionStats::tickets_refused)).
    pub fn ticket<G: ByName>(&self, ticket: &str) -> Result<Ticket<G>, TicketError> {
        let shared = self.shared();
        let verified = shared.tickets.get().ok_or(TicketError::NoKeys).and_then(|keys| keys.verify(ticket));
        verified.inspect_err(|_| count(&shared.counters.tickets_refused))
    }

    /// Joins the group of a [ticket](crate::auth::TicketKeys), and returns the group. `user` is the user of this connection, as
    /// the backend names it in its tickets, such as the primary key: a ticket of another user is refused.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use channels_runtime::prelude::*;
    /// # #[event("chat.message")] struct ChatMessage { message: String }
    /// # #[group("chat_{room}", events(ChatMessage))] struct Room { room: String }
    /// # struct User { id: u64 }
    /// # #[derive(serde::Deserialize)] struct Join { ticket: String }
    /// # struct ChatConsumer { user: Arc<User>, rooms: Vec<Room> }
    /// # #[consumer]
    /// # impl ChatConsumer {
    /// #   #[connect] async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
    /// #       Ok(Self { user: cx.user().ok_or(Reject::unauthorized())?, rooms: Vec::new() })
    /// #   }
    /// #   #[handler("chat.message")] fn chat_message(event: &ChatMessage) -> String { event.message.clone() }
    /// #[receive("join")]
    /// async fn join(&mut self, cx: &mut Context<Self>, command: Join) -> Result<()> {
    ///     let room = cx.group_add_ticket::<Room>(&command.ticket, self.user.id).await?;
    ///     self.rooms.push(room);
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// A [`TicketError`] if it is not a valid ticket, or for another group or user: then `?` closes the connection with 1008, or
    /// rejects the handshake. Also if the layer's server cannot be reached.
    pub fn group_add_ticket<G>(&mut self, ticket: &str, user: impl fmt::Display) -> Unawaited<'_, Result<G>>
    where
        G: ByName + Group<Itself: Plain<Joinable: JoinedBy<C>>> + 'static,
    {
        let group = self
            .ticket::<G>(ticket)
            .and_then(|ticket| ticket.for_user(user).inspect_err(|_| self.count_refused_ticket()));
        Unawaited::new(async move {
            let group = group?;
            self.group_add(&group).await?;
            Ok(group)
        })
    }

    #[cold]
    fn count_refused_ticket(&self) {
        count(&self.shared().counters.tickets_refused);
    }
}
