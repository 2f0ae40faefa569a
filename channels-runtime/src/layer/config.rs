//! The limits of a layer, and how it writes its messages.

use std::fmt;
use std::time::Duration;

use crate::codec::Format;
use crate::layer::glob::ChannelCapacity;

/// The limits of a layer, and how it writes its messages. The defaults are those of Django Channels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerConfig {
    /// How many messages a mailbox holds: 100.
    pub capacity: usize,
    /// How long a message may wait in a mailbox: 60 s.
    pub expiry: Duration,
    /// How long a membership in Redis lasts that its owner does not renew: 86,400 s. Within a process, a channel is in its
    /// groups for as long as it lives.
    pub group_expiry: Duration,
    /// What stands before every name in Redis: `"asgi"`. In the pub/sub layer it is a part of each channel's name: at most 58
    /// ASCII letters, digits, hyphens, underscores and periods.
    pub prefix: String,
    /// How messages are written in Redis: msgpack.
    pub serializer_format: Format,
    /// How many random bytes stand before a message in the core layer: 12. All processes must use the same number.
    pub random_prefix_length: usize,
    pub(crate) channel_capacity: ChannelCapacity,
    pub(crate) symmetric_encryption_keys: Secrets,
}

/// Strings that no log shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    #[cfg(feature = "redis")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Default for LayerConfig {
    fn default() -> Self {
        Self {
            capacity: 100,
            expiry: Duration::from_secs(60),
            group_expiry: Duration::from_secs(86_400),
            prefix: "asgi".into(),
            serializer_format: Format::Msgpack,
            random_prefix_length: 12,
            channel_capacity: ChannelCapacity::default(),
            symmetric_encryption_keys: Secrets::default(),
        }
    }
}

impl LayerConfig {
    /// A mailbox holds this many messages.
    #[must_use]
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Channels whose names fit this pattern have another capacity. Of several patterns, the first that fits counts.
    ///
    /// A pattern is what Python's `fnmatch` takes: `*`, `?`, `[a-z]`, `[!a-z]`.
    #[must_use]
    pub fn with_channel_capacity(mut self, pattern: &str, capacity: usize) -> Self {
        self.channel_capacity.push(pattern, capacity);
        self
    }

    /// A message waits this long at most.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// A membership in Redis that is not renewed lasts this long. The core layer renews those of living channels.
    #[must_use]
    pub fn with_group_expiry(mut self, group_expiry: Duration) -> Self {
        self.group_expiry = group_expiry;
        self
    }

    /// Messages are written like this. All processes must use the same format.
    #[must_use]
    pub fn with_serializer_format(mut self, format: Format) -> Self {
        self.serializer_format = format;
        self
    }

    /// Messages in Redis are encrypted with the first of these keys, and read with any of them. So a key is changed by
    /// putting the new one in front everywhere, and taking the old one out when every process has both.
    #[must_use]
    pub fn with_symmetric_encryption_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.symmetric_encryption_keys = Secrets(keys.into_iter().map(Into::into).collect());
        self
    }

    /// This many random bytes stand before a message in the core layer. All processes must use the same number; with 0,
    /// of two equal messages in one queue the first is lost, because a sorted set has no entry twice.
    #[must_use]
    pub fn with_random_prefix_length(mut self, length: usize) -> Self {
        self.random_prefix_length = length;
        self
    }

    /// How many messages wait for this channel at most.
    pub(crate) fn capacity_of(&self, channel: &str) -> usize {
        self.channel_capacity.of(channel).unwrap_or(self.capacity)
    }

    /// Every name in Redis begins with this. Python peers must use the same.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_the_capacity_of_its_pattern() {
        let config = LayerConfig::default().with_channel_capacity("one", 1).with_channel_capacity("http.response*", 9);
        assert_eq!(config.capacity_of("one"), 1);
        assert_eq!(config.capacity_of("http.response!x"), 9);
        assert_eq!(config.capacity_of("two"), 100);
    }
}
