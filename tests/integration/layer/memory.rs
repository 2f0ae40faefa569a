//! The in-memory layer: what the contract does not cover.

use std::time::Duration;

use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;

use crate::layer::contract::{NOTES, Note, note};

#[tokio::test(start_paused = true)]
async fn message_in_mailbox_expires() {
    let layer = ChannelLayer::in_memory_with(LayerConfig::default().expiry(Duration::from_secs(3)));
    let channel = layer.new_channel().await.unwrap();
    for number in 0..3 {
        layer.send(channel.name(), &Note { from: 1, number }).await.unwrap();
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    // Six, four and two seconds old.
    assert_eq!(note(&channel).await.number, 2);
    assert_eq!(layer.stats().expired, 2);
}

#[tokio::test]
async fn blocking_layer_needs_no_runtime() {
    std::thread::spawn(|| {
        let layer = ChannelLayer::in_memory().blocking();
        layer.group_send(&NOTES, &Note { from: 1, number: 1 }).unwrap();
    })
    .join()
    .unwrap();
}
