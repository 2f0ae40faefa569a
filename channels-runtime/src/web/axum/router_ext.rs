//! The methods that add routes of `Channels` to a `Router`, and a `Router` as the routes of our server.

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{MethodFilter, on};

use crate::app::Channels;
use crate::consumer::Consumer;
use crate::web::axum::arguments::Arguments;
use crate::web::axum::consumer_route::ConsumerRoute;
use crate::web::axum::mount::{mount, remember};
use crate::web::axum::path::{captures, with_other_end};
use crate::web::axum::respond::respond;
#[cfg(feature = "publish")]
use crate::web::publish::Publish;
use crate::web::routes::{HttpService, IntoService};
use crate::web::service::service;

/// Adds the routes of [`Channels`] to axum's `Router`.
pub trait RouterExt<S>: Sized {
    /// Adds the route of a consumer: `.consumer("/ws/chat/{room}", channels.axum::<ChatConsumer>())`. The path matches with a
    /// last slash and without.
    ///
    /// The arguments of `#[connect]` after `cx` come from the request. Types with `FromStr` are the captures of this path, in
    /// their order; a value that is not of the type gets 404. Other types are axum's extractors, such as `State<..>`, `Query<..>`
    /// and `Extension<..>`; a request without them gets the response of the extractor. If the router is nested in a path with
    /// captures, an extractor reads those.
    ///
    /// Layers of tower that are added later see the handshake and may refuse it.
    ///
    /// # Panics
    /// If the number of captures is not the number of arguments that need one, and where `Router::route` panics: for a path that
    /// does not start with a slash, for example, or one that is added twice. The message names the path and the consumers.
    #[must_use]
    fn consumer<C, Kinds>(self, path: &str, route: ConsumerRoute<C>) -> Self
    where
        C: Consumer<Captures: Arguments<S, Kinds>>;

    /// Adds the pages `/healthz` and `/readyz`; see [`Channels::health`].
    ///
    /// # Panics
    /// If the router has one of these paths.
    #[must_use]
    fn health(self, channels: &Channels) -> Self;

    /// Adds the page `/metrics`; see [`Channels::metrics`].
    ///
    /// # Panics
    /// If the router has this path.
    #[cfg(feature = "prometheus")]
    #[must_use]
    fn metrics(self, channels: &Channels) -> Self;

    /// Adds the page `/inspect.json`, which is for the operator only; see [`Channels::inspection`].
    ///
    /// # Panics
    /// If the router has this path.
    #[must_use]
    fn inspection(self, channels: &Channels) -> Self;

    /// Adds the route `/publish`, on which a backend publishes; see [`Channels::publish`].
    ///
    /// # Panics
    /// If the router has this path.
    #[cfg(feature = "publish")]
    #[must_use]
    fn publish(self, channels: &Channels, publish: Publish) -> Self;
}

impl<S: Clone + Send + Sync + 'static> RouterExt<S> for Router<S> {
    #[track_caller]
    fn consumer<C, Kinds>(self, path: &str, route: ConsumerRoute<C>) -> Self
    where
        C: Consumer<Captures: Arguments<S, Kinds>>,
    {
        let (names, wanted) = (captures(path), C::Captures::CAPTURES);
        assert!(
            names.len() == wanted,
            "the path `{path}` captures {} ({}), but `#[connect]` of `{}` takes {wanted} from the path: each `{{name}}` in the path \
             is one argument of its own type, such as `name: String` without `Path`; other arguments are extractors",
            names.len(),
            if names.is_empty() { "none".into() } else { names.join(", ") },
            C::INFO.name,
        );
        let ConsumerRoute { channels, serves, .. } = route;
        let methods = on(MethodFilter::GET, move |State(state): State<S>, request: Request| {
            let channels = channels.clone();
            async move { respond::<C, S, Kinds>(&channels, serves, &state, request).await }
        });
        let consumer = C::INFO.name;
        let router = mount(self, path, consumer, methods.clone());
        let router = match with_other_end(path) {
            Some(path) => mount(router, &path, consumer, methods),
            None => router,
        };
        remember(path, consumer);
        router
    }

    #[track_caller]
    fn health(self, channels: &Channels) -> Self {
        let pages = service(channels.health());
        self.route_service("/healthz", pages.clone()).route_service("/readyz", pages)
    }

    #[cfg(feature = "prometheus")]
    #[track_caller]
    fn metrics(self, channels: &Channels) -> Self {
        self.route_service("/metrics", service(channels.metrics()))
    }

    #[track_caller]
    fn inspection(self, channels: &Channels) -> Self {
        self.route_service("/inspect.json", service(channels.inspection()))
    }

    #[cfg(feature = "publish")]
    #[track_caller]
    fn publish(self, channels: &Channels, publish: Publish) -> Self {
        self.route_service("/publish", service(channels.publish(publish)))
    }
}

/// The kind of an [`IntoService`] that is an axum `Router`.
#[derive(Debug, Clone, Copy)]
pub struct AxumRouter;

impl IntoService<AxumRouter> for Router {
    fn into_service(self) -> impl HttpService {
        self
    }
}
