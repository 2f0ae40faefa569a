//! Health pages for load balancers: `/healthz` and `/readyz`.

use std::time::Duration;

use http::{Method, StatusCode};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};

use crate::app::Channels;
use crate::error::Error;
use crate::web::allowed_methods::{is_read, method_not_allowed};

/// The time limit for a message through the layer and back.
const DEADLINE: Duration = Duration::from_secs(2);

impl Channels {
    /// Returns a route with two health pages:
    ///
    /// - `/healthz` always responds with 200: the process is alive. If there is no response, restart the process.
    /// - `/readyz` responds with 200 if a message came back through the channel layer (and Redis, if the layer uses it) within 2
    ///   s ([`ChannelLayer::ready`](crate::ChannelLayer::ready)). It responds with 503 if none did, and while the server stops.
    ///   Then send clients elsewhere, but do not restart the process: its connections are open, and Redis may recover.
    ///
    /// The body describes the problem in a few words, without addresses. `HEAD` gets the same response without a body, and any
    /// other method 405.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// let channels = Channels::builder().build()?;
    /// let routes = channels.health().or(warp::path::end().map(|| "hello"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn health(&self) -> BoxedFilter<(Response,)> {
        let channels = self.clone();
        let alive = warp::path!("healthz")
            .and(warp::method())
            .map(|method: Method| if is_read(&method) { page(StatusCode::OK, "alive") } else { method_not_allowed() });
        let ready = warp::path!("readyz").and(warp::method()).then(move |method: Method| {
            let channels = channels.clone();
            async move { if is_read(&method) { channels.ready().await } else { method_not_allowed() } }
        });
        alive.or(ready).unify().boxed()
    }

    async fn ready(&self) -> Response {
        if self.server().stopping().is_cancelled() {
            return page(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
        }
        match self.layer().ready(DEADLINE).await {
            Ok(()) => page(StatusCode::OK, "ready"),
            Err(error) => {
                // With its cause.
                let error = Error::from(error);
                tracing::warn!(%error, "not ready");
                page(StatusCode::SERVICE_UNAVAILABLE, "the channel layer does not respond")
            }
        }
    }
}

fn page(status: StatusCode, text: &'static str) -> Response {
    let text = warp::reply::with_header(text, http::header::CACHE_CONTROL, "no-store");
    let text = warp::reply::with_header(text, http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    warp::reply::with_status(text, status).into_response()
}
