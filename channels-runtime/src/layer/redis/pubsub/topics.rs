//! The topics of one Redis server: the names that this process subscribes there. Redis calls them channels.

use bytes::Bytes;

/// The topics and messages of a subscriber.
pub(super) trait Topics: Send + Sync + 'static {
    /// The state of a connection that a message can set for later messages.
    type ReadState: Default + Send;

    /// Returns whether the topic must be subscribed, by the current table.
    fn is_wanted(&self, topic: &str) -> bool;
    /// Returns all topics that must be subscribed on this server, in the order to subscribe them.
    fn wanted(&self) -> Vec<String>;
    /// Handles a message that arrived for a topic.
    fn arrived(&self, state: &mut Self::ReadState, topic: &str, body: Bytes);
    /// Begins a gap: messages may be lost from now on.
    fn lost(&self);
    /// Recovers what was missed in the gap as far as possible: all wanted topics are subscribed.
    fn recover(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Ends the gap: all wanted topics are subscribed.
    fn restored(&self);
}
