//! The layer of `channels_redis.pubsub.RedisPubSubChannelLayer`: one PUBLISH for each send, one SUBSCRIBE for each group
//! and process.
//!
//! On the wire: the group `room` is the Redis channel `asgi__group__room`, and a channel's name is its Redis channel. The
//! payload is only the serialised message. Redis keeps no messages. So a process misses messages published while
//! it is cut off, and a sender gets no error if a mailbox in another process is full.
//!
//! A process also subscribes to its own topic, and to one that all Rust processes share: see [`peers`](super::peers). The
//! workers of a channel share a queue, which these processes fill: see [`job_topics`](super::job_topics).

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use deadpool_redis::redis::cmd;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use crate::codec::{Envelope, Format};
use crate::error::LayerError;
use crate::event::{History, Id, Joined, Position, Since};
use crate::layer::backend::{Backend, Jobs, Sent, WorkerQueue};
use crate::layer::config::LayerConfig;
use crate::layer::handle::ChannelLayer;
use crate::layer::local_table::{LocalTable, MembershipChange};
use crate::layer::local_table_history::NotReady;
use crate::layer::redis::address::RedisHost;
use crate::layer::redis::commands::Commands;
use crate::layer::redis::connection_error::{unavailable, unavailable_at};
use crate::layer::redis::group_join::join;
use crate::layer::redis::host::{Host, connect, peers};
use crate::layer::redis::limits::CALL_DEADLINE;
use crate::layer::redis::pubsub::job_offers::JobOffers;
use crate::layer::redis::pubsub::job_queue::{JobSubscription, PubSubWorkerQueue};
use crate::layer::redis::pubsub::peers::{MembersRequest, PeerMessage, REQUESTS, Replies};
use crate::layer::redis::pubsub::recall::{Recall, Recalled};
use crate::layer::redis::pubsub::recalls::{ACTION as RECALLING, Recalls};
use crate::layer::redis::pubsub::record::Record;
use crate::layer::redis::pubsub::server_topics::ServerTopics;
use crate::layer::redis::pubsub::state::PubSubState;
use crate::layer::redis::pubsub::subscriber;
use crate::layer::redis::pubsub::subscriptions::Subscriptions;
use crate::layer::redis::shard::shard_of;
use crate::layer::redis::tasks::Tasks;
use crate::name::{ChannelName, GroupName, SPECIFIC};

impl ChannelLayer {
    /// Returns the layer of channels_redis' `RedisPubSubChannelLayer`, with its defaults. Rust and Python processes that
    /// use the same Redis share groups.
    ///
    /// Redis keeps no messages: a process misses messages sent while it is cut off. A sender to a channel gets no error if the
    /// mailbox or the queue is full. [`Self::redis_core`] differs in both.
    ///
    /// Several workers share the messages of their channel: each message goes to one of them. They wait in a queue in Redis, up
    /// to `capacity` of them, for `expiry`. The queue exists from the start of a worker until its process loses the connection,
    /// or ends. While no process with a worker is connected, messages to the channel are lost. Redis must allow the
    /// processes of workers to use the keys that begin with the prefix.
    ///
    /// Several addresses spread the names over several servers, as in channels_redis. Every process must list the same
    /// addresses in the same order.
    ///
    /// # Errors
    /// If an address is invalid, a server does not reply, or the prefix is too long for a channel name.
    pub async fn redis_pubsub<H: Clone + Into<RedisHost>>(hosts: &[H]) -> Result<Self, LayerError> {
        Self::redis_pubsub_with(hosts, LayerConfig::default()).await
    }

    /// Returns the layer of [`Self::redis_pubsub`] with another configuration.
    ///
    /// # Errors
    /// If an address is invalid, a server does not reply, or the prefix is too long for a channel name.
    pub async fn redis_pubsub_with<H: Clone + Into<RedisHost>>(
        hosts: &[H],
        config: LayerConfig,
    ) -> Result<Self, LayerError> {
        check_prefix(&config.prefix)?;
        config.check()?;
        let hosts = connect(hosts.iter().cloned().map(Into::into)).await?;
        Ok(Self::new(Arc::new(PubSub::start(hosts, &config)), config))
    }
}

/// Publishes to a group, between two messages to this process. Redis runs the script without interruption. So between these
/// two, this process receives only the message to the group, or no message if it has not subscribed the group. The topics are
/// not `KEYS`, because Redis has separate permissions for keys and for channels.
const PUBLISH_BETWEEN: &str = "\
redis.call('PUBLISH', ARGV[1], ARGV[3])
local receivers = redis.pcall('PUBLISH', ARGV[2], ARGV[4])
redis.call('PUBLISH', ARGV[1], ARGV[5])
return receivers";

