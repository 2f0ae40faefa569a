//! The keys of the core layer in Redis, as in channels_redis.

use crate::name::GroupName;

/// The keys of one prefix.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Returns the key of the queue of a process (`specific.…!`) or of a general channel, which is a sorted set. The prefix and
    /// the name have no separator.
    pub(super) fn queue(&self, non_local: &str) -> String {
        format!("{}{non_local}", self.prefix)
    }

    /// Returns the key of a group's members, which is a sorted set.
    pub(super) fn group(&self, group: &GroupName) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// Returns the pattern that matches every key of this prefix. As in channels_redis, it also matches the keys of longer
    /// prefixes that begin with this one.
    pub(super) fn all(&self) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + 1);
        for character in self.prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ChannelName;

    #[test]
    fn keys_match_channels_redis() {
        let group = GroupName::new("test_group").unwrap();
        // test_default_group_key_format and test_custom_group_key_format of channels_redis
        assert_eq!(Keys::new("asgi").group(&group), "asgi:group:test_group");
        assert_eq!(Keys::new("test_prefix").group(&group), "test_prefix:group:test_group");
        let name = ChannelName::new("specific.33c24c!704d").unwrap();
        assert_eq!(Keys::new("asgi").queue(name.non_local()), "asgispecific.33c24c!");
        assert_eq!(Keys::new("asgi").queue("worker-x"), "asgiworker-x");
        assert_eq!(Keys::new("a*[b]").all(), r"a\*\[b\]*");
    }
}
