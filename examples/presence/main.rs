//! Who is here: `cargo run --example presence`, then open http://127.0.0.1:8000/ in two windows. Two processes on one Redis show
//! the same people: start each with `-- --layer core --addr 127.0.0.1:8000` (and `:8001`).
//!
//! Nobody keeps a list. Each connection says that it is here, and is answered by those who are; it says so again from time to
//! time, and who is not heard for three times in a row is gone. So a process that was killed leaves no ghosts, on any layer.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use clap::Parser;
use serde::Serialize;
use warp::Filter;

/// Who is here.
#[derive(Parser)]
struct Flags {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8000")]
    addr: SocketAddr,

    /// memory, pubsub or core.
    #[arg(long, default_value = "memory")]
    layer: String,

    /// The address of Redis.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis: String,

    /// How often each connection says that it is here, in seconds.
    #[arg(long, default_value_t = 20.0)]
    every: f64,
}

static PERIOD: OnceLock<Duration> = OnceLock::new();

fn period() -> Duration {
    *PERIOD.get().expect("set before the first connection")
}

/// A connection of this user is here.
#[event("presence.here")]
struct Here {
    channel: ChannelName<PresenceConsumer>,
    user: String,
    /// It does not know yet who else is, so everyone tells it.
    asks: bool,
}

#[event("presence.gone")]
struct Gone {
    channel: ChannelName<PresenceConsumer>,
}

/// From a consumer's timer to itself.
#[event("presence.beat")]
struct Beat {}

#[group("presence-{room}", events(Here, Gone))]
struct Room {
    room: String,
}

/// What the page is sent: of each user only the first connection comes and the last one goes.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum News<'a> {
    Came(&'a str),
    Went(&'a str),
}

struct PresenceConsumer {
    room: Room,
    user: String,
    /// Every other connection: whose it is, and when it was heard last.
    others: HashMap<ChannelName<Self>, (String, Instant)>,
}

#[consumer]
impl PresenceConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String, user: String) -> Result<Self, Reject> {
        let me = Self { room: Room { room }, user, others: HashMap::new() };
        // First of all, so that nobody can come in between without being heard.
        cx.group_add(&me.room).await?;
        cx.every(period(), &Beat {})?;
        cx.group_send_others(&me.room, &me.here(cx, true)).await?;
        Ok(me)
    }

    #[handler("presence.here")]
    async fn presence_here(&mut self, cx: &mut Context<Self>, event: &Here) -> Result<()> {
        if event.asks {
            // If there is no room for the answer, the next beat gives it.
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
        // While Redis is away nobody hears it, and the connection lives on.
        _ = cx.group_send_others(&self.room, &self.here(cx, false)).await;
        self.forget(cx, |_, heard| heard.elapsed() > 3 * period()).await
    }

    /// Whoever came while Redis was away was not heard.
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

    /// Takes these connections out, and tells the client of each user who has no other.
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
    let flags = Flags::parse();
    PERIOD.get_or_init(|| Duration::from_secs_f64(flags.every));
    let layer = match flags.layer.as_str() {
        "memory" => ChannelLayer::in_memory(),
        "pubsub" => ChannelLayer::redis_pubsub(&[flags.redis]).await?,
        "core" => ChannelLayer::redis_core(&[flags.redis]).await?,
        other => return Err(Error::msg(format!("`--layer {other}` is none of memory, pubsub and core"))),
    };
    let channels = Channels::builder().layer(layer).build();
    let routes = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(include_str!("index.html")))
        .or(channels.route::<PresenceConsumer>(warp::path!("ws" / "presence" / String / String)));

    let server = channels.bind(flags.addr).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}/", server.local_addr())?;
    out.flush()?;
    server.serve(routes).await;
    Ok(())
}
