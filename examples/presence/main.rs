//! Shows the users who are present: `cargo run --example presence`, then open http://127.0.0.1:8000/ in two windows. Two
//! processes on one Redis show the same users: start each with `-- --layer core --addr 127.0.0.1:8000` (and `:8001`).
//!
//! There is no central list. Each connection announces itself to its group, and the other connections reply. It repeats the
//! announcement at intervals. A connection that misses three announcements in a row is removed. So a killed process leaves no
//! stale users, on any layer.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/page.rs"]
mod page;

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use clap::Parser;
use serde::Serialize;
use warp::Filter;

/// Shows the users who are present.
#[derive(Parser)]
struct Flags {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,

    /// The channel layer: memory, pubsub or core.
    #[arg(long, default_value = "memory")]
    layer: String,

    /// The address of Redis.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: String,

    /// The interval between the announcements of a connection, in seconds.
    #[arg(long, default_value_t = 20.0)]
    every: f64,
}

/// The largest number of characters in a user's name.
const MAX_USER: usize = 40;

static PERIOD: OnceLock<Duration> = OnceLock::new();

fn period() -> Duration {
    *PERIOD.get().expect("set before the first connection")
}

/// Announces a connection of this user.
#[event("presence.here")]
struct Here {
    channel: ChannelName<PresenceConsumer>,
    user: String,
    /// Whether the other connections reply with their own announcement.
    asks: bool,
}

#[event("presence.gone")]
struct Gone {
    channel: ChannelName<PresenceConsumer>,
}

/// Sent by a consumer's timer to itself.
#[event("presence.beat")]
struct Beat {}

#[group("presence-{room}", events(Here, Gone))]
struct Room {
    room: String,
}

/// A message to the page: a user came with the first connection, or went with the last.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum News<'a> {
    Came(&'a str),
    Went(&'a str),
}

struct PresenceConsumer {
    room: Room,
    user: String,
    /// Every other connection, with its user and the time of its last announcement.
    others: HashMap<ChannelName<Self>, (String, Instant)>,
}

#[consumer]
impl PresenceConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String, user: String) -> Result<Self, Reject> {
        // Each user's name is sent to all others.
        if user.chars().count() > MAX_USER {
            return Err(Reject::new(400).reason(format!("a name has at most {MAX_USER} characters")));
        }
        let me = Self { room: Room { room }, user, others: HashMap::new() };
        // Joins first, so that no announcement of another connection is missed.
        cx.group_add(&me.room).await?;
        cx.every(period(), &Beat {})?;
        cx.group_send_others(&me.room, &me.here(cx, true)).await?;
        Ok(me)
    }

    #[handler("presence.here")]
    async fn presence_here(&mut self, cx: &mut Context<Self>, event: &Here) -> Result<()> {
        if event.asks {
            // If the mailbox is full, the next beat announces this connection.
            _ = cx.send_event(&event.channel, &self.here(cx, false)).await;
        }
        let is_known = self.knows(&event.user);
        self.others.insert(event.channel.clone(), (event.user.clone(), Instant::now()));
        if is_known { Ok(()) } else { cx.send_json(&News::Came(&event.user)).await }
    }

    #[handler("presence.gone")]
    async fn presence_gone(&mut self, cx: &mut Context<Self>, event: &Gone) -> Result<()> {
        self.forget(cx, |channel, _| *channel == event.channel).await
    }

    #[handler("presence.beat")]
    async fn presence_beat(&mut self, cx: &mut Context<Self>, _event: &Beat) -> Result<()> {
        // While Redis is unreachable the send fails, and the connection stays open.
        _ = cx.group_send_others(&self.room, &self.here(cx, false)).await;
        self.forget(cx, |_, heard| heard.elapsed() > 3 * period()).await
    }

    /// Announcements sent while Redis was unreachable were missed, so this method requests them again.
    #[layer_restored]
    async fn layer_restored(&mut self, cx: &mut Context<Self>) -> Result<()> {
        _ = cx.group_send_others(&self.room, &self.here(cx, true)).await;
        Ok(())
    }

    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        cx.group_send_others(&self.room, &Gone { channel: cx.channel_name() }).await
    }
}

impl PresenceConsumer {
    fn here(&self, cx: &Context<Self>, asks: bool) -> Here {
        Here { channel: cx.channel_name(), user: self.user.clone(), asks }
    }

    fn knows(&self, user: &str) -> bool {
        user == self.user || self.others.values().any(|(other, _)| other == user)
    }

    /// Removes these connections, and notifies the client of each user who has no other connection.
    async fn forget(
        &mut self,
        cx: &mut Context<Self>,
        is_gone: impl Fn(&ChannelName<Self>, &Instant) -> bool,
    ) -> Result<()> {
        let gone: Vec<_> = self.others.extract_if(|channel, (_, heard)| is_gone(channel, heard)).collect();
        for (_, (user, _)) in gone {
            if !self.knows(&user) {
                cx.send_json(&News::Went(&user)).await?;
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    log::init();
    let flags = Flags::parse();
    PERIOD.get_or_init(|| Duration::from_secs_f64(flags.every));
    let layer = match flags.layer.as_str() {
        "memory" => ChannelLayer::in_memory(),
        "pubsub" => ChannelLayer::redis_pubsub(&[flags.redis]).await?,
        "core" => ChannelLayer::redis_core(&[flags.redis]).await?,
        other => return Err(Error::msg(format!("unknown layer `{other}`: use memory, pubsub or core"))),
    };
    let channels = Channels::builder().layer(layer).build()?;
    let routes = warp::path::end()
        .and(warp::get())
        .map(|| page::page(include_str!("index.html")))
        .or(channels.route::<PresenceConsumer>(warp::path!("ws" / "presence" / String / String)));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    Ok(server.serve(routes).await?)
}
