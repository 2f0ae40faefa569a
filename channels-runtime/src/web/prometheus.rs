//! The page that Prometheus asks for.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::PrometheusBuilder;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};

use crate::app::Channels;

impl Channels {
    /// The page `/metrics` for Prometheus, to be combined with other filters: the figures of this application, read when the
    /// page is asked for ([`Self::record_metrics`]).
    ///
    /// If the process has no `metrics` recorder yet, the page's own becomes it, so that what you count with
    /// `metrics::counter!` is on the page, too. (Of a histogram, every value is kept until the page is asked for.)
    ///
    /// It says how much your application is used: show it to your Prometheus, not to the world. A second server on an
    /// address of its own does that, as does a line in the proxy.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// let channels = Channels::builder().build()?;
    /// let routes = channels.metrics().or(channels.health());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn metrics(&self) -> BoxedFilter<(Response,)> {
        crate::support::metrics::enable();
        let channels = self.clone();
        let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
        let page = recorder.handle();
        // Where there is another one, the application's own figures are in its care.
        _ = metrics::set_global_recorder(Arc::clone(&recorder));
        warp::path!("metrics")
            .and(warp::get())
            .map(move || {
                metrics::with_local_recorder(&*recorder, || channels.record_metrics());
                let text = page.render();
                warp::reply::with_header(text, CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8").into_response()
            })
            .boxed()
    }
}