/// Checks that channel names with this prefix are valid. A channel's name is its topic in Redis, so the prefix is part of it.
///
/// # Errors
/// [`LayerError::Prefix`] if they are not valid.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), LayerError> {
    let name = ChannelName::new(new_name(prefix)).map(drop);
    name.map_err(|source| LayerError::Prefix { prefix: prefix.into(), source })
}

fn new_name(prefix: &str) -> String {
    format!("{prefix}{SPECIFIC}{}", Uuid::new_v4().simple())
}

/// The pub/sub layer of one process.
pub(crate) struct PubSub {
    state: Arc<PubSubState>,
    servers: Vec<Server>,
    tasks: Tasks,
}

struct Server {
    host: Arc<Host>,
    commands: Commands,
    subscriptions: Arc<Subscriptions>,
    recalls: Arc<Recalls>,
}

/// The history of a group that a join needs. It is closed on drop.
struct OpenHistory<'a> {
    layer: &'a PubSub,
    group: &'a GroupName,
}

impl Drop for OpenHistory<'_> {
    fn drop(&mut self) {
        if self.layer.state.table.close_history(self.group) {
            self.layer.unsubscribe(self.group);
        }
    }
}

impl PubSub {
    fn start(hosts: Vec<Arc<Host>>, config: &LayerConfig) -> Self {
        let table = LocalTable::new(peers(&hosts));
        table.histories().set_limit(config.history_memory);
        let state = Arc::new(PubSubState::new(table, config, hosts.len()));
        let tasks = Tasks::new();
        let servers = hosts.into_iter().enumerate().map(|(index, host)| {
            let (commands, sending) = Commands::new(Arc::clone(&host));
            let subscriptions = Arc::<Subscriptions>::default();
            let (tx, requests) = mpsc::channel(REQUESTS);
            let recalls = Arc::new(Recalls::new(Arc::clone(&state)));
            let topics =
                ServerTopics::new(Arc::clone(&state), index, tx, Arc::clone(&subscriptions), Arc::clone(&recalls));
            let topics = Arc::new(topics);
            tasks.spawn(sending);
            tasks.spawn(Arc::clone(&recalls).run(Arc::clone(&host)));
            tasks.spawn(subscriber::run(Arc::clone(&host), commands.clone(), Arc::clone(&subscriptions), topics));
            tasks.spawn(reply_to_requests(Arc::clone(&state), commands.clone(), requests));
            Server { host, commands, subscriptions, recalls }
        });
        let servers = servers.collect();
        Self { state, servers, tasks }
    }

    /// Returns the server of a topic.
    fn server(&self, topic: &str) -> &Server {
        &self.servers[shard_of(topic, self.servers.len())]
    }

    fn check_open(&self) -> Result<(), LayerError> {
        if self.tasks.is_stopped() { Err(LayerError::Closed) } else { Ok(()) }
    }

    /// Publishes a message. Returns the number of processes that received it.
    async fn publish(&self, topic: String, body: Bytes) -> Result<usize, LayerError> {
        self.check_open()?;
        let body = self.state.codec.seal(body);
        publish(&self.server(&topic).commands, &topic, &body).await
    }

    /// Publishes to a group, except to `own`, a channel of this process.
    async fn publish_to_others(&self, topic: String, body: Bytes, own: &ChannelName) -> Result<(), LayerError> {
        self.check_open()?;
        let PubSubState { codec, process, .. } = &*self.state;
        let mut publish = cmd("EVAL");
        publish.arg(PUBLISH_BETWEEN).arg(0).arg(process).arg(&topic);
        publish.arg(&PeerMessage::Exclude(own.clone()).seal(codec)[..]).arg(&codec.seal(body)[..]);
        publish.arg(&PeerMessage::IncludeAll.seal(codec)[..]);
        self.server(&topic).commands.send("PUBLISH", publish).await
    }

    /// Requests the members of a group from all processes, including this one. Redis returns the number of processes that
    /// received the request.
    async fn request_members(&self, group: &GroupName, names: bool) -> Result<Replies, LayerError> {
        const ACTION: &str = "requesting the members of a group from all processes";
        self.check_open()?;
        let PubSubState { codec, process, processes, requests, .. } = &*self.state;
        let request = requests.add();
        let message = request.message(process, group, names).seal(codec);
        let Server { commands, subscriptions, .. } = self.server(&self.state.topic_of(group));
        // Without this subscription no reply would arrive, not even from this process.
        subscriptions.confirmed(process.clone()).await?;
        let receivers = publish(commands, processes, &message).await?;
        if receivers == 0 {
            return Err(unavailable(ACTION, "this process is cut off from Redis"));
        }
        if timeout(CALL_DEADLINE, request.complete(receivers)).await.is_ok() {
            return Ok(request.into_replies());
        }
        let replied = request.into_replies().processes;
        Err(unavailable(
            ACTION,
            format!("{replied} of {receivers} processes replied within {} s", CALL_DEADLINE.as_secs()),
        ))
    }

