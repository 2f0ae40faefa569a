//! Errors that a page's handler returns.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use channels_runtime::error::{LayerError, NameError};
use channels_runtime::prelude::*;
use tokio_util::task::AbortOnDropHandle;
use warp::Filter;

use crate::support::app::{Front, Server};
use crate::support::client::send_request;
use crate::support::records::Records;

#[event("note")]
struct Note {}

#[group("notes_{of}", events(Note))]
struct Notes {
    of: String,
}

async fn send(layer: &ChannelLayer, of: &str) -> Result<&'static str, LayerError> {
    if of == "full" {
        return Err(LayerError::ChannelFull { channel: "secret".into(), capacity: 100 });
    }
    layer.group_send(&Notes { of: of.to_owned() }, &Note {}).await?;
    Ok("sent")
}

fn name(of: &str) -> Result<&'static str, NameError> {
    Notes { of: of.to_owned() }.name().map(|_| "a name")
}

async fn any(of: &str) -> Result<&'static str> {
    match of {
        "down" => {
            let source = std::io::Error::other("secret").into();
            Err(LayerError::Unavailable { server: Some("secret:6379".into()), action: "a read", source })?
        }
        "broken" => Err(Error::msg("secret")),
        of => Ok(name(of)?),
    }
}

async fn start(front: Front, channels: &Channels) -> Server {
    let layer = channels.channel_layer();
    match front {
        Front::Ours => {
            let sends = warp::path!("send" / String).then(move |of: String| {
                let layer = layer.clone();
                async move { send(&layer, &of).await }
            });
            let names = warp::path!("name" / String).map(|of: String| name(&of));
            let any = warp::path!("any" / String).then(async |of: String| any(&of).await);
            Server::start(channels, sends.or(names).or(any)).await
        }
        Front::Axum => {
            let sends = async |State(layer): State<ChannelLayer>, Path(of): Path<String>| send(&layer, &of).await;
            let app = Router::new()
                .route("/send/{of}", get(sends))
                .route("/name/{of}", get(async |Path(of): Path<String>| name(&of)))
                .route("/any/{of}", get(async |Path(of): Path<String>| any(&of).await))
                .with_state(layer);
            Server::start_axum(channels, app).await
        }
    }
}

async fn errors_of_pages_have_a_status_and_no_details(front: Front) {
    let (log, _guard) = Records::listen();
    let channels = Channels::builder().build().unwrap();
    let server = start(front, &channels).await;
    for (path, status, body) in [
        ("/send/ann", 200, "sent"),
        ("/send/not%20one", 404, "a name in this request is not valid"),
        ("/send/full", 503, "Service Unavailable"),
        ("/name/ann", 200, "a name"),
        ("/name/!", 404, "a name in this request is not valid"),
        ("/any/ann", 200, "a name"),
        ("/any/!", 404, "a name in this request is not valid"),
        ("/any/down", 503, "Service Unavailable"),
        ("/any/broken", 500, "Internal Server Error"),
    ] {
        let request = format!("GET {path} HTTP/1.1\nHost: ours\nConnection: close\n\n");
        let response = send_request(server.address, &request).await;
        assert_eq!((response.status, response.body().await.as_str()), (status, body), "{path}");
    }
    let failed = log.take("a request failed");
    let told: Vec<_> = failed.iter().map(|record| record.field("status")).collect();
    assert_eq!(told, ["503", "503", "500"]);
    assert!(failed.iter().all(|record| record.field("error").contains("secret")), "{failed:?}");
    drop(AbortOnDropHandle::new(server.task));
}

// On one thread, whose log they read.
#[tokio::test]
async fn errors_of_warp_pages_have_a_status_and_no_details() {
    errors_of_pages_have_a_status_and_no_details(Front::Ours).await;
}

#[tokio::test]
async fn errors_of_axum_pages_have_a_status_and_no_details() {
    errors_of_pages_have_a_status_and_no_details(Front::Axum).await;
}
