//! The readiness check of a layer: a message to this process through each server.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use crate::codec::Envelope;
use crate::error::LayerError;
use crate::layer::channel::Channel;
use crate::layer::handle::ChannelLayer;

impl ChannelLayer {
    /// Checks that messages arrive: sends one to a new channel of this process through each server of the layer, and waits
    /// until all have arrived. For a health check. The messages take the same path as all others, so the check also fails if
    /// Redis responds but the subscription or the queue of this process does not work.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use channels_runtime::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let layer = ChannelLayer::in_memory();
    /// layer.ready(Duration::from_secs(1)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if a message has not arrived within the deadline, or if the connection to a server is lost; its
    /// source is the last error of the connection. The error of a step that failed before.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the layer. A message that arrives later is ignored.
    pub async fn ready(&self, deadline: Duration) -> Result<(), LayerError> {
        let round_trips = try_join_all((0..self.backend().servers()).map(|server| self.round_trip(server)));
        match tokio::time::timeout(deadline, round_trips).await {
            // A message can also arrive in a gap, because each attempt to reconnect takes the messages that wait.
            Ok(Ok(_)) if !self.backend().table().is_whole() => {
                Err(self.not_ready("a connection to a server of the layer is lost"))
            }
            Ok(arrived) => arrived.map(drop),
            Err(late) => Err(self.not_ready(late)),
        }
    }

    /// Returns the error with the last error of the connection as its source, or with `otherwise` if the connection works.
    fn not_ready(&self, otherwise: impl Into<Box<dyn StdError + Send + Sync>>) -> LayerError {
        LayerError::Unavailable {
            server: None,
            action: "a message to this process itself",
            source: self.backend().last_error().unwrap_or_else(|| otherwise.into()),
        }
    }

    async fn round_trip(&self, server: usize) -> Result<(), LayerError> {
        let name = self.backend().new_channel_name_on(server);
        let channel = Channel::with_name(Arc::clone(self.backend()), self.config(), name);
        self.backend().announce(channel.name()).await?;
        let envelope = Envelope::from_value(&serde_json::json!({"type": "channels.ready"}), self.backend().format())?;
        self.backend().send_through(server, channel.name(), envelope).await?;
        channel.receive().await.map(drop).ok_or(LayerError::Closed)
    }
}
