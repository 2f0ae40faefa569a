//! The route of a consumer, before it has a path.

use std::fmt;
use std::marker::PhantomData;

use crate::app::Channels;
use crate::consumer::{Consumer, OnlySends};

/// The route of a consumer in an axum application, returned by [`Channels::axum`] and [`Channels::axum_sse`].
/// [`RouterExt::consumer`](crate::web::axum::RouterExt::consumer) sets its path.
#[must_use = "a route serves nothing until `Router::consumer` adds it"]
pub struct ConsumerRoute<C> {
    pub(super) channels: Channels,
    pub(super) serves: Serves,
    consumer: PhantomData<fn() -> C>,
}

/// The protocols of a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Serves {
    pub(super) websocket: bool,
    pub(super) events: bool,
}

impl Serves {
    /// Returns the text of the response to a request for neither protocol.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self { websocket: true, events: false } => "the header `Upgrade: websocket` is missing",
            Self { websocket: false, .. } => "the header `Accept: text/event-stream` is missing",
            Self { websocket: true, events: true } => {
                "the header `Upgrade: websocket` or `Accept: text/event-stream` is missing"
            }
        }
    }
}

impl Channels {
    /// Returns the WebSocket route of a consumer for an axum application:
    /// `Router::new().consumer("/ws/chat/{room}", channels.axum::<ChatConsumer>())`. See [`web::axum`](crate::web::axum).
    ///
    /// # Panics
    /// If no client can send one of the consumer's commands; see [`Self::route`].
    #[track_caller]
    pub fn axum<C: Consumer>(&self) -> ConsumerRoute<C> {
        C::INFO.check_commands();
        self.consumer_route(Serves { websocket: true, events: false })
    }

    /// Returns the route of a consumer for an axum application, for clients that only receive: server-sent events, as
    /// [`Self::sse`] describes them.
    pub fn axum_sse<C: Consumer + OnlySends>(&self) -> ConsumerRoute<C> {
        self.consumer_route(Serves { websocket: false, events: true })
    }

    fn consumer_route<C>(&self, serves: Serves) -> ConsumerRoute<C> {
        ConsumerRoute { channels: self.clone(), serves, consumer: PhantomData }
    }
}

impl<C: Consumer + OnlySends> ConsumerRoute<C> {
    /// Also serves WebSockets on the path of a route for server-sent events.
    pub fn and_websocket(mut self) -> Self {
        self.serves.websocket = true;
        self
    }
}

impl<C: Consumer> fmt::Debug for ConsumerRoute<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerRoute")
            .field("consumer", &C::INFO.name)
            .field("serves", &self.serves)
            .finish_non_exhaustive()
    }
}