    /// Returns the server of a group.
    fn server_of(&self, group: &GroupName) -> &Server {
        self.server(&self.state.topic_of(group))
    }

    /// Removes a channel from a group.
    fn leave(&self, group: &GroupName, channel: &ChannelName) {
        if self.state.table.discard(group, channel) == MembershipChange::OfGroup {
            self.unsubscribe(group);
        }
    }

    /// Unsubscribes the topics of a group without members here.
    fn unsubscribe(&self, group: &GroupName) {
        let [links, topic] = self.state.topics_with_links(group);
        self.server_of(group).subscriptions.mark_all_dirty([topic, links]);
    }

    /// Publishes a message to a group, and keeps it in the history of the group.
    async fn record(&self, group: &GroupName, body: Bytes, history: History) -> Result<(), LayerError> {
        self.check_open()?;
        let (keys, topic) = (self.state.history_keys(group), self.state.topic_of(group));
        let server = self.server(&topic);
        let record = Record { keys, topic, id: Id::random(), sealed: self.state.codec.seal(body), history };
        server.commands.run::<usize>("PUBLISH", record).await.map(drop)
    }

    /// Joins a group with a history.
    async fn join_since(
        &self,
        group: &GroupName,
        channel: &ChannelName,
        history: History,
        since: &Since,
    ) -> Result<Joined, LayerError> {
        let table = &self.state.table;
        let Server { subscriptions, recalls, .. } = self.server_of(group);
        // From here on, dropping this future closes the history.
        table.open_history(group, history);
        let _open = OpenHistory { layer: self, group };
        subscriptions.all_confirmed(self.state.topics_with_links(group)).await?;
        // The client may have received a message of another process that is still on its way to this one.
        if table.is_behind(group, since) {
            recalls.repeated(group).await?;
        }
        loop {
            match table.add_recalled(group, channel, since) {
                Ok(Some(joined)) => return Ok(joined),
                Ok(None) => return Err(LayerError::NotLocal { channel: channel.to_string() }),
                Err(NotReady) if table.has_history(group) => recalls.confirmed(group).await?,
                Err(NotReady) => return Err(unavailable(RECALLING, "all groups were removed meanwhile")),
            }
        }
    }
}

/// Publishes a sealed message. Returns the number of processes that received it.
async fn publish(commands: &Commands, topic: &str, sealed: &[u8]) -> Result<usize, LayerError> {
    let mut publish = cmd("PUBLISH");
    publish.arg(topic).arg(sealed);
    commands.send("PUBLISH", publish).await
}

/// Replies to the requests of all processes one by one, through the server that delivered them.
async fn reply_to_requests(state: Arc<PubSubState>, commands: Commands, mut requests: mpsc::Receiver<MembersRequest>) {
    while let Some(request) = requests.recv().await {
        for reply in request.replies(&state.table) {
            // If the reply cannot be published, the request fails at its deadline.
            _ = publish(&commands, request.reply_to(), &reply.seal(&state.codec)).await;
        }
    }
}

