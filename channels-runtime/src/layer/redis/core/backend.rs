//! The layer of `channels_redis.core.RedisChannelLayer`: messages wait in sorted sets, one for each process.
//!
//! On the wire: the members of the group `room` are the sorted set `asgi:group:room`. A process reads the sorted set
//! `asgispecific.<its id>!`, whose entries name their channels. A general channel has its own sorted set.
//!
//! A sender reads the members of the group from Redis, and adds one entry to the queue of each process that has members. It
//! delivers to the channels of its own process directly. Through Redis these messages would arrive later, and a process that
//! sends faster than it reads would fill its own queue and lose messages. One sender's messages to a channel all take the same
//! path, so they keep their order.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use deadpool_redis::redis::{FromRedisValue, cmd};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready, try_join_all};
use indexmap::IndexMap;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::codec::{Envelope, Format};
use crate::error::{DecodeError, EncodeError, LayerError};
use crate::event::History;
use crate::layer::backend::{Backend, Jobs, Sent, WorkerQueue};
use crate::layer::config::LayerConfig;
use crate::layer::delivery::Full;
use crate::layer::handle::ChannelLayer;
use crate::layer::local_table::LocalTable;
use crate::layer::redis::address::RedisHost;
use crate::layer::redis::clock;
use crate::layer::redis::clock::Scores;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::commands::Commands;
use crate::layer::redis::connection_error::unavailable;
use crate::layer::redis::core::clock_check::ClockCheck;
use crate::layer::redis::core::keys::Keys;
use crate::layer::redis::core::memberships::Memberships;
use crate::layer::redis::core::queue;
use crate::layer::redis::core::queue::QueueReader;
use crate::layer::redis::core::queue_entry::open_entry;
use crate::layer::redis::core::state::CoreState;
use crate::layer::redis::group_join::join;
use crate::layer::redis::host::{Host, connect, peers};
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::limits::{CALL_DEADLINE, DEADLINE};
use crate::layer::redis::shard::shard_of;
use crate::layer::redis::store::{Entry, NotStored, Store};
use crate::layer::redis::tasks::Tasks;
use crate::layer::redis::worker_queue::{PoppedJob, PutBack, RedisWorkerQueue};
use crate::name::{ChannelName, GroupName, is_channel_name};

/// The number of keys that one command of a flush finds or deletes.
const FLUSH_BATCH: usize = 1000;

impl ChannelLayer {
    /// Returns the layer of channels_redis' `RedisChannelLayer`, with its defaults. Rust and Python processes that use
    /// the same Redis share groups.
    ///
    /// It differs from [`Self::redis_pubsub`] in four ways:
    ///
    /// - Messages wait in Redis, up to `capacity` for each process and general channel. So a process that was cut off for less
    ///   than `expiry` misses no message, unless its queue was full.
    /// - A sender to a channel gets an error if the queue is full.
    /// - Several workers share the messages of a general channel: each message goes to one of them.
    /// - A message to a group costs one more round trip.
    ///
    /// A message is delivered at most once: it is lost if a process dies before it handles the message.
    ///
    /// Several addresses spread the queues over several servers, as in channels_redis. Every process must list the same
    /// addresses in the same order.
    ///
    /// # Errors
    /// If an address is invalid, or a server does not reply.
    pub async fn redis_core<H: Clone + Into<RedisHost>>(hosts: &[H]) -> Result<Self, LayerError> {
        Self::redis_core_with(hosts, LayerConfig::default()).await
    }

    /// Returns the layer of [`Self::redis_core`] with another configuration.
    ///
    /// # Errors
    /// If an address is invalid, or a server does not reply.
    pub async fn redis_core_with<H: Clone + Into<RedisHost>>(
        hosts: &[H],
        config: LayerConfig,
    ) -> Result<Self, LayerError> {
        config.check()?;
        let hosts = connect(hosts.iter().cloned().map(Into::into)).await?;
        Ok(Self::new(Arc::new(Core::start(hosts, &config)), config))
    }
}

