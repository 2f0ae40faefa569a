//! The backends of a layer, by their Python paths.

/// A backend that the settings can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BackendKind {
    Memory,
    Core,
    PubSub,
}

impl BackendKind {
    pub(super) const ALL: [Self; 3] = [Self::Memory, Self::Core, Self::PubSub];

    /// Returns the Python path of the backend's class.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Memory => "channels.layers.InMemoryChannelLayer",
            Self::Core => "channels_redis.core.RedisChannelLayer",
            Self::PubSub => "channels_redis.pubsub.RedisPubSubChannelLayer",
        }
    }

    /// Returns the backend with this Python path.
    pub(super) fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.path() == path)
    }
}
