//! A clock that differs from the clock of Redis. The core layer compares times of several machines.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::layer::redis::core::{Tick, next_number, now, open, queue_of};
use crate::support::log::Log;
use crate::support::redis::RedisServer;
use crate::support::until::until;

/// The start of the reply to TIME: a list of two strings, of which the first has the ten digits of the seconds.
const TIME: &[u8] = b"*2\r\n$10\r\n";

/// Passes connections on to a server, and adds `shift` seconds to its clock.
async fn shifted_clock(server: &RedisServer, shift: Arc<AtomicI64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://127.0.0.1:{}/0", listener.local_addr().unwrap().port());
    let to = server.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let shift = Arc::clone(&shift);
            tokio::spawn(async move {
                let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
                let replies = async {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from_far.read(&mut buffer).await {
                        if let Some(at) = buffer[..read].windows(TIME.len()).position(|bytes| bytes == TIME) {
                            let digits = at + TIME.len()..at + TIME.len() + 10;
                            let seconds: i64 = std::str::from_utf8(&buffer[digits.clone()]).unwrap().parse().unwrap();
                            let shifted = (seconds + shift.load(SeqCst)).to_string();
                            buffer[digits].copy_from_slice(shifted.as_bytes());
                        }
                        if to_near.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                };
                tokio::select! {
                    _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
                    () = replies => {}
                }
            });
        }
    });
    url
}

// A single-threaded runtime, so that the layer logs in this thread.
#[tokio::test]
async fn wrong_clock_is_logged_once_with_its_offset() {
    const DAY_AND_HOUR: i64 = 90_000;
    let (log, _listening) = Log::of_this_thread(tracing::Level::INFO);
    let server = RedisServer::start();
    let shift = Arc::new(AtomicI64::new(-DAY_AND_HOUR));
    let url = shifted_clock(&server, Arc::clone(&shift)).await;
    let layer = ChannelLayer::redis_core(&[url]).await.unwrap();
    until("the offset is counted", || layer.stats().clock_off == 1).await;
    let channel = layer.new_channel().await.unwrap();
    let there = open(&server, LayerConfig::default()).await;
    for number in 0..5 {
        // Each of these is another check.
        there.send(channel.name(), &Tick { number }).await.unwrap();
        assert_eq!(next_number(&channel).await, number);
    }
    shift.store(0, SeqCst);
    until("the clocks agree", || log.text().contains("agree again")).await;
    let text = log.text();
    let warnings: Vec<_> = text.lines().filter(|line| line.contains("the clock of Redis differ")).collect();
    assert_eq!(warnings.len(), 1, "{text}");
    let offset = warnings[0].split("offset=").nth(1).unwrap().split(' ').next().unwrap();
    let offset: f64 = offset.parse().unwrap();
    // This process is ahead. The difference may include the time of a slow reply.
    assert!((90_000.0..90_010.0).contains(&offset) && warnings[0].contains("expiry=60"), "{}", warnings[0]);
    assert_eq!((layer.stats().clock_off, there.stats().clock_off), (1, 0));
}

#[tokio::test]
async fn expired_message_is_logged_with_its_age() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::WARN);
    let server = RedisServer::start();
    let layer = open(&server, LayerConfig::default()).await;
    let channel = layer.new_channel().await.unwrap();
    layer.ready(std::time::Duration::from_secs(20)).await.unwrap();
    for number in 0..3 {
        // A sender whose clock is two minutes slow.
        server.ask(&format!("ZADD {} {} message-{number}", queue_of(&channel), now() - 120.0));
    }
    until("the messages are counted", || layer.stats().expired == 3).await;
    let text = log.text();
    let warnings: Vec<_> = text.lines().filter(|line| line.contains("its sender's clock is wrong")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("age=12"), "{text}");
}
