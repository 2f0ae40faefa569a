//! The layer of `channels_redis.pubsub.RedisPubSubChannelLayer`: one PUBLISH for each send, one SUBSCRIBE for each group
//! and process.
//!
//! On the wire: the group `room` is the Redis channel `asgi__group__room`, a channel's own name is its Redis channel, and
//! the payload is the serialized message with nothing around it. Redis keeps nothing, so what is published while a process
//! is cut off does not reach it, and a sender never learns that a mailbox elsewhere is full.
//!
//! A process also subscribes to a name of its own, and to one that all processes of this kind share ([`processes`](super::processes)).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use deadpool_redis::redis::cmd;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::codec::{Envelope, Format};
use crate::error::{DecodeError, LayerError};
use crate::layer::backend::{Backend, Sent};
use crate::layer::config::LayerConfig;
use crate::layer::handle::ChannelLayer;
use crate::layer::redis::address::RedisHost;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::commands::Commands;
use crate::layer::redis::connection_error::unavailable;
use crate::layer::redis::host::{Host, connect, peers};
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pubsub::peers::{Asked, Heard, PeerMessage, QUESTIONS, Question};
use crate::layer::redis::pubsub::subscriber::{Subscriptions, Topics};
use crate::layer::redis::shard::shard_of;
use crate::layer::table::{LocalTable, MembershipChange};
use crate::name::{ChannelName, GroupName};

impl ChannelLayer {
    /// The layer of channels_redis' `RedisPubSubChannelLayer`, with its defaults: processes that use the same Redis share
    /// groups, whether they are Rust or Python.
    ///
    /// Redis keeps nothing: what is sent while a process is cut off does not reach it, and a sender to a channel is not
    /// told when its mailbox is full. What is sent to a channel with workers in several processes, each of them gets.
    /// [`Self::redis_core`] differs in all three.
    ///
    /// Several addresses spread the names over several servers, as channels_redis does; every process must list the same
    /// ones in the same order.
    ///
    /// # Errors
    /// When an address is not one, a server does not answer, or no name that begins with the prefix is legal.
    pub async fn redis_pubsub<H: Clone + Into<RedisHost>>(hosts: &[H]) -> Result<Self, LayerError> {
        Self::redis_pubsub_with(hosts, LayerConfig::default()).await
    }

    /// As [`Self::redis_pubsub`], with another configuration.
    ///
    /// # Errors
    /// The same.
    pub async fn redis_pubsub_with<H: Clone + Into<RedisHost>>(
        hosts: &[H],
        config: LayerConfig,
    ) -> Result<Self, LayerError> {
        check_prefix(&config.prefix)?;
        let hosts = connect(hosts.iter().cloned().map(Into::into)).await?;
        Ok(Self::new(Arc::new(PubSub::start(hosts, &config)), config))
    }
}

/// Publishes to a group between two words to the process that does it. Redis does all three as one, so what this process hears
/// between the two words is that message and no other; or nothing, if it does not listen to the group. The names are no
/// `KEYS`, because who may use keys is another question to Redis than who may use its channels.
const PUBLISH_BETWEEN: &str = "\
redis.call('PUBLISH', ARGV[1], ARGV[3])
local heard = redis.pcall('PUBLISH', ARGV[2], ARGV[4])
redis.call('PUBLISH', ARGV[1], ARGV[5])
return heard";

/// Names begin with the prefix, and Redis has them as they are: one that is not legal could be subscribed by nobody.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), LayerError> {
    let name = ChannelName::new(new_name(prefix)).map(drop);
    name.map_err(|source| LayerError::Prefix { prefix: prefix.into(), source })
}

fn new_name(prefix: &str) -> String {
    format!("{prefix}specific.{}", Uuid::new_v4().simple())
}

/// What the tasks share with the layer.
struct Shared {
    table: LocalTable,
    codec: Codec,
    prefix: String,
    servers: usize,
    /// The name of this process, subscribed on every server.
    process: String,
    /// The name of all processes, subscribed on every server.
    processes: String,
    asked: Asked,
}

pub(crate) struct PubSub {
    shared: Arc<Shared>,
    servers: Vec<Server>,
    tasks: TaskTracker,
    /// Ends the tasks; when the layer is dropped, too.
    stop: CancellationToken,
    runtime: Handle,
}

struct Server {
    commands: Commands,
    subscriptions: Arc<Subscriptions>,
}

