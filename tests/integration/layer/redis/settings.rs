//! Settings of the Redis layers: serializer formats, encryption, addresses, passwords, Sentinel, TLS and the prefix.

use channels_runtime::error::LayerError;
use channels_runtime::layer::{Format, LayerConfig, RedisHost};
use channels_runtime::prelude::*;
use serde_json::json;

use crate::layer::redis::core::{Room, Tick, next_number, open};
use crate::support::redis::RedisServer;

#[tokio::test]
async fn every_format_works_on_both_layers_with_and_without_encryption() {
    let server = RedisServer::start();
    let hosts = [server.url()];
    let config = LayerConfig::default;
    for config in [
        config(),
        config().serializer_format(Format::Json),
        config().symmetric_encryption_keys(["the new key of messages", "the old key of messages"]),
        config()
            .serializer_format(Format::Json)
            .symmetric_encryption_keys(["the new key of messages", "the old key of messages"]),
        config().random_prefix_length(0),
    ] {
        for is_core in [true, false] {
            let open = async |config: &LayerConfig| match is_core {
                true => ChannelLayer::redis_core_with(&hosts, config.clone()).await.unwrap(),
                false => ChannelLayer::redis_pubsub_with(&hosts, config.clone()).await.unwrap(),
            };
            let (here, there) = (open(&config).await, open(&config).await);
            let channel = here.new_channel().await.unwrap();
            here.group_add(&Room, channel.name()).await.unwrap();
            there.group_send(&Room, &Tick { number: 1 }).await.unwrap();
            there.send_raw(channel.name().as_str(), json!({"type": "tick", "number": 2})).await.unwrap();
            assert_eq!((next_number(&channel).await, next_number(&channel).await), (1, 2));
        }
    }
    // With another key, the message is counted and nothing else fails.
    let here = open(&server, config().symmetric_encryption_keys(["one key of messages"])).await;
    let there = open(&server, config().symmetric_encryption_keys(["two keys of messages"])).await;
    let channel = here.new_channel().await.unwrap();
    there.send(channel.name(), &Tick { number: 1 }).await.unwrap();
    here.send(channel.name(), &Tick { number: 2 }).await.unwrap();
    assert_eq!(next_number(&channel).await, 2);
    assert_eq!(here.stats().undecodable, 1);
}

#[tokio::test]
async fn layer_opens_from_django_settings() {
    let server = RedisServer::start();
    let config = format!(
        r#"{{"default": {{"BACKEND": "channels_redis.core.RedisChannelLayer",
                          "CONFIG": {{"hosts": [["127.0.0.1", {port}]], "prefix": "site", "capacity": 2}}}},
             "events": {{"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                         "CONFIG": {{"hosts": [{{"address": "redis://127.0.0.1:{port}", "db": 3}}]}}}}}}"#,
        port = server.port()
    );
    let file = std::env::temp_dir().join(format!("channel-layers-{}.json", std::process::id()));
    std::fs::write(&file, config).unwrap();
    let layer = ChannelLayer::from_file(&file).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let worker = ChannelName::new("worker").unwrap();
    layer.send(&worker, &Tick { number: 1 }).await.unwrap();
    layer.send(&worker, &Tick { number: 2 }).await.unwrap();
    assert!(matches!(layer.send(&worker, &Tick { number: 3 }).await, Err(LayerError::ChannelFull { .. })));
    assert_eq!(server.ask("KEYS *").texts(), ["siteworker"]);
    assert!(format!("{:?}", channel_layer("events").unwrap()).contains("PubSub"));
}

/// Settings as ten projects have them: read from environment variables, with the options of redis-py.
#[tokio::test]
async fn settings_of_projects_work_unchanged() {
    let server = RedisServer::start_with(&["--unixsocket", "redis.sock"]);
    let sentinel = RedisServer::start_sentinel(&server);
    let locked = RedisServer::start_with(&["--requirepass", "s3cret"]);
    let (url, port, socket) = (server.url(), server.port().to_string(), server.folder().join("redis.sock"));
    let (core, pubsub) = ("channels_redis.core.RedisChannelLayer", "channels_redis.pubsub.RedisPubSubChannelLayer");
    let sentinels = json!([["127.0.0.1", sentinel.port().to_string()]]);
    for (backend, config) in [
        (core, json!({"hosts": [url]})),
        (core, json!({"hosts": [["127.0.0.1", port]], "capacity": "1500", "expiry": "10"})),
        (pubsub, json!({"hosts": [{"host": "127.0.0.1", "port": port, "db": "1", "username": "", "password": ""}]})),
        (
            core,
            json!({"hosts": [format!("unix://{}?db=2", socket.display())], "capacity": 10000, "group_expiry": 157_784_760}),
        ),
        (core, json!({"hosts": [{"address": format!("redis://127.0.0.1:{}/0", locked.port()), "password": "s3cret"}]})),
        (pubsub, json!({"hosts": [format!("redis://127.0.0.1:{}/0?password=s3cret&socket_timeout=5", locked.port())]})),
        (
            core,
            json!({"hosts": [{"address": url, "socket_timeout": "5", "socket_connect_timeout": 5, "socket_keepalive": true,
                              "socket_keepalive_options": {"1": 60}, "retry_on_timeout": true, "health_check_interval": "30",
                              "client_name": "web", "max_connections": "50", "protocol": 2, "decode_responses": false}]}),
        ),
        (
            pubsub,
            json!({"hosts": [{"sentinels": sentinels, "master_name": "mymaster", "db": "0",
                              "sentinel_kwargs": {"socket_timeout": 0.5, "password": null}}]}),
        ),
        (
            pubsub,
            json!({"hosts": [{"address": url}], "prefix": "my:site", "on_disconnect": null, "on_reconnect": null,
                   "symmetric_encryption_keys": ["a key of at least sixteen characters"]}),
        ),
        (
            core,
            json!({"hosts": [{"address": url, "db": 3}], "channel_capacity": {"http.request": "200", "websocket.send*": 50},
                   "random_prefix_length": "12", "group_expiry": "86400"}),
        ),
    ] {
        let layers = json!({"default": {"BACKEND": backend, "CONFIG": config}});
        let layer = ChannelLayer::from_json(&layers.to_string()).await;
        let layer = layer.unwrap_or_else(|error| panic!("{layers}: {error}: {:?}", std::error::Error::source(&error)));
        let channel = layer.new_channel().await.unwrap();
        layer.group_add(&Room, channel.name()).await.unwrap();
        layer.group_send(&Room, &Tick { number: 1 }).await.unwrap();
        layer.send(channel.name(), &Tick { number: 2 }).await.unwrap();
        assert_eq!((next_number(&channel).await, next_number(&channel).await), (1, 2), "{layers}");
    }
}

