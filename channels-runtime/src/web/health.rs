//! What a load balancer asks: is the process alive, and does it have a use for clients?

use std::time::Duration;

use http::StatusCode;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};

use crate::app::Channels;

/// How long a message may take through the layer and back.
const DEADLINE: Duration = Duration::from_secs(2);

impl Channels {
    /// Two pages for whoever watches the process, to be combined with other filters:
    ///
    /// - `/healthz` is always answered with 200: the process lives. If it is not, restart it.
    /// - `/readyz` is answered with 200 when a message went through the channel layer and came back within 2 s
    ///   ([`ChannelLayer::ready`](crate::ChannelLayer::ready)), over Redis where the layer is one of Redis. It is answered with
    ///   503 when none did, and while the server stops. If it is not ready, send clients elsewhere, and do not restart it: its
    ///   connections live, and Redis will come back.
    ///
    /// The body says in a few words what is wrong, and no address.
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
        let alive = warp::path!("healthz").and(warp::get()).map(|| answer(StatusCode::OK, "alive"));
        let ready = warp::path!("readyz").and(warp::get()).then(move || {
            let channels = channels.clone();
            async move { channels.ready().await }
        });
        alive.or(ready).unify().boxed()
    }

    async fn ready(&self) -> Response {
        if self.server().stopping().is_cancelled() {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "the server stops");
        }
        match self.layer().ready(DEADLINE).await {
            Ok(()) => answer(StatusCode::OK, "ready"),
            Err(error) => {
                tracing::warn!(%error, "not ready");
                answer(StatusCode::SERVICE_UNAVAILABLE, "the channel layer does not answer")
            }
        }
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response {
    let text = warp::reply::with_header(text, http::header::CACHE_CONTROL, "no-store");
    warp::reply::with_status(text, status).into_response()
}
