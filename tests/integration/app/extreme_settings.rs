//! The lowest and the highest value of every setting: each serves clients, or `build` names it.

use std::time::Duration;

use channels_runtime::ChannelsBuilder;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;

use crate::admission::echo_server::{say, serve_echo};
use crate::support::app::Server;
use crate::support::until::until;

type Set<T> = fn(ChannelsBuilder, T) -> ChannelsBuilder;

const TIMES: [(&str, Set<Duration>); 10] = [
    ("heartbeat", |builder, time| builder.heartbeat(time, time)),
    ("heartbeat", |builder, time| builder.heartbeat(Duration::from_secs(1), time)),
    ("heartbeat", |builder, time| builder.heartbeat(time / 2, time)),
    ("idle_limit", |builder, time| builder.idle_limit(time)),
    ("connect_deadline", |builder, time| builder.connect_deadline(time)),
    ("header_deadline", |builder, time| builder.header_deadline(time)),
    ("drain_window", |builder, time| builder.drain_window(time)),
    ("drain_window", |builder, time| builder.drain_window(time).shutdown_deadline(time)),
    ("LayerConfig::expiry", |builder, time| in_memory(builder, LayerConfig::default().expiry(time))),
    ("LayerConfig::group_expiry", |builder, time| in_memory(builder, LayerConfig::default().group_expiry(time))),
];

const SIZES: [(&str, Set<usize>); 11] = [
    ("max_message_size", |builder, size| builder.max_message_size(size)),
    ("unfinished_limit", |builder, size| builder.unfinished_limit(size)),
    ("outbound_limit", |builder, size| builder.outbound_limit(size)),
    ("inbound_limit", |builder, size| builder.inbound_limit(u32::try_from(size).unwrap_or(u32::MAX), size)),
    ("compression", |builder, size| builder.compression(size)),
    ("max_connections", |builder, size| builder.max_connections(size)),
    ("max_connections_per_address", |builder, size| builder.max_connections_per_address(size)),
    ("max_handshakes_per_second", |builder, size| {
        builder.max_handshakes_per_second(u32::try_from(size).unwrap_or(u32::MAX))
    }),
    ("max_waiting_sockets", |builder, size| builder.max_waiting_sockets(size)),
    ("LayerConfig::capacity", |builder, size| in_memory(builder, LayerConfig::default().capacity(size))),
    ("LayerConfig::channel_capacity", |builder, size| {
        in_memory(builder, LayerConfig::default().channel_capacity("*", size))
    }),
];

fn in_memory(builder: ChannelsBuilder, config: LayerConfig) -> ChannelsBuilder {
    builder.layer(ChannelLayer::in_memory_with(config))
}

/// Serves a client with this setting, or asserts that the error of `build` names it. Returns whether it served.
async fn serves<T: Copy>(name: &str, set: Set<T>, value: T) -> bool {
    if let Err(error) = set(Channels::builder(), value).build() {
        let named: Vec<_> = error.settings().iter().map(|setting| setting.name()).collect();
        assert_eq!(named, [name], "{error}");
        return false;
    }
    let server = serve_echo(set(Channels::builder(), value)).await;
    let mut client = server.enter().await;
    assert_eq!(client.status, 101, "{name}");
    assert_eq!(say(&mut client.socket, "hi").await, "hi 127.0.0.1", "{name}");
    server.channels.inspect();
    drop(client);
    // A server with a deadline of 0 s cuts off what still runs when it stops.
    until("the connection ends", || server.channels.stats().admitted == 0).await;
    server.stop().await;
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn highest_and_lowest_times_serve_or_are_named() {
    for (name, set) in TIMES {
        // An interval of the heartbeat as long as its deadline, and a drain window longer than the shutdown.
        let longest = serves(name, set, Duration::MAX).await;
        assert!(longest || ["heartbeat", "drain_window"].contains(&name), "{name}");
        serves(name, set, Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn highest_and_lowest_sizes_serve_or_are_named() {
    for (name, set) in SIZES {
        assert!(serves(name, set, usize::MAX).await, "{name}");
        assert!(!serves(name, set, 0).await, "{name}");
    }
}

struct Busy;

#[consumer]
impl Busy {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Err(Reject::new(503).retry_after(Duration::MAX))
    }
}

#[tokio::test]
async fn longest_delay_of_rejected_client_is_a_header() {
    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.route::<Busy>(warp::path!("ws"))).await;
    let rejected = server.enter().await;
    assert_eq!(rejected.status, 503);
    let seconds: u64 = rejected.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 365 * 86_400, "{seconds}");
    drop(rejected);
    server.stop().await;
}
