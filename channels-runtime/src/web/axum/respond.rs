//! The response to a request for a consumer.

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use std::sync::Once;

use http::header::{ALLOW, UPGRADE};
use http::{Method, StatusCode, Version};

use crate::app::Channels;
use crate::consumer::Consumer;
use crate::error::shown;
use crate::support::count;
use crate::web::axum::arguments::Arguments;
use crate::web::axum::consumer_route::Serves;
use crate::web::handshake::Handshake;
use crate::web::request_head::lists;
use crate::web::sse;

/// Runs `connect`, and responds with the beginning of a connection or with a rejection.
pub(super) async fn respond<C, S, Kinds>(channels: &Channels, serves: Serves, state: &S, request: Request) -> Response
where
    C: Consumer<Captures: Arguments<S, Kinds>>,
{
    let (mut parts, _) = request.into_parts();
    let websocket = serves.websocket && lists(&parts.headers, &UPGRADE, "websocket");
    let events = serves.events && sse::is_wanted(&parts.headers);
    if websocket && parts.method != Method::GET {
        // axum calls a route for `GET` with `HEAD`, too (RFC 6455, section 4.1).
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]).into_response();
    }
    if !websocket && !events {
        return (StatusCode::BAD_REQUEST, serves.advice()).into_response();
    }
    let handshake = Handshake::take_from(&mut parts);
    let server = channels.server();
    if !websocket && parts.method == Method::HEAD {
        return sse::respond_to_head(&handshake, server, C::INFO.name).map(Body::new);
    }
    if websocket && handshake.upgrade.is_none() && parts.version == Version::HTTP_11 {
        count(&server.admission().counters.malformed);
        return upgrade_is_missing(C::INFO.name, handshake.uri.path());
    }
    let path = parts.uri.clone();
    let captures = async {
        // As with warp: there is nothing under a path that is not UTF-8.
        let Ok(captures) = RawPathParams::from_request_parts(&mut parts, &()).await else {
            return Err(StatusCode::NOT_FOUND.into_response());
        };
        // A router that is nested in a path with captures passes those on before its own.
        let outer = captures.iter().count().saturating_sub(C::Captures::CAPTURES);
        let captures = captures.iter().skip(outer).map(|(_, value)| value.to_owned()).collect();
        let arguments = C::Captures::extract(&mut parts, state, captures).await;
        arguments.map_err(|missing| missing.into_response(server, C::INFO.name, path.path()))
    };
    let response = if websocket {
        handshake.respond::<C, Response>(server, captures).await
    } else {
        sse::respond::<C, Response>(&handshake, server, captures).await
    };
    response.map_or_else(|refused| refused, |response| response.map(Body::new))
}

/// Responds to a handshake without the extension that hyper needs for the upgrade. This is the application's mistake, so it is logged
/// once per process.
fn upgrade_is_missing(consumer: &str, path: &str) -> Response {
    static LOGGED: Once = Once::new();

    LOGGED.call_once(|| {
        let path = shown(path);
        // The server does not support upgrades, or a layer in front of the route replaced the request without its extensions.
        tracing::error!(
            consumer,
            path,
            "a handshake cannot be upgraded: a layer in front of its route dropped the request's extensions"
        );
    });
    (StatusCode::INTERNAL_SERVER_ERROR, "this server cannot upgrade the connection").into_response()
}
