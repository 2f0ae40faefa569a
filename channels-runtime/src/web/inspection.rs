//! The inspection of the application as a page for its operator: `/inspect.json`.

use http::Method;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};

use crate::app::Channels;
use crate::web::allowed_methods::{is_read, method_not_allowed};

impl Channels {
    /// Returns a route with the page `/inspect.json`: the result of [`Self::inspect`] as JSON.
    ///
    /// Group names often reveal who talks to whom, so serve the page to the operator only: on a second server with its own address,
    /// or with a rule in the proxy.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    /// use warp::Filter;
    ///
    /// let channels = Channels::builder().build()?;
    /// let routes = channels.inspection().or(channels.health());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn inspection(&self) -> BoxedFilter<(Response,)> {
        let channels = self.clone();
        warp::path!("inspect.json")
            .and(warp::method())
            .map(move |method: Method| {
                if !is_read(&method) {
                    return method_not_allowed();
                }
                let page = warp::reply::with_header(warp::reply::json(&channels.inspect()), CACHE_CONTROL, "no-store");
                warp::reply::with_header(page, X_CONTENT_TYPE_OPTIONS, "nosniff").into_response()
            })
            .boxed()
    }
}