/// The core layer of one process.
pub(crate) struct Core {
    state: Arc<CoreState>,
    servers: Vec<Server>,
    scores: Scores,
    /// The number of the next message to a general channel. The servers take turns.
    next: AtomicUsize,
    /// Cancelled when the layer closes. After that, a send returns an error.
    closed: CancellationToken,
    tasks: Tasks,
}

struct Server {
    host: Arc<Host>,
    commands: Commands,
    memberships: Arc<Memberships>,
    /// The error of the task that reads the queue.
    reading_error: Arc<LastError>,
    /// Cancelled when that task has ended.
    read_all: CancellationToken,
}

impl Core {
    fn start(hosts: Vec<Arc<Host>>, config: &LayerConfig) -> Self {
        let state = Arc::new(CoreState {
            table: LocalTable::new(peers(&hosts)),
            config: config.clone(),
            codec: Codec::for_core(config),
            keys: Keys::new(&config.prefix),
            servers: hosts.len(),
            process: format!("specific.{}!", Uuid::new_v4().simple()),
        });
        let (tasks, closed) = (Tasks::new(), CancellationToken::new());
        let servers = hosts.into_iter().enumerate().map(|(index, host)| {
            let (commands, sending) = Commands::new(Arc::clone(&host));
            let memberships = Arc::new(Memberships::new(Arc::clone(&state), index));
            let writing = Arc::clone(&memberships).run(Arc::clone(&host));
            // The process has a queue on every server. Rust processes use only one of them, but channels_redis selects the
            // server by the hash of the whole channel name.
            let (reading_error, read_all) = (Arc::<LastError>::default(), CancellationToken::new());
            let reader = QueueReader {
                host: Arc::clone(&host),
                state: Arc::clone(&state),
                memberships: Arc::clone(&memberships),
                last_error: Arc::clone(&reading_error),
                clock: ClockCheck::new(config.expiry),
                closed: closed.clone(),
            };
            let has_read_all = read_all.clone().drop_guard();
            let reading = async move {
                reader.run().await;
                drop(has_read_all);
            };
            tasks.spawn(sending);
            tasks.spawn(writing);
            tasks.spawn(reading);
            Server { host, commands, memberships, reading_error, read_all }
        });
        let servers = servers.collect();
        let (scores, next) = (Scores::default(), AtomicUsize::new(0));
        Self { state, servers, scores, next, closed, tasks }
    }

    /// Returns the server of a group or process.
    fn server(&self, name: &str) -> &Server {
        &self.servers[shard_of(name, self.servers.len())]
    }

    fn check_open(&self) -> Result<(), LayerError> {
        if self.closed.is_cancelled() { Err(LayerError::Closed) } else { Ok(()) }
    }

    fn store(&self, entries: Vec<Entry>) -> Store {
        let expiry = self.state.config.expiry;
        let score = self.scores.next();
        Store { score, cutoff: clock::cutoff(score, expiry), expiry: clock::whole_seconds(expiry), entries }
    }

    async fn send_one(&self, channel: &ChannelName, envelope: Envelope) -> Result<(), LayerError> {
        let non_local = channel.non_local();
        if non_local == self.state.process {
            self.check_open()?;
            return match self.state.table.send(channel, &envelope) {
                // A message to a channel without a reader is not an error, as on the other layers.
                Ok(true | false) => Ok(()),
                Err(Full { capacity }) => Err(LayerError::ChannelFull { channel: channel.to_string(), capacity }),
            };
        }
        let server = if non_local.ends_with('!') {
            self.server(non_local)
        } else {
            &self.servers[self.next.fetch_add(1, Relaxed) % self.servers.len()]
        };
        self.send_one_through(server, channel, envelope).await
    }

