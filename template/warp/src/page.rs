//! The page of the chat.

use warp::filters::BoxedFilter;
use warp::{Filter, Reply};

/// Returns the route of a page with one room.
pub fn index() -> BoxedFilter<(impl Reply,)> {
    warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(include_str!("page.html")))
        .boxed()
}
