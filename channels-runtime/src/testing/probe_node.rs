//! The layer of one simulated process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::codec::{Envelope, Format};
use crate::error::LayerError;
use crate::event::{History, Joined, Since};
use crate::layer::{Backend, Jobs, LayerConfig, LocalTable, NotReady, Sent as Sending, WorkerQueue};
use crate::name::{ChannelName, GroupName};
use crate::testing::probe_bus::{Bus, CutOff};
use crate::testing::sent::{Sent, Target};

/// The layer of one process.
pub(super) struct Node {
    bus: Arc<Bus>,
    number: usize,
    table: Arc<LocalTable>,
    config: LayerConfig,
    next: AtomicU64,
    closed: AtomicBool,
}

/// The history of a group that a join has opened.
struct OpenHistory<'a> {
    table: &'a LocalTable,
    group: &'a GroupName,
}

impl Drop for OpenHistory<'_> {
    fn drop(&mut self) {
        self.table.close_history(self.group);
    }
}

impl Node {
    /// Adds a process to the bus.
    pub(super) fn new(bus: Arc<Bus>, config: LayerConfig) -> Self {
        let mut added = None;
        let number = bus.shared.add_process(|number| {
            let table = Arc::new(LocalTable::new(format!("process {number}")));
            table.histories().set_limit(config.history_memory);
            Arc::clone(added.insert(table))
        });
        let table = added.expect("a process has a table");
        Self { bus, number, table, config, next: AtomicU64::new(0), closed: AtomicBool::new(false) }
    }

    /// # Errors
    /// The layer was closed, or the test has cut the process off.
    fn check_reachable(&self, action: &'static str) -> Result<(), LayerError> {
        if self.closed.load(Relaxed) {
            return Err(LayerError::Closed);
        }
        if self.bus.shared.lock().processes[self.number].is_cut_off {
            return Err(unavailable(action, CutOff));
        }
        Ok(())
    }

    fn sending(
        &self,
        to: Target,
        but: Option<ChannelName>,
        envelope: Envelope,
        history: Option<History>,
    ) -> Sending<'_> {
        let sent = Sent { to, but, process: self.number, envelope };
        let reachable = self.check_reachable("sending a message");
        ready(reachable.and_then(|()| self.bus.shared.send(sent, history))).left_future()
    }

    async fn recalled(&self, group: &GroupName, is_suspect: bool) -> Result<(), LayerError> {
        let recalled = self.bus.shared.recalled(self.number, group.clone(), is_suspect).await;
        recalled.map_err(|error| unavailable(RECALLING, error))
    }

    /// Joins a group with a history, as with Redis.
    async fn join_since(
        &self,
        group: &GroupName,
        channel: &ChannelName,
        history: History,
        since: &Since,
    ) -> Result<Joined, LayerError> {
        let not_local = || LayerError::NotLocal { channel: channel.to_string() };
        self.check_reachable(RECALLING)?;
        if !self.table.has_channel(channel) {
            return Err(not_local());
        }
        self.table.open_history(group, history);
        let _open = OpenHistory { table: &self.table, group };
        // The client may have received a message of another process that is still on its way to this one.
        if self.table.is_behind(group, since) {
            self.recalled(group, true).await?;
        }
        loop {
            match self.table.add_recalled(group, channel, since) {
                Ok(joined) => return joined.ok_or_else(not_local),
                Err(NotReady) if self.table.has_history(group) => self.recalled(group, false).await?,
                Err(NotReady) => return Err(unavailable(RECALLING, "all groups were removed meanwhile")),
            }
        }
    }
}

/// The action in an error.
const RECALLING: &str = "recalling the history of a group";

fn unavailable(action: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LayerError {
    LayerError::Unavailable { server: None, action, source: cause.into() }
}

impl Backend for Node {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn table(&self) -> &LocalTable {
        &self.table
    }

    fn format(&self) -> Format {
        Format::Msgpack
    }

    fn new_channel_name(&self) -> ChannelName {
        // The same in every run, unlike the names of a real layer.
        let (process, channel) = (self.number, self.next.fetch_add(1, Relaxed));
        ChannelName::from_checked(format!("specific.process{process}!{channel:x}").into())
    }

    fn release(&self, channel: &ChannelName) {
        self.table.remove(channel);
    }

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sending<'a> {
        self.sending(Target::Channel(channel.clone()), None, envelope, None)
    }

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope, history: Option<History>) -> Sending<'a> {
        self.sending(Target::Group(group.clone()), None, envelope, history)
    }

    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, own: &'a ChannelName) -> Sending<'a> {
        self.sending(Target::Group(group.clone()), Some(own.clone()), envelope, None)
    }

    fn group_add<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        let reachable = self.check_reachable("joining a group");
        let added = reachable.and_then(|()| {
            self.table.add(group, channel).ok_or_else(|| LayerError::NotLocal { channel: channel.to_string() })
        });
        ready(added.map(drop)).boxed()
    }

    fn group_add_since<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
        history: History,
        since: &'a Since,
    ) -> BoxFuture<'a, Result<Joined, LayerError>> {
        self.join_since(group, channel, history, since).boxed()
    }

    fn history<'a>(&'a self, group: &'a GroupName, _: History) -> BoxFuture<'a, Result<Vec<Envelope>, LayerError>> {
        let reachable = self.check_reachable(RECALLING);
        ready(reachable.map(|()| self.bus.shared.lock().histories.kept(group))).boxed()
    }

    fn forget_history<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        let reachable = self.check_reachable("removing the history of a group");
        ready(reachable.map(|()| self.bus.shared.forget_history(group))).boxed()
    }

    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        self.table.discard(group, channel);
        ready(Ok(())).boxed()
    }

    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>> {
        let reachable = self.check_reachable("requesting the members of a group from all processes");
        let names = || {
            let state = self.bus.shared.lock();
            let reachable = state.processes.iter().filter(|process| !process.is_cut_off);
            reachable.flat_map(|process| process.table.member_names(group)).collect()
        };
        ready(reachable.map(|()| names())).boxed()
    }

    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>> {
        async move { Ok(self.group_members(group).await?.len()) }.boxed()
    }

    fn jobs<'a>(&'a self, channel: &'a ChannelName) -> Jobs<'a> {
        let jobs = Arc::clone(&self.bus.shared.lock().queues.entry(channel.to_string()).or_default().jobs);
        let queue = jobs.open(channel.as_str(), &self.config, &self.table);
        ready(Ok(Some(Box::new(queue) as Box<dyn WorkerQueue>))).boxed()
    }

    /// Removes the groups of every process.
    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>> {
        for process in &self.bus.shared.lock().processes {
            process.table.flush();
        }
        ready(Ok(())).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.closed.store(true, Relaxed);
        self.table.close();
        ready(()).boxed()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerProbe(process {})", self.number)
    }
}