    async fn send_one_through(
        &self,
        server: &Server,
        channel: &ChannelName,
        envelope: Envelope,
    ) -> Result<(), LayerError> {
        self.check_open()?;
        let state = &self.state;
        let non_local = channel.non_local();
        let body = if non_local.ends_with('!') {
            // The channels of a process share its queue, so the message names its channel.
            let body = envelope.body_for(channel.as_str());
            body.map_err(|source| encode_error(&envelope, source))?.into()
        } else {
            envelope.body().clone()
        };
        let capacity = state.config.capacity_of(channel.as_str());
        let entry = Entry { queue: state.keys.queue(non_local), capacity, message: state.codec.seal(body) };
        let not_stored = server.commands.store(self.store(vec![entry])).await?;
        if !not_stored.wrong_type.is_empty() {
            return Err(unavailable("ZADD", DecodeError::NoQueue));
        }
        if !not_stored.full.is_empty() {
            return Err(LayerError::ChannelFull { channel: channel.to_string(), capacity });
        }
        Ok(())
    }

    /// Returns the members of the group in Redis, in the order in which they joined.
    async fn members(&self, group: &GroupName) -> Result<Vec<Vec<u8>>, LayerError> {
        self.query_members("ZRANGEBYSCORE", group).await
    }

    /// Runs a command on the members of the group that have not expired.
    async fn query_members<T: FromRedisValue>(
        &self,
        command: &'static str,
        group: &GroupName,
    ) -> Result<T, LayerError> {
        let cutoff = clock::cutoff(clock::now(), self.state.config.group_expiry);
        let mut query = cmd(command);
        // Only scores above the cutoff. The next join removes the expired members.
        query.arg(self.state.keys.group(group)).arg(format!("({cutoff}")).arg("+inf");
        self.server(group.as_str()).commands.send(command, query).await
    }

    /// Sends to all members except `excluded`.
    async fn send_to_group(
        &self,
        group: &GroupName,
        envelope: Envelope,
        excluded: Option<&ChannelName>,
    ) -> Result<(), LayerError> {
        self.check_open()?;
        let mut members = self.members(group).await?;
        if let Some(excluded) = excluded {
            members.retain(|member| member != excluded.as_str().as_bytes());
        }
        let state = &self.state;
        let counters = state.table.counters();
        let count_invalid = || counters.count_garbage(&state.keys.group(group), &DecodeError::NoName);
        let mut queues = queues_of(&members, count_invalid);
        let own = queues.swap_remove(state.process.as_str());
        /// A process or general channel, and the number of its members in the group.
        type QueueSize<'a> = (&'a str, usize);
        let mut stores: BTreeMap<usize, (Vec<Entry>, Vec<QueueSize<'_>>)> = BTreeMap::new();
        for (non_local, channels) in &queues {
            let body = envelope.body_for(channels).map_err(|source| encode_error(&envelope, source))?;
            let entry = Entry {
                queue: state.keys.queue(non_local),
                // The capacity of the first channel, as in channels_redis. The others share its queue.
                capacity: state.config.capacity_of(channels[0]),
                message: state.codec.seal(Bytes::from(body)),
            };
            let (entries, sizes) = stores.entry(shard_of(non_local, self.servers.len())).or_default();
            entries.push(entry);
            sizes.push((non_local, channels.len()));
        }
        let stored = stores.into_iter().map(|(server, (entries, sizes))| async move {
            let NotStored { full, wrong_type } = self.servers[server].commands.store(self.store(entries)).await?;
            let sizes_of = |indices: Vec<usize>| indices.into_iter().filter_map(|index| sizes.get(index));
            // Not an error: the process that owns the queue also finds the wrong value and deletes it, unless the process has
            // ended.
            sizes_of(wrong_type)
                .for_each(|(queue, _)| counters.count_garbage(&state.keys.queue(queue), &DecodeError::NoQueue));
            Ok::<_, LayerError>(sizes_of(full).map(|(_, channels)| channels).sum::<usize>())
        });
        let dropped: usize = try_join_all(stored).await?.into_iter().sum();
        if dropped > 0 {
            counters.count_over_capacity(group, dropped, members.len());
        }
        // Last, so that no channel of this process receives a message whose send failed.
        if let Some(own) = own {
            state.table.send_many(&own, &envelope);
        }
        Ok(())
    }