#[tokio::test]
async fn user_without_password_logs_in() {
    let server = RedisServer::start();
    server.ask("ACL SETUSER ann on nopass ~* &* +@all");
    server.ask("ACL SETUSER default off");
    let address = format!("redis://ann@127.0.0.1:{}/0", server.port());
    for host in [address.as_str().into(), RedisHost::from(server.url()).username("ann")] {
        let layer = ChannelLayer::redis_core(&[host]).await.unwrap();
        let channel = layer.new_channel().await.unwrap();
        layer.send(channel.name(), &Tick { number: 1 }).await.unwrap();
        assert_eq!(next_number(&channel).await, 1);
    }
}

#[tokio::test]
async fn address_with_password_database_or_unix_socket_connects() {
    let server = RedisServer::start_with(&["--requirepass", "s3cret", "--unixsocket", "redis.sock"]);
    let refused = ChannelLayer::redis_core(&[server.url()]).await.unwrap_err();
    assert!(matches!(refused, LayerError::Unavailable { .. }), "{refused}");
    assert!(
        refused.to_string().ends_with(&format!("connecting to Redis failed at 127.0.0.1:{}", server.port())),
        "{refused}"
    );
    let socket = server.folder().join("redis.sock");
    let hosts = [
        RedisHost::from(format!("redis://:s3cret@127.0.0.1:{}/2", server.port())),
        RedisHost::from(server.url()).db(2).password("s3cret"),
        RedisHost::from(format!("unix://{}?db=2&password=s3cret", socket.display())),
    ];
    let mut layers = Vec::new();
    for host in hosts {
        layers.push(ChannelLayer::redis_core(&[host]).await.unwrap());
    }
    let channel = layers[0].new_channel().await.unwrap();
    layers[0].group_add(&Room, channel.name()).await.unwrap();
    for (layer, number) in layers.iter().zip(0..) {
        layer.group_send(&Room, &Tick { number }).await.unwrap();
        assert_eq!(next_number(&channel).await, number);
    }
}

#[tokio::test]
async fn sentinel_provides_the_master_address() {
    let master = RedisServer::start();
    let sentinel = RedisServer::start_sentinel(&master);
    let host = || RedisHost::sentinel([sentinel.url()], "mymaster");
    for is_core in [true, false] {
        let open = async || match is_core {
            true => ChannelLayer::redis_core(&[host()]).await.unwrap(),
            false => ChannelLayer::redis_pubsub(&[host()]).await.unwrap(),
        };
        let (here, there) = (open().await, open().await);
        let channel = here.new_channel().await.unwrap();
        here.group_add(&Room, channel.name()).await.unwrap();
        there.group_send(&Room, &Tick { number: 7 }).await.unwrap();
        assert_eq!(next_number(&channel).await, 7);
    }
}

#[tokio::test]
async fn invalid_prefix_is_rejected_on_pubsub() {
    let server = RedisServer::start();
    for bad in ["my\nsite", &"x".repeat(59), &"é".repeat(59)] {
        let config = LayerConfig::default().prefix(bad);
        let refused = ChannelLayer::redis_pubsub_with(&[server.url()], config.clone()).await.unwrap_err();
        assert!(matches!(&refused, LayerError::Prefix { prefix, .. } if prefix == bad), "{refused:?}");
        assert!(refused.to_string().contains("it may have 58 characters"), "{refused}");
        // On the core layer the prefix is part of a key, not of a name.
        let layer = open(&server, config).await;
        let channel = layer.new_channel().await.unwrap();
        layer.group_add(&Room, channel.name()).await.unwrap();
        layer.group_send(&Room, &Tick { number: 1 }).await.unwrap();
        assert_eq!(next_number(&channel).await, 1);
    }
    for prefix in ["x".repeat(58), "my:site".into(), "my site".into(), "é!".into()] {
        let config = LayerConfig::default().prefix(prefix);
        let layer = ChannelLayer::redis_pubsub_with(&[server.url()], config).await.unwrap();
        let channel = layer.new_channel().await.unwrap();
        layer.send(channel.name(), &Tick { number: 2 }).await.unwrap();
        assert_eq!(next_number(&channel).await, 2);
    }
}
