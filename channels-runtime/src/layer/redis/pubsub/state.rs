//! The state of the pub/sub layer, shared with its tasks.

use bytes::Bytes;
use uuid::Uuid;

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::layer::config::LayerConfig;
use crate::layer::local_table::LocalTable;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::pubsub::history_keys::HistoryKeys;
use crate::layer::redis::pubsub::job_topics::JobTopics;
use crate::layer::redis::pubsub::peers::PendingRequests;
use crate::name::{ChannelName, GroupName};

/// The local table, the requests in flight, and everything that is fixed when the layer starts.
pub(super) struct PubSubState {
    pub(super) table: LocalTable,
    pub(super) codec: Codec,
    pub(super) prefix: String,
    /// The number of servers.
    pub(super) servers: usize,
    /// The topic of this process, subscribed on every server.
    pub(super) process: String,
    /// The topic of all processes, subscribed on every server.
    pub(super) processes: String,
    pub(super) requests: PendingRequests,
    /// The worker channels of this process.
    pub(super) jobs: JobTopics,
    pub(super) config: LayerConfig,
}

impl PubSubState {
    pub(super) fn new(table: LocalTable, config: &LayerConfig, servers: usize) -> Self {
        let (codec, prefix, config) = (Codec::for_pubsub(config), config.prefix.clone(), config.clone());
        let process = format!("{prefix}__process__{}", Uuid::new_v4().simple());
        let processes = format!("{prefix}__processes");
        let (requests, jobs) = (PendingRequests::default(), JobTopics::default());
        Self { table, codec, prefix, servers, process, processes, requests, jobs, config }
    }

    /// Returns the key of the queue of a worker's channel, which is a sorted set.
    pub(super) fn job_queue(&self, channel: &ChannelName) -> String {
        format!("{}__jobs__{channel}", self.prefix)
    }

    /// Returns the key of the last number of an epoch.
    pub(super) fn job_number(&self, channel: &ChannelName, epoch: &str) -> String {
        format!("{}__jobs__{channel}__{epoch}", self.prefix)
    }

    /// Returns the topic of a group.
    pub(super) fn topic_of(&self, group: &GroupName) -> String {
        format!("{}__group__{group}", self.prefix)
    }

    /// Returns whether this is the topic of the group.
    pub(super) fn is_topic_of(&self, topic: &str, group: &GroupName) -> bool {
        let name = topic.strip_prefix(&self.prefix).and_then(|topic| topic.strip_prefix("__group__"));
        name == Some(group.as_str())
    }

    /// Returns the names of the history of a group.
    pub(super) fn history_keys(&self, group: &GroupName) -> HistoryKeys {
        HistoryKeys::new(&self.prefix, group)
    }

    /// Returns the topics of a group with a history, in the order to subscribe them. Without the link before it, a message would
    /// not be found in the history.
    pub(super) fn topics_with_links(&self, group: &GroupName) -> [String; 2] {
        [self.history_keys(group).links, self.topic_of(group)]
    }

    /// Returns the group if this is the topic of its links.
    pub(super) fn group_of_links(&self, topic: &str) -> Option<GroupName> {
        HistoryKeys::group_of_links(&self.prefix, topic)
    }

    /// Returns the group of a topic; `None` for the topic of a channel.
    pub(super) fn group_of(&self, topic: &str) -> Option<GroupName> {
        let group = topic.strip_prefix(&self.prefix)?.strip_prefix("__group__")?;
        GroupName::new(group).ok()
    }

    /// Opens a message.
    pub(super) fn open(&self, body: Bytes) -> Result<Envelope, DecodeError> {
        Envelope::from_wire(self.codec.open(body)?, self.codec.format())
    }

    /// Delivers a message to the members of a group except `excluded`, or to a channel.
    pub(super) fn deliver(&self, excluded: Option<&ChannelName>, topic: &str, body: Bytes) -> Result<(), DecodeError> {
        let envelope = self.open(body)?;
        match (self.group_of(topic), excluded) {
            (Some(group), None) => self.table.group_send(&group, &envelope),
            (Some(group), Some(excluded)) => self.table.group_send_others(&group, &envelope, excluded),
            (None, _) => {
                let Ok(name) = ChannelName::new(topic) else { return Ok(()) };
                if self.table.send(&name, &envelope).is_err() {
                    self.table.counters().count_full(topic);
                }
            }
        }
        Ok(())
    }
}