    /// Deletes all keys of the prefix.
    async fn delete_all(&self) -> Result<(), LayerError> {
        let pattern = self.state.keys.all();
        for server in &self.servers {
            let mut cursor = 0_u64;
            loop {
                let mut scan = cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(FLUSH_BATCH);
                let (next, keys): (u64, Vec<Vec<u8>>) = server.commands.send("SCAN", scan).await?;
                if !keys.is_empty() {
                    let mut delete = cmd("DEL");
                    delete.arg(keys);
                    server.commands.send::<u64>("DEL", delete).await?;
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Delivers the messages that a reader has popped. Otherwise they would be lost with its connection.
    async fn end_readers(&self) {
        let queue = self.state.own_queue();
        for server in &self.servers {
            // If Redis is unreachable, no pop is in flight.
            if server.commands.send::<i64>("ZADD", queue::wake(&queue)).await.is_ok() {
                server.read_all.cancelled().await;
            }
        }
    }

    /// Leaves all groups, deletes the queues of this process, and stops the tasks.
    async fn shut_down(&self) {
        self.closed.cancel();
        // The mailboxes still exist. A reader that reconnects now ends with its next attempt.
        _ = timeout(CALL_DEADLINE, self.end_readers()).await;
        let memberships = self.state.table.memberships();
        // The table is empty from here on, so the tasks remove all memberships from Redis.
        self.state.table.close();
        let leave = async {
            for server in &self.servers {
                server.memberships.check_all(memberships.clone());
                server.memberships.settled().await;
                // The reader may have ended with an earlier message.
                _ = server.commands.send::<u64>("ZREM", queue::remove_wake(&self.state.own_queue())).await;
                let mut count = cmd("ZCARD");
                count.arg(self.state.own_queue());
                if let Ok(unread) = server.commands.send("ZCARD", count).await {
                    self.state.table.counters().count_unread(unread);
                }
                let mut delete = cmd("DEL");
                delete.arg(self.state.own_queue());
                _ = server.commands.send::<u64>("DEL", delete).await;
            }
        };
        if timeout(DEADLINE, leave).await.is_err() {
            tracing::warn!("memberships are left in Redis until they expire");
        }
        self.tasks.stop().await;
        for server in &self.servers {
            server.memberships.close();
        }
    }
}

/// Groups the members by their queue. Calls `count_invalid` for each member that is not a channel name.
fn queues_of(members: &[Vec<u8>], count_invalid: impl Fn()) -> IndexMap<&str, Vec<&str>> {
    let mut queues: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for member in members {
        let Ok(channel) = std::str::from_utf8(member) else {
            count_invalid();
            continue;
        };
        let non_local = channel.find('!').map_or(channel, |end| &channel[..=end]);
        queues.entry(non_local).or_default().push(channel);
    }
    // Checks the part of the names up to the `!`, once for each queue. The process of the queue checks the rest.
    queues.retain(|non_local, channels| {
        let is_valid = is_channel_name(non_local.strip_suffix('!').unwrap_or(non_local));
        if !is_valid {
            channels.iter().for_each(|_| count_invalid());
        }
        is_valid
    });
    queues
}

fn encode_error(envelope: &Envelope, source: EncodeError) -> LayerError {
    LayerError::Encode { event: envelope.event_name().into(), source }
}

impl Backend for Core {
    fn kind(&self) -> &'static str {
        "core"
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

    fn last_error(&self) -> Option<Box<dyn StdError + Send + Sync>> {
        let error = |server: &Server| {
            let error = server.reading_error.get().or_else(|| server.commands.last_error());
            error.or_else(|| server.memberships.last_error())
        };
        self.servers.iter().find_map(error).map(Into::into)
    }

    fn new_channel_name(&self) -> ChannelName {
        // 72 random bits in 12 characters: too many to guess, but short, because a message to a group lists all names. The
        // middle of a UUID contains its version, so the bits come from its ends.
        let random = Uuid::new_v4();
        let mut bits = [0; 9];
        bits.copy_from_slice(&random.as_bytes()[7..]);
        bits[1] = random.as_bytes()[0];
        ChannelName::from_checked(format!("{}{}", self.state.process, URL_SAFE_NO_PAD.encode(bits)).into())
    }

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn send_through<'a>(
        &'a self,
        server: usize,
        channel: &'a ChannelName,
        envelope: Envelope,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        self.send_one_through(&self.servers[server], channel, envelope).boxed()
    }

    fn release(&self, channel: &ChannelName) {
        let Some(groups) = self.state.table.remove(channel) else { return };
        for (group, _) in groups {
            self.server(group.as_str()).memberships.mark_dirty(group.clone(), channel.clone());
        }
    }

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a> {
        self.send_one(channel, envelope).boxed().right_future()
    }

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope, _: Option<History>) -> Sent<'a> {
        self.send_to_group(group, envelope, None).boxed().right_future()
    }

    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, own: &'a ChannelName) -> Sent<'a> {
        self.send_to_group(group, envelope, Some(own)).boxed().right_future()
    }

    fn group_add<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        async move {
            let memberships = &self.server(group.as_str()).memberships;
            let leave = || {
                self.state.table.discard(group, channel);
                memberships.mark_dirty(group.clone(), channel.clone());
            };
            join(&self.state.table, group, channel, memberships.confirmed(group, channel), leave).await
        }
        .boxed()
    }

    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        async move {
            self.state.table.discard(group, channel);
            // Redis can also remove a channel of another process.
            self.server(group.as_str()).memberships.confirmed(group, channel).await
        }
        .boxed()
    }

    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>> {
        async move {
            self.check_open()?;
            let members = self.members(group).await?;
            let names = members.iter().filter_map(|member| std::str::from_utf8(member).ok());
            Ok(names.filter_map(|name| ChannelName::new(name).ok()).collect())
        }
        .boxed()
    }

    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>> {
        async move {
            self.check_open()?;
            self.query_members("ZCOUNT", group).await
        }
        .boxed()
    }

    fn jobs<'a>(&'a self, channel: &'a ChannelName) -> Jobs<'a> {
        let hosts = self.servers.iter().map(|server| Arc::clone(&server.host));
        let queue = self.state.keys.queue(channel.as_str());
        let state = Arc::clone(&self.state);
        // Only this channel uses the queue, so the channel names of a message to a group are not checked.
        let open = move |job: PoppedJob| open_entry(&state, "a worker's queue", job.entry, |envelope, _| Ok(envelope));
        let counters = self.state.table.counters();
        let put_back = PutBack { spawner: self.tasks.spawner(), expiry: self.state.config.expiry };
        let queue = RedisWorkerQueue::new(hosts, &queue, counters, false, Some(put_back), Box::new(open));
        ready(Ok(Some(Box::new(queue) as Box<dyn WorkerQueue>))).boxed()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        async {
            for server in &self.servers {
                server.memberships.settled().await;
            }
        }
        .boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>> {
        async {
            self.state.table.flush();
            // Otherwise Redis could execute a write in flight after the deletion.
            let settled = timeout(DEADLINE, self.settled()).await;
            settled.map_err(|late| unavailable("writing the memberships", late))?;
            self.delete_all().await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shut_down().boxed()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisCore({} servers, prefix {:?})", self.servers.len(), self.state.config.prefix)
    }
}
