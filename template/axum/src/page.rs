//! The page of the chat.

use axum::response::Html;

/// Returns a page with one room.
pub async fn index() -> Html<&'static str> {
    Html(include_str!("page.html"))
}
