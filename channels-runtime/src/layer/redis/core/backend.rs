//! The layer of `channels_redis.core.RedisChannelLayer`: messages wait in sorted sets, one for each process.
//!
//! On the wire: the members of the group `room` are the sorted set `asgi:group:room`; a process reads the sorted set
//! `asgispecific.<its id>!`, whose entries name the channels they are for; a general channel is a sorted set of its own.
//! A sender asks Redis who is in the group, and puts one entry into the queue of each process that has members. Its own
//! channels have their messages at once: through Redis they would arrive later, and a process that sends faster than it
//! reads would fill its own queue and lose what comes then. One sender's messages keep their order either way, because all
//! those for one channel go the same way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use deadpool_redis::redis::{FromRedisValue, cmd};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use indexmap::IndexMap;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::codec::{Envelope, Format};
use crate::error::{DecodeError, LayerError};
use crate::layer::backend::{Backend, Sent, WorkerQueue};
use crate::layer::config::LayerConfig;
use crate::layer::delivery::Full;
use crate::layer::handle::ChannelLayer;
use crate::layer::redis::address::RedisHost;
use crate::layer::redis::clock;
use crate::layer::redis::clock::Scores;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::commands::{Commands, Entry, NotStored, Store};
use crate::layer::redis::connection_error::unavailable;
use crate::layer::redis::core::keys::Keys;
use crate::layer::redis::core::memberships::Memberships;
use crate::layer::redis::core::queue;
use crate::layer::redis::core::state::Shared;
use crate::layer::redis::core::worker_queue::Queues;
use crate::layer::redis::host::{Host, connect, peers};
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::shard::shard_of;
use crate::layer::table::{LocalTable, MembershipChange};
use crate::name::{ChannelName, GroupName, is_channel_name};

/// How many keys are asked for, and deleted, at once.
const FLUSH: usize = 1000;

impl ChannelLayer {
    /// The layer of channels_redis' `RedisChannelLayer`, with its defaults: processes that use the same Redis share
    /// groups, whether they are Rust or Python.
    ///
    /// What differs from [`Self::redis_pubsub`]: messages wait in Redis, up to `capacity` for each process and general
    /// channel, so a process that was cut off for less than `expiry` misses nothing; a sender to a channel is told when
    /// the queue is full; and several workers share the messages of a general channel, each message going to one of
    /// them. It costs a round trip more for each message to a group.
    ///
    /// A message is delivered at most once: it is lost if a process dies with it in its hands.
    ///
    /// Several addresses spread the queues over several servers, as channels_redis does; every process must list the
    /// same ones in the same order.
    ///
    /// # Errors
    /// When an address is not one, or a server does not answer.
    pub async fn redis_core<H: Clone + Into<RedisHost>>(hosts: &[H]) -> Result<Self, LayerError> {
        Self::redis_core_with(hosts, LayerConfig::default()).await
    }

    /// As [`Self::redis_core`], with another configuration.
    ///
    /// # Errors
    /// The same.
    pub async fn redis_core_with<H: Clone + Into<RedisHost>>(
        hosts: &[H],
        config: LayerConfig,
    ) -> Result<Self, LayerError> {
        let hosts = connect(hosts.iter().cloned().map(Into::into)).await?;
        Ok(Self::new(Arc::new(Core::start(hosts, &config)), config))
    }
}

pub(crate) struct Core {
    shared: Arc<Shared>,
    servers: Vec<Server>,
    scores: Scores,
    /// The server for the next message to a general channel: they take turns.
    next: AtomicUsize,
    tasks: TaskTracker,
    /// Nothing is sent any more.
    closed: CancellationToken,
    /// Ends the tasks; when the layer is dropped, too.
    stop: CancellationToken,
    runtime: Handle,
}

struct Server {
    host: Arc<Host>,
    commands: Commands,
    memberships: Arc<Memberships>,
}

