//! The header `Allow` of a response with 405: the methods of the routes that have the path of the request.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// The value of `Allow` for a route that can be read.
const GET_OR_HEAD: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// An extension of a request. Each route whose path it has adds its methods, so that a response with 405 can list them.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowedMethods(Arc<AtomicU8>);

const GET: u8 = 1;
const GET_AND_HEAD: u8 = 3;

impl AllowedMethods {
    /// Adds the header `Allow` to a response with 405, unless the route has added it, or none is known.
    pub(super) fn complete<B>(&self, response: &mut http::Response<B>) {
        if response.status() != StatusCode::METHOD_NOT_ALLOWED || response.headers().contains_key(ALLOW) {
            return;
        }
        let methods = match self.0.load(Relaxed) {
            0 => return,
            GET => HeaderValue::from_static("GET"),
            _ => GET_OR_HEAD,
        };
        response.headers_mut().insert(ALLOW, methods);
    }
}

/// Returns whether a method reads a page. The server removes the body of a response to `HEAD`.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Returns the response of a page to a method that does not read it.
pub(super) fn method_not_allowed() -> Response {
    let page = warp::reply::with_status("only `GET` and `HEAD` are allowed here", StatusCode::METHOD_NOT_ALLOWED);
    warp::reply::with_header(page, ALLOW, GET_OR_HEAD).into_response()
}

/// Passes `GET` on.
pub(super) fn get() -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static {
    allow(GET).and(warp::get())
}

/// Passes `GET` and `HEAD` on.
pub(super) fn get_or_head() -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static {
    allow(GET_AND_HEAD).and(warp::get().or(warp::head()).unify())
}

fn allow(methods: u8) -> impl Filter<Extract = (), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::ext::optional::<AllowedMethods>()
        .map(move |allowed: Option<AllowedMethods>| {
            if let Some(AllowedMethods(allowed)) = allowed {
                allowed.fetch_or(methods, Relaxed);
            }
        })
        .untuple_one()
}