impl Backend for PubSub {
    fn kind(&self) -> &'static str {
        "pubsub"
    }

    fn table(&self) -> &LocalTable {
        &self.state.table
    }

    fn format(&self) -> Format {
        self.state.codec.format()
    }

    fn runtime(&self) -> Option<&Handle> {
        Some(self.tasks.runtime())
    }

    fn new_channel_name(&self) -> ChannelName {
        ChannelName::from_checked(new_name(&self.state.prefix).into())
    }

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn new_channel_name_on(&self, server: usize) -> ChannelName {
        // The server depends on the name, so the average number of attempts is the number of servers.
        loop {
            let name = self.new_channel_name();
            if shard_of(name.as_str(), self.servers.len()) == server {
                return name;
            }
        }
    }

    fn last_error(&self) -> Option<Box<dyn StdError + Send + Sync>> {
        let error = |server: &Server| server.subscriptions.last_error().or_else(|| server.commands.last_error());
        self.servers.iter().find_map(error).map(Into::into)
    }

    fn announce<'a>(&'a self, channel: &'a ChannelName) -> BoxFuture<'a, Result<(), LayerError>> {
        self.server(channel.as_str()).subscriptions.confirmed(channel.to_string()).boxed()
    }

    fn release(&self, channel: &ChannelName) {
        let Some(groups) = self.state.table.remove(channel) else { return };
        for (group, change) in groups {
            if change == MembershipChange::OfGroup {
                self.unsubscribe(&group);
            }
        }
        self.server(channel.as_str()).subscriptions.mark_dirty(channel.to_string());
    }

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a> {
        async move {
            if self.publish(channel.to_string(), envelope.body().clone()).await? == 0 {
                self.state.table.counters().count_unread(1);
            }
            Ok(())
        }
        .boxed()
        .right_future()
    }

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope, history: Option<History>) -> Sent<'a> {
        let body = envelope.body().clone();
        let sent = match history {
            Some(history) => self.record(group, body, history).boxed(),
            None => self.publish(self.state.topic_of(group), body).map_ok(drop).boxed(),
        };
        sent.right_future()
    }

    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, own: &'a ChannelName) -> Sent<'a> {
        self.publish_to_others(self.state.topic_of(group), envelope.body().clone(), own).boxed().right_future()
    }

    fn group_add<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        async move {
            let topic = self.state.topic_of(group);
            let confirmed = self.server(&topic).subscriptions.confirmed(topic);
            join(&self.state.table, group, channel, confirmed, || self.leave(group, channel)).await
        }
        .boxed()
    }

    fn group_add_since<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
        history: History,
        since: &'a Since,
    ) -> BoxFuture<'a, Result<Joined, LayerError>> {
        async move {
            if !self.state.table.has_channel(channel) {
                return Err(LayerError::NotLocal { channel: channel.to_string() });
            }
            let joined = timeout(CALL_DEADLINE, self.join_since(group, channel, history, since)).await;
            joined.unwrap_or_else(|late| Err(unavailable_at(&self.server_of(group).host, RECALLING, late)))
        }
        .boxed()
    }

    fn history<'a>(&'a self, group: &'a GroupName, _: History) -> BoxFuture<'a, Result<Vec<Envelope>, LayerError>> {
        async move {
            self.check_open()?;
            let Server { host, commands, .. } = self.server_of(group);
            let PubSubState { table, codec, .. } = &*self.state;
            let reply = commands.run(RECALLING, Recall { keys: self.state.history_keys(group), known: None }).await?;
            let recalled = Recalled::from_reply(reply).map_err(|error| unavailable_at(host, RECALLING, error))?;
            let reign = recalled.reign.unwrap_or_default();
            let kept = recalled.open(codec, |error| table.counters().count_garbage(group.as_str(), &error));
            let kept = kept.into_iter();
            Ok(kept.map(|(link, envelope)| envelope.at(Position::new(group, reign, link.at))).collect())
        }
        .boxed()
    }

    fn forget_history<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        async move {
            self.check_open()?;
            let Server { commands, recalls, .. } = self.server_of(group);
            let mut delete = cmd("DEL");
            delete.arg(self.state.history_keys(group).kept);
            commands.send::<usize>("DEL", delete).await?;
            recalls.forget(group.clone());
            let message = PeerMessage::HistoryForgotten(group.clone()).seal(&self.state.codec);
            publish(commands, &self.state.processes, &message).await.map(drop)
        }
        .boxed()
    }

    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        self.leave(group, channel);
        std::future::ready(Ok(())).boxed()
    }

    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>> {
        async move { Ok(self.request_members(group, true).await?.names) }.boxed()
    }

    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>> {
        async move { Ok(self.request_members(group, false).await?.count) }.boxed()
    }

    fn jobs<'a>(&'a self, channel: &'a ChannelName) -> Jobs<'a> {
        async move {
            self.check_open()?;
            let Server { host, commands, subscriptions, .. } = self.server(channel.as_str());
            let (topic, received) = self.state.jobs.open(channel);
            let (state, subscriptions) = (Arc::clone(&self.state), Arc::clone(subscriptions));
            // From here on, dropping this future closes the topic.
            let subscription = JobSubscription { state, subscriptions, channel: channel.clone() };
            let offers = || {
                let (state, subscriptions) = (Arc::clone(&self.state), Arc::clone(&subscription.subscriptions));
                JobOffers { state, topic: Arc::clone(&topic), commands: commands.clone(), subscriptions }
            };
            if let Some(received) = received {
                self.tasks.spawn(offers().run(received));
            }
            offers().wait_until_numbering().await?;
            let queue = PubSubWorkerQueue::new(subscription, Arc::clone(host));
            Ok(Some(Box::new(queue) as Box<dyn WorkerQueue>))
        }
        .boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>> {
        let groups = self.state.table.groups();
        self.state.table.flush();
        for group in groups {
            self.unsubscribe(&group);
        }
        std::future::ready(Ok(())).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.tasks.stop().await;
            for server in &self.servers {
                server.subscriptions.close();
                server.recalls.close();
            }
            self.state.table.close();
        }
        .boxed()
    }
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisPubSub({} servers, prefix {:?})", self.servers.len(), self.state.prefix)
    }
}
