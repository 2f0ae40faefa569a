//! The pages of the examples, with the headers that protect them.

use uuid::Uuid;
use warp::http::Response;
use warp::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// Returns a page. The browser runs only its own scripts and styles, connects only to this server, and lets no other site show
/// the page in a frame.
pub(crate) fn page(html: &str) -> Response<String> {
    // A script that a user manages to write into the page does not know this number, so the browser does not run it.
    let nonce = Uuid::new_v4().simple();
    let html = html.replace("<script", &format!("<script nonce=\"{nonce}\""));
    let html = html.replace("<style", &format!("<style nonce=\"{nonce}\""));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let response = Response::builder()
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        // The browser must not guess another type from the content.
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(CONTENT_SECURITY_POLICY, policy)
        .header(CACHE_CONTROL, "no-store");
    response.body(html).expect("the headers are legal")
}
