//! The settings of a layer: its limits, and the format of its messages.

use std::fmt;
use std::time::Duration;

use crate::codec::Format;
#[cfg(feature = "redis")]
use crate::error::LayerError;
use crate::error::SettingError;
use crate::event::History;
use crate::layer::channel_capacity::ChannelCapacity;
use crate::layer::histories::HISTORY_MEMORY;
use crate::support::LONGEST;

/// The settings of a layer. The defaults are those of Django Channels.
///
/// ```
/// use std::time::Duration;
/// use channels_runtime::layer::LayerConfig;
/// use channels_runtime::prelude::*;
///
/// let config = LayerConfig::default().capacity(1500).expiry(Duration::from_secs(10));
/// let channels = Channels::builder().layer(ChannelLayer::in_memory_with(config)).build()?;
/// # Ok::<(), Error>(())
/// ```
///
/// [`ChannelsBuilder::build`](crate::ChannelsBuilder::build) reports values that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerConfig {
    pub(crate) capacity: usize,
    pub(crate) expiry: Duration,
    pub(crate) group_expiry: Duration,
    pub(crate) prefix: String,
    pub(crate) serializer_format: Format,
    pub(crate) random_prefix_length: usize,
    pub(crate) channel_capacity: ChannelCapacity,
    /// The first pattern whose capacity is 0.
    zero_capacity: Option<String>,
    pub(crate) symmetric_encryption_keys: Secrets,
    pub(crate) history_memory: usize,
    history_size: u16,
}

/// The shortest key for messages, in bytes. With an empty one, anyone can read and forge messages.
const MIN_KEY: usize = 16;

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
            zero_capacity: None,
            symmetric_encryption_keys: Secrets::default(),
            history_memory: HISTORY_MEMORY,
            history_size: u16::MAX,
        }
    }
}

impl LayerConfig {
    /// Sets how many messages a mailbox holds. Default: 100.
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    /// Sets another capacity for channels whose names match the pattern. The first matching pattern applies. Default: none.
    ///
    /// The patterns are those of Python's `fnmatch`: `*`, `?`, `[a-z]`, `[!a-z]`.
    #[must_use]
    pub fn channel_capacity(mut self, pattern: &str, messages: usize) -> Self {
        if messages == 0 {
            self.zero_capacity.get_or_insert_with(|| pattern.into());
        }
        self.channel_capacity.push(pattern, messages);
        self
    }

    /// Sets how long a message may wait in a mailbox. Default: 60 s.
    #[must_use]
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry.min(LONGEST);
        self
    }

    /// Sets how long a membership in Redis lasts without renewal. Default: 86,400 s.
    ///
    /// The core layer renews the memberships of open channels. Within a process, a channel is in its groups for as long as it
    /// exists.
    #[must_use]
    pub fn group_expiry(mut self, group_expiry: Duration) -> Self {
        self.group_expiry = group_expiry.min(LONGEST);
        self
    }

    /// Limits how many events the history of each group keeps. Default: the `size` of the group.
    #[must_use]
    pub fn history_size(mut self, events: u16) -> Self {
        self.history_size = events.max(1);
        self
    }

    /// Returns the history of a group within the limit of this configuration.
    pub(crate) fn limit_history(&self, history: History) -> History {
        History { size: history.size.min(self.history_size), ..history }
    }

    /// Sets how many bytes the kept events of all groups may take in this process. Default: 64 MiB.
    ///
    /// Beyond it, this process forgets the events of the groups that were not used for the longest time. With the pub/sub layer,
    /// the next client that comes back to such a group gets them from Redis.
    #[must_use]
    pub fn history_memory(mut self, bytes: usize) -> Self {
        self.history_memory = bytes;
        self
    }

    /// Sets the prefix of every name in Redis. Default: `"asgi"`. Python peers must use the same prefix.
    ///
    /// The pub/sub layer puts the prefix into each channel's name. There it has at most 58 characters, without control characters.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the format of messages in Redis. Default: msgpack. All processes must use the same format.
    #[must_use]
    pub fn serializer_format(mut self, format: Format) -> Self {
        self.serializer_format = format;
        self
    }

    /// Sets how many random bytes precede a message in the core layer. Default: 12. All processes must use the same number.
    ///
    /// With 0, the first of two equal messages in one queue is lost, because a sorted set contains each entry only once.
    #[must_use]
    pub fn random_prefix_length(mut self, length: usize) -> Self {
        self.random_prefix_length = length;
        self
    }

    /// Sets the keys that encrypt messages in Redis, each of at least 16 bytes. Default: none, so messages are not encrypted.
    ///
    /// The first key encrypts. To decrypt a message, each key is tried. To replace a key, put the new one first in every
    /// process. When every process has both, remove the old one.
    #[must_use]
    pub fn symmetric_encryption_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.symmetric_encryption_keys = Secrets(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Returns the number of messages that may wait for this channel.
    pub(crate) fn capacity_of(&self, channel: &str) -> usize {
        self.channel_capacity.of(channel).unwrap_or(self.capacity)
    }

    /// Returns the values that cannot be used.
    pub(crate) fn problems(&self) -> Vec<SettingError> {
        let mut problems = Vec::new();
        if self.capacity == 0 {
            let problem = "a mailbox for 0 messages is always full; write at least 1";
            problems.push(SettingError::new("LayerConfig::capacity", problem));
        }
        if let Some(pattern) = &self.zero_capacity {
            let problem = format!("a mailbox for 0 messages (`{pattern}`) is always full; write at least 1");
            problems.push(SettingError::new("LayerConfig::channel_capacity", problem));
        }
        if self.expiry.is_zero() {
            let problem = "messages that may wait 0 s never arrive; the default is 60 s";
            problems.push(SettingError::new("LayerConfig::expiry", problem));
        }
        if self.group_expiry.is_zero() {
            let problem = "memberships that last 0 s receive nothing; the default is 86,400 s";
            problems.push(SettingError::new("LayerConfig::group_expiry", problem));
        }
        // Without the key. An environment variable that is not set is often an empty key.
        if let Some(short) = self.symmetric_encryption_keys.0.iter().find(|key| key.len() < MIN_KEY) {
            let problem =
                format!("a key has {} bytes, but it needs at least {MIN_KEY}; is its variable set?", short.len());
            problems.push(SettingError::new("LayerConfig::symmetric_encryption_keys", problem));
        }
        problems
    }

    /// Checks the values.
    ///
    /// # Errors
    /// [`LayerError::Settings`] with the first value that cannot be used.
    #[cfg(feature = "redis")]
    pub(crate) fn check(&self) -> Result<(), LayerError> {
        self.problems().into_iter().next().map_or(Ok(()), |problem| Err(LayerError::Settings(problem)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_encryption_key_is_problem() {
        for (keys, expected) in
            [(&[""][..], "a key has 0 bytes"), (&["a key of messages", "hunter2"], "a key has 7 bytes")]
        {
            let problems = LayerConfig::default().symmetric_encryption_keys(keys.iter().copied()).problems();
            let problem = problems[0].to_string();
            assert!(problem.contains(expected) && !problem.contains("hunter2"), "{problem}");
        }
        assert!(LayerConfig::default().symmetric_encryption_keys(["a key of messages"]).problems().is_empty());
    }

    #[test]
    fn channel_capacity_applies_to_matching_names() {
        let config = LayerConfig::default().channel_capacity("one", 1).channel_capacity("http.response*", 9);
        assert_eq!(config.capacity_of("one"), 1);
        assert_eq!(config.capacity_of("http.response!x"), 9);
        assert_eq!(config.capacity_of("two"), 100);
    }
}
