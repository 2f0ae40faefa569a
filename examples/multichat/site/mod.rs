//! The site: pages, login, and the socket.

pub(crate) mod accounts;
pub(crate) mod consumer;
#[path = "../../support/file.rs"]
mod file;
#[path = "../../support/origin.rs"]
mod origin;
#[path = "../../support/page.rs"]
mod page;
pub(crate) mod rooms;

use std::sync::Arc;

use channels_runtime::auth::Login;
use channels_runtime::prelude::*;
use serde::Deserialize;
use warp::filters::BoxedFilter;
use warp::http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use warp::http::{Response, StatusCode};
use warp::{Filter, Reply};

use accounts::{Accounts, User};
use consumer::{ChatConsumer, LOGIN_REQUIRED};
use file::file;
use page::page;

/// The cookie with the session.
const COOKIE: &str = "sessionid";

/// The maximum size of a login form, in bytes.
const MAX_FORM: u64 = 4096;

#[derive(Deserialize)]
struct LoginForm {
    username: String,
    password: String,
}

/// Builds the application and all its routes.
pub(crate) fn build(
    layer: ChannelLayer,
    accounts: Arc<Accounts>,
) -> Result<(Channels, BoxedFilter<(impl Reply + use<>,)>)> {
    let known = Arc::clone(&accounts);
    let channels = Channels::builder()
        .layer(layer)
        .authenticator(move |scope: Scope| {
            let user = scope.cookie(COOKIE).and_then(|session| known.user_of(session));
            // The key closes all sockets of the user at the logout, in all processes.
            async move { Ok(user.map_or(Login::anonymous(), |user| Login::new(user).key(user.name))) }
        })
        .build()?;
    let layer = channels.channel_layer();
    let accounts = warp::any().map(move || Arc::clone(&accounts));
    let stream = channels.route::<ChatConsumer>(warp::path!("chat" / "stream"));

    // The cookie as the authenticator reads it: otherwise a page and a socket could belong to two users.
    let session = channels.scope().map(|scope: Scope| scope.cookie(COOKIE).map(str::to_owned));
    let index = warp::path::end()
        .and(warp::get())
        .and(session.clone())
        .and(accounts.clone())
        .map(|session: Option<String>, accounts: Arc<Accounts>| index(session.as_deref(), &accounts));
    let form = warp::path!("accounts" / "login").and(warp::get()).map(|| login_page(""));
    let log_in = warp::path!("accounts" / "login")
        .and(warp::post())
        .and(origin::is_own_page())
        .and(warp::body::content_length_limit(MAX_FORM))
        .and(warp::body::form())
        .and(accounts.clone())
        .map(|is_own_page, login: LoginForm, accounts: Arc<Accounts>| {
            // Otherwise another site could log its visitors in as a user of its own.
            if is_own_page { log_in(&login, &accounts) } else { text(StatusCode::FORBIDDEN, "wrong origin") }
        });
    let log_out = warp::path!("accounts" / "logout")
        .and(warp::post())
        .and(origin::is_own_page())
        .and(session)
        .and(accounts)
        .and(warp::any().map(move || layer.clone()))
        .then(log_out);
    let style = warp::path!("static" / "style.css").map(|| file("text/css", include_str!("style.css")));
    let script = warp::path!("static" / "chat.js").map(|| file("text/javascript", include_str!("chat.js")));
    let client = warp::path!("static" / "channels.js").map(|| file("text/javascript", include_str!("channels.js")));
    let files = style.or(script).unify().or(client).unify();
    let pages = index.or(form).unify().or(log_in).unify().or(log_out).unify().or(files).unify();
    Ok((channels, stream.or(pages).boxed()))
}

fn index(session: Option<&str>, accounts: &Accounts) -> Response<String> {
    let Some(User { name, .. }) = session.and_then(|session| accounts.user_of(session)) else {
        return redirect("/accounts/login/?next=/", None);
    };
    let rooms: String = rooms::ROOMS
        .iter()
        .map(|room| {
            format!(r#"<li class="room-link" data-room-id="{}"><button>{}</button></li>"#, room.id, escape(room.title))
        })
        .collect();
    page(&include_str!("index.html").replace("{{username}}", &escape(name)).replace("{{rooms}}", &rooms))
}

fn log_in(login: &LoginForm, accounts: &Accounts) -> Response<String> {
    match accounts.log_in(&login.username, &login.password) {
        Some(session) => redirect("/", Some(&session)),
        None => login_page("That name and password do not go together."),
    }
}

async fn log_out(
    is_own_page: bool,
    session: Option<String>,
    accounts: Arc<Accounts>,
    layer: ChannelLayer,
) -> Response<String> {
    if !is_own_page {
        return text(StatusCode::FORBIDDEN, "wrong origin");
    }
    let user = session.and_then(|session| accounts.log_out(&session));
    if let Some(User { name, .. }) = user
        && let Err(error) = layer.user(name).close_with(LOGIN_REQUIRED, "logged out").await
    {
        // The session has ended, but its open sockets have not.
        tracing::error!(%error, name, "cannot close the sockets of a user who has logged out");
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "You are logged out, but your open windows still receive messages.",
        );
    }
    redirect("/accounts/login/", Some(""))
}

fn login_page(problem: &str) -> Response<String> {
    page(&include_str!("login.html").replace("{{problem}}", &escape(problem)))
}

fn text(status: StatusCode, text: &str) -> Response<String> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, "text/plain; charset=utf-8");
    response.header(X_CONTENT_TYPE_OPTIONS, "nosniff").body(text.into()).expect("the headers are legal")
}

/// Redirects the browser. A session sets the cookie, and an empty session deletes it.
fn redirect(to: &str, session: Option<&str>) -> Response<String> {
    let mut response = Response::builder().status(StatusCode::SEE_OTHER).header(LOCATION, to);
    if let Some(session) = session {
        let age = if session.is_empty() { "; Max-Age=0" } else { "" };
        // With `Lax`, a page of another site cannot open this site's socket with the user's cookie.
        response = response.header(SET_COOKIE, format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax{age}"));
    }
    response.body(String::new()).expect("the headers are legal")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