impl Core {
    fn start(hosts: Vec<Arc<Host>>, config: &LayerConfig) -> Self {
        let shared = Arc::new(Shared {
            table: LocalTable::new(peers(&hosts)),
            config: config.clone(),
            codec: Codec::for_core(config),
            keys: Keys::new(&config.prefix),
            servers: hosts.len(),
            process: format!("specific.{}!", Uuid::new_v4().simple()),
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let servers = hosts.into_iter().enumerate().map(|(index, host)| {
            let (commands, commanding) = Commands::new(Arc::clone(&host));
            let memberships = Arc::new(Memberships::new(Arc::clone(&shared), index));
            let writing = Arc::clone(&memberships).run(Arc::clone(&host));
            // On every server, although ours all come through one: channels_redis sends to a channel by the hash of its
            // whole name, and so to the wrong server.
            let reading = queue::run(Arc::clone(&host), Arc::clone(&shared), Arc::clone(&memberships));
            tasks.spawn(stop.clone().run_until_cancelled_owned(commanding));
            tasks.spawn(stop.clone().run_until_cancelled_owned(writing));
            tasks.spawn(stop.clone().run_until_cancelled_owned(reading));
            Server { host, commands, memberships }
        });
        let servers = servers.collect();
        let (scores, next, closed) = (Scores::default(), AtomicUsize::new(0), CancellationToken::new());
        Self { shared, servers, scores, next, tasks, closed, stop, runtime: Handle::current() }
    }

    /// The server of a group, or of a process.
    fn server(&self, name: &str) -> &Server {
        &self.servers[shard_of(name, self.servers.len())]
    }

    fn open(&self) -> Result<(), LayerError> {
        if self.closed.is_cancelled() { Err(LayerError::Closed) } else { Ok(()) }
    }

    fn store(&self, entries: Vec<Entry>) -> Store {
        let expiry = self.shared.config.expiry;
        let score = self.scores.next();
        Store { score, cutoff: clock::cutoff(score, expiry), expiry: clock::whole_seconds(expiry), entries }
    }

    async fn send_one(&self, channel: &ChannelName, envelope: Envelope) -> Result<(), LayerError> {
        let non_local = channel.non_local();
        if non_local == self.shared.process {
            self.open()?;
            return match self.shared.table.send(channel, &envelope) {
                // As elsewhere, a message for a channel that nobody reads is not an error.
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
        self.open()?;
        let shared = &self.shared;
        let non_local = channel.non_local();
        let body = if non_local.ends_with('!') {
            // Others share the queue, so the message says whom it is for.
            let body = envelope.body_for(channel.as_str());
            body.map_err(|source| encoding(&envelope, source))?.into()
        } else {
            envelope.body().clone()
        };
        let capacity = shared.config.capacity_of(channel.as_str());
        let entry = Entry { queue: shared.keys.queue(non_local), capacity, message: shared.codec.seal(body) };
        let not_stored = server.commands.store(self.store(vec![entry])).await?;
        if !not_stored.spoilt.is_empty() {
            return Err(unavailable("ZADD", DecodeError::NoQueue));
        }
        if !not_stored.full.is_empty() {
            return Err(LayerError::ChannelFull { channel: channel.to_string(), capacity });
        }
        Ok(())
    }

    /// The channels in the group, as Redis knows them, in the order in which they joined.
    async fn members(&self, group: &GroupName) -> Result<Vec<Vec<u8>>, LayerError> {
        self.of_members("ZRANGEBYSCORE", group).await
    }

    /// Asks Redis this about the channels in the group.
    async fn of_members<T: FromRedisValue>(&self, command: &'static str, group: &GroupName) -> Result<T, LayerError> {
        let cutoff = clock::cutoff(clock::now(), self.shared.config.group_expiry);
        let mut members = cmd(command);
        // Above the cutoff. What is below is taken out when a channel joins.
        members.arg(self.shared.keys.group(group)).arg(format!("({cutoff}")).arg("+inf");
        self.server(group.as_str()).commands.send(command, members).await
    }

    /// To all members, or to all but one.
    async fn send_to_group(
        &self,
        group: &GroupName,
        envelope: Envelope,
        but: Option<&ChannelName>,
    ) -> Result<(), LayerError> {
        self.open()?;
        let mut members = self.members(group).await?;
        if let Some(but) = but {
            members.retain(|member| member != but.as_str().as_bytes());
        }
        let shared = &self.shared;
        let counters = shared.table.counters();
        let garbage = || counters.count_garbage(&shared.keys.group(group), &DecodeError::NoName);
        let mut queues: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for member in &members {
            let Ok(channel) = std::str::from_utf8(member) else {
                garbage();
                continue;
            };
            let non_local = channel.find('!').map_or(channel, |bang| &channel[..=bang]);
            queues.entry(non_local).or_default().push(channel);
        }
        // Looked at once for each queue: what stands behind the `!` is for its process to know.
        queues.retain(|non_local, channels| {
            let is_one = is_channel_name(non_local.strip_suffix('!').unwrap_or(non_local));
            if !is_one {
                channels.iter().for_each(|_| garbage());
            }
            is_one
        });
        let own = queues.swap_remove(shared.process.as_str());
        /// A process or a general channel, and how many of the members are behind it.
        type Behind<'a> = (&'a str, usize);
        let mut stores: BTreeMap<usize, (Vec<Entry>, Vec<Behind<'_>>)> = BTreeMap::new();
        for (non_local, channels) in &queues {
            let body = envelope.body_for(channels).map_err(|source| encoding(&envelope, source))?;
            let entry = Entry {
                queue: shared.keys.queue(non_local),
                // That of the first, as in channels_redis; the others share its queue.
                capacity: shared.config.capacity_of(channels[0]),
                message: shared.codec.seal(Bytes::from(body)),
            };
            let (entries, sizes) = stores.entry(shard_of(non_local, self.servers.len())).or_default();
            entries.push(entry);
            sizes.push((non_local, channels.len()));
        }
        let stored = stores.into_iter().map(|(server, (entries, sizes))| async move {
            let NotStored { full, spoilt } = self.servers[server].commands.store(self.store(entries)).await?;
            let of = |places: Vec<usize>| places.into_iter().filter_map(|place| sizes.get(place));
            // Its process finds out, too, and makes it anew; one that is dead has nobody who would hear.
            of(spoilt).for_each(|(queue, _)| counters.count_garbage(&shared.keys.queue(queue), &DecodeError::NoQueue));
            Ok::<_, LayerError>(of(full).map(|(_, channels)| channels).sum::<usize>())
        });
        let over: usize = try_join_all(stored).await?.into_iter().sum();
        if over > 0 {
            counters.count_over_capacity(group, over, members.len());
        }
        // Last: when the sender is told that it failed, nobody here has heard it.
        if let Some(own) = own {
            shared.table.send_many(&own, &envelope);
        }
        Ok(())
    }

    /// Deletes the keys of this prefix.
    async fn delete_all(&self) -> Result<(), LayerError> {
        let pattern = self.shared.keys.all();
        for server in &self.servers {
            let mut cursor = 0_u64;
            loop {
                let mut scan = cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(FLUSH);
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

    async fn end(&self) {
        self.closed.cancel();
        let memberships = self.shared.table.memberships();
        // From here on the table says that nobody is a member, and so will Redis.
        self.shared.table.close();
        let left = async {
            for server in &self.servers {
                server.memberships.look_at_all(memberships.clone());
                server.memberships.settled().await;
                let mut delete = cmd("DEL");
                delete.arg(self.shared.own_queue());
                _ = server.commands.send::<u64>("DEL", delete).await;
            }
        };
        if timeout(DEADLINE, left).await.is_err() {
            tracing::warn!("memberships are left in Redis until they expire");
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        for server in &self.servers {
            server.memberships.close();
        }
    }
}

fn encoding(envelope: &Envelope, source: crate::error::EncodeError) -> LayerError {
    LayerError::Encode { event: envelope.event_name().into(), source }
}

impl Backend for Core {
    fn kind(&self) -> &'static str {
        "core"
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
        // 72 random bits in 12 characters: as hard to guess as it has to be, and every message to a group lists it. The
        // middle of a UUID holds its version, so its ends are taken.
        let random = Uuid::new_v4();
        let mut bits = [0; 9];
        bits.copy_from_slice(&random.as_bytes()[7..]);
        bits[1] = random.as_bytes()[0];
        ChannelName::from_checked(format!("{}{}", self.shared.process, URL_SAFE_NO_PAD.encode(bits)).into())
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
        let Some(groups) = self.shared.table.remove(channel) else { return };
        for (group, _) in groups {
            self.server(group.as_str()).memberships.mark_dirty(group.clone(), channel.clone());
        }
    }

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a> {
        self.send_one(channel, envelope).boxed().right_future()
    }

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope) -> Sent<'a> {
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
            let Some(change) = self.shared.table.add(group, channel) else {
                return Err(LayerError::NotLocal { channel: channel.to_string() });
            };
            let memberships = &self.server(group.as_str()).memberships;
            let written = memberships.written(group, channel).await;
            if written.is_err() && change != MembershipChange::None {
                // Who is told that it did not join should not hear the group later.
                self.shared.table.discard(group, channel);
                memberships.mark_dirty(group.clone(), channel.clone());
            }
            written
        }
        .boxed()
    }

    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        async move {
            self.shared.table.discard(group, channel);
            // Also for a channel of another process: in Redis it can be taken out.
            self.server(group.as_str()).memberships.written(group, channel).await
        }
        .boxed()
    }

    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>> {
        async move {
            self.open()?;
            let members = self.members(group).await?;
            let names = members.iter().filter_map(|member| std::str::from_utf8(member).ok());
            Ok(names.filter_map(|name| ChannelName::new(name).ok()).collect())
        }
        .boxed()
    }

    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>> {
        async move {
            self.open()?;
            self.of_members("ZCOUNT", group).await
        }
        .boxed()
    }

    fn jobs(&self, channel: &ChannelName) -> Option<Box<dyn WorkerQueue>> {
        let hosts = self.servers.iter().map(|server| Arc::clone(&server.host));
        let queue = self.shared.keys.queue(channel.as_str());
        Some(Box::new(Queues::new(Arc::clone(&self.shared), hosts, &queue)))
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
            self.shared.table.flush();
            // A membership that is being written now would come behind the deletion.
            let settled = timeout(DEADLINE, self.settled()).await;
            settled.map_err(|late| unavailable("writing the memberships", late))?;
            self.delete_all().await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.end().boxed()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisCore({} servers, prefix {:?})", self.servers.len(), self.shared.config.prefix)
    }
}
