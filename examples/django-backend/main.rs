//! A Django site without Channels and without Redis, and its WebSockets in this process. Django publishes over HTTP, identifies
//! clients, signs tickets for rooms, saves what clients send, and blocks users.
//!
//! `examples/django-backend/run` starts both. `docs/backends.md` explains each part.

use std::net::SocketAddr;
use std::sync::Arc;

use channels_runtime::auth::{ForwardAuth, TicketKeys};
use channels_runtime::backend::{Backend, BackendError};
use channels_runtime::prelude::*;
use channels_runtime::web::Publish;
use clap::Parser;
use serde::{Deserialize, Serialize};
use warp::Filter;

#[path = "../support/log.rs"]
mod log;

/// The WebSockets of the Django site.
#[derive(Parser)]
struct Flags {
    /// The address for browsers; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8001")]
    addr: SocketAddr,
    /// The address for Django, which browsers do not reach.
    #[arg(long, default_value = "127.0.0.1:8002")]
    publish_addr: SocketAddr,
    /// The Django site, whose pages may connect.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    site: String,
}

/// A new post.
#[event("board.posted")]
struct BoardPosted {
    id: u64,
    author: String,
    text: String,
}

/// The board of the site, for every user.
#[group("board", events(BoardPosted))]
struct Board;

/// A room for its members.
#[group("board-room-{id}", events(BoardPosted))]
struct Room {
    id: u64,
}

/// A user, as `/whoami/` describes it.
#[derive(Deserialize)]
struct User {
    id: u64,
}

/// The post as a page receives it.
#[derive(Serialize)]
struct Line {
    id: u64,
    author: String,
    text: String,
}

impl From<&BoardPosted> for Line {
    fn from(BoardPosted { id, author, text }: &BoardPosted) -> Self {
        Self { id: *id, author: author.clone(), text: text.clone() }
    }
}

/// `{"type": "post", "text": ".."}` of a page.
#[derive(Deserialize)]
struct Text {
    text: String,
}

/// The body of the request to `/save/`.
#[derive(Serialize)]
struct Save<'a> {
    user: u64,
    text: &'a str,
}

#[derive(Deserialize, Serialize)]
struct Saved {
    id: u64,
}

/// The reason why a post was not saved, as the page receives it.
#[derive(Serialize)]
struct NotSaved {
    message: &'static str,
}

struct BoardConsumer {
    user: Arc<User>,
}

#[consumer(groups(Board))]
impl BoardConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let user = cx.user().ok_or(Reject::unauthorized())?;
        cx.group_add(&Board).await?;
        Ok(Self { user })
    }

    /// Django saves the post, and publishes it like any other.
    #[receive("post")]
    async fn post(&mut self, cx: &mut Context<Self>, post: Text) -> Result<Result<Saved, NotSaved>> {
        match cx.backend()?.post("/save/", &Save { user: self.user.id, text: &post.text }).await {
            Ok(response) => Ok(Ok(response.json()?)),
            Err(BackendError::Refused { .. }) => Ok(Err(NotSaved { message: "the site refused the post" })),
            Err(error) => {
                tracing::warn!(%error, "a post was not saved");
                Ok(Err(NotSaved { message: "the site cannot be reached; try again" }))
            }
        }
    }

    #[handler("board.posted")]
    fn board_posted(event: &BoardPosted) -> Json<Line> {
        Json(event.into())
    }
}

/// `?ticket=..` of the handshake.
#[derive(Deserialize)]
struct RoomQuery {
    ticket: String,
}

struct RoomConsumer;

#[consumer(groups(Room))]
impl RoomConsumer {
    /// Joins the room of the ticket, which is for this user only.
    #[connect]
    async fn connect(cx: &mut Context<Self>, query: RoomQuery) -> Result<Self, Reject> {
        let user = cx.user::<User>().ok_or(Reject::unauthorized())?;
        cx.group_add_ticket::<Room>(&query.ticket, user.id).await?;
        Ok(Self)
    }

    #[handler("board.posted")]
    fn board_posted(event: &BoardPosted) -> Json<Line> {
        Json(event.into())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let Flags { addr, publish_addr, site } = Flags::parse();
    // Both processes have it: at least 32 random bytes.
    let secret = std::env::var("RUST_SECRET").map_err(|_| Error::msg("set `RUST_SECRET`, as `run` does"))?;
    let login = ForwardAuth::<User>::new(format!("{site}/whoami/"))?.cookies(["sessionid"]);
    let channels = Channels::builder()
        .forward_auth(login)
        .backend(Backend::new(&site)?.secret(&secret))
        .tickets(TicketKeys::new(&secret)?)
        .allowed_origins([site])
        .build()?;
    let publish = Publish::builder().secret(secret).users().group::<Board>().group::<Room>().build()?;
    let room = warp::path!("ws" / "room").and(warp::query());
    let routes = channels.route::<BoardConsumer>(warp::path!("ws" / "board")).or(channels.route::<RoomConsumer>(room));

    let (server, publisher) = (channels.bind(addr).await?, channels.bind(publish_addr).await?);
    println!("listening on http://{}/", server.local_addr());
    println!("publish to http://{}/publish", publisher.local_addr());
    tokio::spawn(publisher.serve(channels.publish(publish)));
    server.serve(routes).await?;
    Ok(())
}
