//! The topics of the layer on one Redis server, and the handling of their messages.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::error::DecodeError;
use crate::layer::chain::Link;
use crate::layer::redis::pubsub::job_topics::JobNumbers;
use crate::layer::redis::pubsub::link_text::read_link;
use crate::layer::redis::pubsub::peers::{MembersRequest, PeerMessage};
use crate::layer::redis::pubsub::recalls::Recalls;
use crate::layer::redis::pubsub::state::PubSubState;
use crate::layer::redis::pubsub::subscriptions::Subscriptions;
use crate::layer::redis::pubsub::topics::Topics;
use crate::layer::redis::shard::shard_of;
use crate::name::{ChannelName, GroupName};

/// The topics of the layer on one server.
pub(super) struct ServerTopics {
    state: Arc<PubSubState>,
    /// The index of the server.
    index: usize,
    requests: mpsc::Sender<MembersRequest>,
    subscriptions: Arc<Subscriptions>,
    recalls: Arc<Recalls>,
}

impl ServerTopics {
    /// `requests` receives the members requests of all processes.
    pub(super) fn new(
        state: Arc<PubSubState>,
        index: usize,
        requests: mpsc::Sender<MembersRequest>,
        subscriptions: Arc<Subscriptions>,
        recalls: Arc<Recalls>,
    ) -> Self {
        Self { state, index, requests, subscriptions, recalls }
    }

    /// Returns the groups of this server that must reach this process. Those with a history come first.
    fn groups(&self) -> (Vec<GroupName>, Vec<GroupName>) {
        let PubSubState { table, servers, .. } = &*self.state;
        let groups = table.wanted_groups().into_iter();
        let here = groups.filter(|(group, _)| shard_of(&self.state.topic_of(group), *servers) == self.index);
        let (with, without): (Vec<_>, Vec<_>) = here.partition(|(_, has_history)| *has_history);
        let names = |groups: Vec<(GroupName, bool)>| groups.into_iter().map(|(group, _)| group).collect();
        (names(with), names(without))
    }

    /// Delivers a message with a link to the members of a group with a history.
    fn deliver_linked(&self, group: &GroupName, link: Link, body: Bytes) {
        let table = &self.state.table;
        let must_recall = match self.state.open(body) {
            Ok(envelope) => table.hear(group, link, &envelope),
            // The history has this message too. The recall counts it as undecodable, and runs `#[history_lost]` in its members.
            Err(_) if table.has_history(group) => {
                table.hold_history(group);
                true
            }
            Err(error) => {
                table.counters().count_garbage(group.as_str(), &error);
                false
            }
        };
        if must_recall {
            self.recalls.mark_suspect(group.clone());
        }
    }
}

/// The effects of earlier messages of a connection on later ones.
#[derive(Default)]
pub(super) struct ReadState {
    /// The channel that does not get the next message.
    excluded: Option<ChannelName>,
    /// The link of the next message, which is one to this group. Nothing comes between the two, because a script publishes both.
    link: Option<(GroupName, Link)>,
    jobs: JobNumbers,
}

impl Topics for ServerTopics {
    type ReadState = ReadState;

    fn is_wanted(&self, topic: &str) -> bool {
        match self.state.group_of(topic) {
            Some(group) => self.state.table.is_wanted(&group),
            None if topic == self.state.process || topic == self.state.processes => true,
            None if self.state.jobs.contains(topic) => true,
            None => match self.state.group_of_links(topic) {
                Some(group) => self.state.table.is_wanted(&group) && self.state.table.has_history(&group),
                None => ChannelName::new(topic).is_ok_and(|name| self.state.table.has_channel(&name)),
            },
        }
    }

    fn wanted(&self) -> Vec<String> {
        let (with_links, groups) = self.groups();
        let channels = self.state.table.channel_names().into_iter().map(|name| name.to_string());
        let channels =
            channels.chain(self.state.jobs.names()).filter(|name| shard_of(name, self.state.servers) == self.index);
        // These two first, because a message to this process can exclude a channel from the next message to a group.
        let own = [self.state.process.clone(), self.state.processes.clone()];
        // Then the pairs of topics, so that an even number of topics in one command never separates a pair.
        let with_links = with_links.iter().flat_map(|group| self.state.topics_with_links(group));
        let groups = groups.iter().map(|group| self.state.topic_of(group));
        own.into_iter().chain(with_links).chain(groups).chain(channels).collect()
    }

    fn arrived(&self, ReadState { excluded, link, jobs }: &mut ReadState, topic: &str, body: Bytes) {
        let PubSubState { codec, process, processes, requests, table, .. } = &*self.state;
        if let Some((group, link)) = link.take()
            && self.state.is_topic_of(topic, &group)
        {
            return self.deliver_linked(&group, link, body);
        }
        if jobs.offer(topic, &body, table.counters()) {
            return;
        }
        if let Some(group) = self.state.group_of_links(topic) {
            match read_link(&body) {
                Some(found) => *link = Some((group, found)),
                None => table.counters().count_garbage(topic, &DecodeError::NoLink),
            }
            return;
        }
        let handled = if topic == process || topic == processes {
            PeerMessage::open(body, codec).map(|message| match message {
                PeerMessage::Exclude(channel) => *excluded = Some(channel),
                PeerMessage::IncludeAll => *excluded = None,
                PeerMessage::MembersRequest(request) => _ = self.requests.try_send(request),
                PeerMessage::MembersReply(reply) => requests.add_reply(reply),
                PeerMessage::HistoryForgotten(group) => self.recalls.forget(group),
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
        for group in self.groups().0 {
            self.state.table.hold_history(&group);
        }
        self.state.table.lost();
    }

    async fn recover(&self) {
        self.recalls.recover(&self.groups().0).await;
    }

    fn restored(&self) {
        self.state.table.restored();
    }
}
