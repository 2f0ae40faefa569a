//! The names of a group's history in Redis.

use crate::name::GroupName;

/// The names of a group's history.
///
/// The name of the group is in braces, so that a Redis Cluster keeps both keys in one slot: a script may use only keys of one
/// slot. Braces are not allowed in the names of groups and channels, so none of these is the topic of a group or a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HistoryKeys {
    /// The list of the kept messages, each with its link before it.
    pub(super) kept: String,
    /// The identity of the newest message.
    pub(super) newest: String,
    /// The topic of the links: the link of a message is published just before the message.
    pub(super) links: String,
}

impl HistoryKeys {
    pub(super) fn new(prefix: &str, group: &GroupName) -> Self {
        let name = |what: &str| format!("{prefix}__history__{{{group}}}{what}");
        Self { kept: name("kept"), newest: name("newest"), links: name("links") }
    }

    /// Returns the group if the topic is that of its links.
    pub(super) fn group_of_links(prefix: &str, topic: &str) -> Option<GroupName> {
        let group = topic.strip_prefix(prefix)?.strip_prefix("__history__{")?.strip_suffix("}links")?;
        GroupName::new(group).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ChannelName;

    #[test]
    fn topic_of_links_names_its_group_only() {
        let group = GroupName::new("room-7").unwrap();
        let HistoryKeys { kept, newest, links } = HistoryKeys::new("asgi", &group);
        assert_eq!(kept, "asgi__history__{room-7}kept");
        assert_eq!(HistoryKeys::group_of_links("asgi", &links), Some(group));
        for other in [&*kept, &newest, "asgi__group__room-7", "asgi__history__{}links", "asgi__history__room-7links"] {
            assert_eq!(HistoryKeys::group_of_links("asgi", other), None, "{other}");
        }
        assert_eq!(HistoryKeys::group_of_links("shop", &links), None);
        assert!(ChannelName::new(links).is_err());
    }
}
