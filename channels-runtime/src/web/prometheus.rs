//! The metrics page for Prometheus.

use std::sync::Arc;

use http::Method;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use metrics_exporter_prometheus::PrometheusBuilder;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};

use crate::app::Channels;
use crate::web::allowed_methods::{is_read, method_not_allowed};

impl Channels {
    /// Returns a route with the page `/metrics` for Prometheus: the metrics of this application, read at each request
    /// ([`Self::record_metrics`]).
    ///
    /// If the process has no `metrics` recorder yet, this page installs its own, so that it also shows your own
    /// `metrics::counter!`. (It keeps every value of a histogram until the next request.)
    ///
    /// The page reveals how much your application is used, so serve it to your Prometheus only: on a second server with its own
    /// address, or with a rule in the proxy.
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
        // If the program has installed another recorder, the program's own metrics stay there.
        _ = metrics::set_global_recorder(Arc::clone(&recorder));
        warp::path!("metrics")
            .and(warp::method())
            .map(move |method: Method| {
                if !is_read(&method) {
                    return method_not_allowed();
                }
                metrics::with_local_recorder(&*recorder, || channels.record_metrics());
                let text = page.render();
                let page = warp::reply::with_header(text, CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
                warp::reply::with_header(page, X_CONTENT_TYPE_OPTIONS, "nosniff").into_response()
            })
            .boxed()
    }
}
