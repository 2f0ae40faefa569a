//! The names of channels_redis' core layer in Redis.

use crate::name::GroupName;

#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The queue of a process (`specific.…!`) or of a general channel: a sorted set. Nothing stands between the prefix
    /// and the name.
    pub(super) fn queue(&self, non_local: &str) -> String {
        format!("{}{non_local}", self.prefix)
    }

    /// The members of a group: a sorted set.
    pub(super) fn group(&self, group: &GroupName) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// The pattern for every key of this prefix. As in channels_redis, a prefix that begins with this one is hit, too.
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
    fn keys_are_those_of_channels_redis() {
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
