//! The configuration of a layer: its limits, and the format of its messages.

use std::fmt;
use std::time::Duration;

use crate::codec::Format;
use crate::layer::glob::ChannelCapacity;

/// The configuration of a layer: its limits, and the format of its messages. The defaults are those of Django Channels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerConfig {
    /// The number of messages that a mailbox holds. Default: 100.
    pub capacity: usize,
    /// The time that a message may wait in a mailbox. Default: 60 s.
    pub expiry: Duration,
    /// The time after which Redis drops a membership that is not renewed. Default: 86,400 s. Within a process, a channel stays in its
    /// groups until it is dropped.
    pub group_expiry: Duration,
    /// The prefix of every name in Redis. Default: `"asgi"`. In the pub/sub layer it is part of each channel's name: at most 58 ASCII
    /// letters, digits, hyphens, underscores and periods.
    pub prefix: String,
    /// The format of messages in Redis. Default: msgpack.
    pub serializer_format: Format,
    /// The number of random bytes before a message in the core layer. Default: 12. All processes must use the same number.
    pub random_prefix_length: usize,
    pub(crate) channel_capacity: ChannelCapacity,
    pub(crate) symmetric_encryption_keys: Secrets,
}

/// Strings that are never logged.
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
    /// Sets the number of messages that a mailbox holds. Default: 100.
    #[must_use]
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets the capacity of the channels whose names match this pattern. The first matching pattern applies.
    ///
    /// The patterns are those of Python's `fnmatch`: `*`, `?`, `[a-z]`, `[!a-z]`.
    #[must_use]
    pub fn with_channel_capacity(mut self, pattern: &str, capacity: usize) -> Self {
        self.channel_capacity.push(pattern, capacity);
        self
    }

    /// Sets the time that a message may wait in a mailbox. Default: 60 s.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// Sets the time after which Redis drops a membership that is not renewed. Default: 86,400 s. The core layer renews the
    /// memberships of its channels.
    #[must_use]
    pub fn with_group_expiry(mut self, group_expiry: Duration) -> Self {
        self.group_expiry = group_expiry;
        self
    }

    /// Sets the format of messages in Redis. Default: msgpack. All processes must use the same format.
    #[must_use]
    pub fn with_serializer_format(mut self, format: Format) -> Self {
        self.serializer_format = format;
        self
    }

    /// Sets the keys that encrypt messages in Redis. The first key encrypts, and every key decrypts. To change the key, add the new
    /// one at the front in every process, and remove the old one when every process has both.
    #[must_use]
    pub fn with_symmetric_encryption_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.symmetric_encryption_keys = Secrets(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the number of random bytes before a message in the core layer. Default: 12. All processes must use the same number. With
    /// 0, the first of two equal messages in one queue is lost, because a sorted set holds each entry once.
    #[must_use]
    pub fn with_random_prefix_length(mut self, length: usize) -> Self {
        self.random_prefix_length = length;
        self
    }

    /// Returns the capacity of this channel's mailbox.
    pub(crate) fn capacity_of(&self, channel: &str) -> usize {
        self.channel_capacity.of(channel).unwrap_or(self.capacity)
    }

    /// Sets the prefix of every name in Redis. Default: `"asgi"`. Python peers must use the same prefix.
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
    fn channel_has_capacity_of_its_pattern() {
        let config = LayerConfig::default().with_channel_capacity("one", 1).with_channel_capacity("http.response*", 9);
        assert_eq!(config.capacity_of("one"), 1);
        assert_eq!(config.capacity_of("http.response!x"), 9);
        assert_eq!(config.capacity_of("two"), 100);
    }
}
