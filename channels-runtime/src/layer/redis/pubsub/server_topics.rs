//! The topics of the layer on one Redis server, and the handling of their messages.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::layer::redis::pubsub::job_topics::JobNumbers;
use crate::layer::redis::pubsub::peers::{MembersRequest, PeerMessage};
use crate::layer::redis::pubsub::state::PubSubState;
use crate::layer::redis::pubsub::subscriptions::Subscriptions;
use crate::layer::redis::pubsub::topics::Topics;
use crate::layer::redis::shard::shard_of;
use crate::name::ChannelName;

/// The topics of the layer on one server.
pub(super) struct ServerTopics {
    state: Arc<PubSubState>,
    /// The index of the server.
    index: usize,
    requests: mpsc::Sender<MembersRequest>,
    subscriptions: Arc<Subscriptions>,
}

impl ServerTopics {
    /// `requests` receives the members requests of all processes.
    pub(super) fn new(
        state: Arc<PubSubState>,
        index: usize,
        requests: mpsc::Sender<MembersRequest>,
        subscriptions: Arc<Subscriptions>,
    ) -> Self {
        Self { state, index, requests, subscriptions }
    }
}

/// The effects of earlier messages of a connection on later ones.
#[derive(Default)]
pub(super) struct ReadState {
    /// The channel that does not get the next message.
    excluded: Option<ChannelName>,
    jobs: JobNumbers,
}

impl Topics for ServerTopics {
    type ReadState = ReadState;

    fn is_wanted(&self, topic: &str) -> bool {
        match self.state.group_of(topic) {
            Some(group) => self.state.table.members(&group) > 0,
            None if topic == self.state.process || topic == self.state.processes => true,
            None if self.state.jobs.contains(topic) => true,
            None => ChannelName::new(topic).is_ok_and(|name| self.state.table.has_channel(&name)),
        }
    }

    fn wanted(&self) -> Vec<String> {
        let groups = self.state.table.groups().into_iter().map(|group| self.state.topic_of(&group));
        let channels = self.state.table.channel_names().into_iter().map(|name| name.to_string());
        let here = groups
            .chain(channels)
            .chain(self.state.jobs.names())
            .filter(|topic| shard_of(topic, self.state.servers) == self.index);
        // These two first, because a message to this process can exclude a channel from the next message to a group.
        [self.state.process.clone(), self.state.processes.clone()].into_iter().chain(here).collect()
    }

    fn arrived(&self, ReadState { excluded, jobs }: &mut ReadState, topic: &str, body: Bytes) {
        let PubSubState { codec, process, processes, requests, table, .. } = &*self.state;
        if jobs.offer(topic, &body, table.counters()) {
            return;
        }
        let handled = if topic == process || topic == processes {
            PeerMessage::open(body, codec).map(|message| match message {
                PeerMessage::Exclude(channel) => *excluded = Some(channel),
                PeerMessage::IncludeAll => *excluded = None,
                PeerMessage::MembersRequest(request) => _ = self.requests.try_send(request),
                PeerMessage::MembersReply(reply) => requests.add_reply(reply),
                PeerMessage::JobEpoch(marker) => jobs.begin(&marker, &self.state.jobs, self.subscriptions.connection()),
            })
        } else {
            self.state.deliver(excluded.as_ref(), topic, body)
        };
        if let Err(error) = handled {
            table.counters().count_garbage(topic, &error);
        }
    }

    fn lost(&self) {
        self.state.table.lost();
    }

    fn restored(&self) {
        self.state.table.restored();
    }
}
