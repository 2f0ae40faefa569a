//! The check of requests that change something: a page of another site must not send them in its visitors' name.

use std::convert::Infallible;

use warp::Filter;
use warp::http::HeaderMap;
use warp::http::header::{HOST, ORIGIN};

/// Extracts whether a page of this site has sent the request, or a program that is not a browser. In each POST request, a browser
/// names the origin of the page: `Origin: https://example.org` fits `Host: example.org`. A proxy must pass the host on.
pub(crate) fn is_own_page() -> impl Filter<Extract = (bool,), Error = Infallible> + Copy {
    warp::header::headers_cloned().map(|headers: HeaderMap| {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none"),
            (Some(origin), None) => {
                let host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
                host.is_some_and(|(_, host)| !host.is_empty() && headers.get(HOST).is_some_and(|own| own == host))
            }
            (Some(_), Some(_)) => false,
        }
    })
}
