//! The names of installed layers.

use channels_runtime::Envelope;
use channels_runtime::layer::Format;
use channels_runtime::prelude::*;
use serde_json::json;

#[tokio::test]
async fn layer_of_last_application_is_default() {
    // Other tests of this process also build applications, so only a unique name is reliable.
    let layer = ChannelLayer::in_memory();
    layer.install("a name of this test");
    let channel = layer.new_channel().await.unwrap();
    let found = channel_layer("a name of this test").unwrap();
    found.send_raw(channel.name().as_str(), json!({"type": "x"})).await.unwrap();
    let envelope: Envelope = channel.receive().await.unwrap();
    assert_eq!((envelope.event_name(), envelope.format()), ("x", Format::Msgpack));
    let missing = channel_layer("no such name").unwrap_err().to_string();
    assert!(missing.contains("there is no channel layer `no such name`"), "{missing}");
    let _ = Channels::builder().build().unwrap();
    assert!(channel_layer("default").is_ok());
}