impl PubSub {
    fn start(hosts: Vec<Arc<Host>>, config: &LayerConfig) -> Self {
        let (codec, prefix) = (Codec::for_pubsub(config), config.prefix.clone());
        let shared = Arc::new(Shared {
            table: LocalTable::new(peers(&hosts)),
            codec,
            process: format!("{prefix}__process__{}", Uuid::new_v4().simple()),
            processes: format!("{prefix}__processes"),
            asked: Asked::default(),
            prefix,
            servers: hosts.len(),
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let servers = hosts.into_iter().enumerate().map(|(index, host)| {
            let (commands, commanding) = Commands::new(Arc::clone(&host));
            let subscriptions = Arc::<Subscriptions>::default();
            let (questions, to_answer) = mpsc::channel(QUESTIONS);
            let topics = Arc::new(OfServer { shared: Arc::clone(&shared), index, questions });
            let subscribing = Arc::clone(&subscriptions).run(host, topics);
            let answering = answer(Arc::clone(&shared), commands.clone(), to_answer);
            tasks.spawn(stop.clone().run_until_cancelled_owned(commanding));
            tasks.spawn(stop.clone().run_until_cancelled_owned(subscribing));
            tasks.spawn(stop.clone().run_until_cancelled_owned(answering));
            Server { commands, subscriptions }
        });
        let servers = servers.collect();
        Self { shared, servers, tasks, stop, runtime: Handle::current() }
    }

    fn server(&self, topic: &str) -> &Server {
        &self.servers[shard_of(topic, self.servers.len())]
    }

    fn open(&self) -> Result<(), LayerError> {
        if self.stop.is_cancelled() { Err(LayerError::Closed) } else { Ok(()) }
    }

    /// Gives how many processes have heard it.
    async fn publish(&self, topic: String, body: Bytes) -> Result<usize, LayerError> {
        self.open()?;
        let body = self.shared.codec.seal(body);
        publish(&self.server(&topic).commands, &topic, &body).await
    }

    /// Publishes to a group, and tells this process to leave `own` out.
    async fn publish_to_others(&self, topic: String, body: Bytes, own: &ChannelName) -> Result<(), LayerError> {
        self.open()?;
        let Shared { codec, process, .. } = &*self.shared;
        let mut publish = cmd("EVAL");
        publish.arg(PUBLISH_BETWEEN).arg(0).arg(process).arg(&topic);
        publish.arg(&PeerMessage::But(own.clone()).seal(codec)[..]).arg(&codec.seal(body)[..]);
        publish.arg(&PeerMessage::ForAll.seal(codec)[..]);
        self.server(&topic).commands.send("PUBLISH", publish).await
    }

    /// Asks all processes, this one too, who is in the group. Redis says how many have heard the question.
    async fn ask(&self, group: &GroupName, names: bool) -> Result<Heard, LayerError> {
        const ACTION: &str = "asking all processes who is in a group";
        self.open()?;
        let Shared { codec, process, processes, asked, .. } = &*self.shared;
        let asking = asked.begin();
        let question = asking.question(process, group, names).seal(codec);
        let Server { commands, subscriptions } = self.server(&self.shared.topic_of(group));
        // Otherwise the answers would not arrive, this process's own among them.
        subscriptions.confirmed(process.clone()).await?;
        let heard_by = publish(commands, processes, &question).await?;
        if heard_by == 0 {
            return Err(unavailable(ACTION, "this process is cut off from Redis"));
        }
        if timeout(DEADLINE, asking.answered_by(heard_by)).await.is_ok() {
            return Ok(asking.heard());
        }
        let answered = asking.heard().processes;
        Err(unavailable(ACTION, format!("{answered} of {heard_by} have answered within {} s", DEADLINE.as_secs())))
    }
}

/// Gives how many have heard it.
async fn publish(commands: &Commands, topic: &str, sealed: &[u8]) -> Result<usize, LayerError> {
    let mut publish = cmd("PUBLISH");
    publish.arg(topic).arg(sealed);
    commands.send("PUBLISH", publish).await
}

/// Answers one question after the other, each through the server that it came from.
async fn answer(shared: Arc<Shared>, commands: Commands, mut questions: mpsc::Receiver<Question>) {
    while let Some(question) = questions.recv().await {
        for answer in question.answers(&shared.table) {
            // Whoever asked is told by its deadline.
            _ = publish(&commands, question.asker(), &answer.seal(&shared.codec)).await;
        }
    }
}

impl Shared {
    fn topic_of(&self, group: &GroupName) -> String {
        format!("{}__group__{group}", self.prefix)
    }

    /// The group of a name of Redis; `None` if it is a channel's.
    fn group_of(&self, topic: &str) -> Option<GroupName> {
        let group = topic.strip_prefix(&self.prefix)?.strip_prefix("__group__")?;
        GroupName::new(group).ok()
    }

    /// A message came for a group or for a channel.
    fn deliver(&self, but: Option<&ChannelName>, topic: &str, body: Bytes) -> Result<(), DecodeError> {
        let envelope = Envelope::from_wire(self.codec.open(body)?, self.codec.format())?;
        match (self.group_of(topic), but) {
            (Some(group), None) => self.table.group_send(&group, &envelope),
            (Some(group), Some(own)) => self.table.group_send_others(&group, &envelope, own),
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

/// The names that belong on one server.
struct OfServer {
    shared: Arc<Shared>,
    index: usize,
    questions: mpsc::Sender<Question>,
}

impl Topics for OfServer {
    type Mark = Option<ChannelName>;

    fn is_wanted(&self, topic: &str) -> bool {
        match self.shared.group_of(topic) {
            Some(group) => self.shared.table.members(&group) > 0,
            None if topic == self.shared.process || topic == self.shared.processes => true,
            None => ChannelName::new(topic).is_ok_and(|name| self.shared.table.has_channel(&name)),
        }
    }

    fn wanted(&self) -> Vec<String> {
        let groups = self.shared.table.groups().into_iter().map(|group| self.shared.topic_of(&group));
        let channels = self.shared.table.channel_names().into_iter().map(|name| name.to_string());
        let here = groups.chain(channels).filter(|topic| shard_of(topic, self.shared.servers) == self.index);
        // Before the groups: whoever hears a group has heard what is said about its messages.
        [self.shared.process.clone(), self.shared.processes.clone()].into_iter().chain(here).collect()
    }

    fn lost(&self) {
        self.shared.table.lost();
    }

    fn restored(&self) {
        self.shared.table.restored();
    }

    fn arrived(&self, but: &mut Option<ChannelName>, topic: &str, body: Bytes) {
        let Shared { codec, process, processes, asked, .. } = &*self.shared;
        let done = if topic == process || topic == processes {
            PeerMessage::open(body, codec).map(|word| match word {
                PeerMessage::But(own) => *but = Some(own),
                PeerMessage::ForAll => *but = None,
                PeerMessage::WhoIsIn(question) => _ = self.questions.try_send(question),
                PeerMessage::Members(answer) => asked.hear(answer),
            })
        } else {
            self.shared.deliver(but.as_ref(), topic, body)
        };
        if let Err(error) = done {
            self.shared.table.counters().count_garbage(topic, &error);
        }
    }
}

impl Backend for PubSub {
    fn kind(&self) -> &'static str {
        "pubsub"
    }

    fn table(&self) -> &LocalTable {
        &self.shared.table
    }

    fn format(&self) -> Format {
        self.shared.codec.format()
    }

    fn runtime(&self) -> Option<&Handle> {
        Some(&self.runtime)
    }

    fn new_channel_name(&self) -> ChannelName {
        ChannelName::from_checked(new_name(&self.shared.prefix).into())
    }

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn new_channel_name_on(&self, server: usize) -> ChannelName {
        // The name decides on the server: so many are tried, on average, as there are servers.
        loop {
            let name = self.new_channel_name();
            if shard_of(name.as_str(), self.servers.len()) == server {
                return name;
            }
        }
    }

    fn announce<'a>(&'a self, channel: &'a ChannelName) -> BoxFuture<'a, Result<(), LayerError>> {
        self.server(channel.as_str()).subscriptions.confirmed(channel.to_string()).boxed()
    }

    fn release(&self, channel: &ChannelName) {
        let Some(groups) = self.shared.table.remove(channel) else { return };
        for (group, change) in groups {
            if change == MembershipChange::OfGroup {
                let topic = self.shared.topic_of(&group);
                self.server(&topic).subscriptions.mark_dirty(topic);
            }
        }
        self.server(channel.as_str()).subscriptions.mark_dirty(channel.to_string());
    }

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a> {
        async move {
            if self.publish(channel.to_string(), envelope.body().clone()).await? == 0 {
                self.shared.table.counters().count_unread(1);
            }
            Ok(())
        }
        .boxed()
        .right_future()
    }

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope) -> Sent<'a> {
        self.publish(self.shared.topic_of(group), envelope.body().clone()).map_ok(drop).boxed().right_future()
    }

    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, own: &'a ChannelName) -> Sent<'a> {
        self.publish_to_others(self.shared.topic_of(group), envelope.body().clone(), own).boxed().right_future()
    }

    fn group_add<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        async move {
            let Some(change) = self.shared.table.add(group, channel) else {
                return Err(LayerError::NotLocal { channel: channel.to_string() });
            };
            // Here first, then there: a message that comes between the two finds its member.
            let topic = self.shared.topic_of(group);
            let confirmed = self.server(&topic).subscriptions.confirmed(topic).await;
            if confirmed.is_err() && change != MembershipChange::None {
                // Who is told that it did not join should not hear the group later.
                self.group_discard(group, channel).await?;
            }
            confirmed
        }
        .boxed()
    }

    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        if self.shared.table.discard(group, channel) == MembershipChange::OfGroup {
            let topic = self.shared.topic_of(group);
            self.server(&topic).subscriptions.mark_dirty(topic);
        }
        std::future::ready(Ok(())).boxed()
    }

    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>> {
        async move { Ok(self.ask(group, true).await?.names) }.boxed()
    }

    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>> {
        async move { Ok(self.ask(group, false).await?.count) }.boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>> {
        let topics = self.shared.table.groups().into_iter().map(|group| self.shared.topic_of(&group));
        let topics: Vec<_> = topics.collect();
        self.shared.table.flush();
        for topic in topics {
            self.server(&topic).subscriptions.mark_dirty(topic);
        }
        std::future::ready(Ok(())).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.stop.cancel();
            self.tasks.close();
            self.tasks.wait().await;
            for server in &self.servers {
                server.subscriptions.close();
            }
            self.shared.table.close();
        }
        .boxed()
    }
}

impl Drop for PubSub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisPubSub({} servers, prefix {:?})", self.servers.len(), self.shared.prefix)
    }
}
