//! The in-memory layer: messages stay in this process.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use uuid::Uuid;

use crate::codec::{Envelope, Format};
use crate::error::LayerError;
use crate::event::{History, Joined, Reign, Since};
use crate::layer::backend::{Backend, Sent};
use crate::layer::config::LayerConfig;
use crate::layer::delivery::Full;
use crate::layer::local_table::LocalTable;
use crate::name::{ChannelName, GroupName};

/// The in-memory layer of one process.
#[derive(Debug)]
pub(crate) struct Memory {
    table: LocalTable,
    /// The part of the channel names before the `!`.
    process: String,
    /// The number of the next channel.
    next: AtomicU64,
    /// The identity of this layer's life: a position of another one has a gap behind it.
    reign: Reign,
    closed: AtomicBool,
}

impl Memory {
    pub(crate) fn new(config: &LayerConfig) -> Self {
        let table = LocalTable::new("this process");
        table.histories().set_limit(config.history_memory);
        Self {
            table,
            // Eight digits distinguish the layer from others of this process. More would cost memory in each connection's name.
            process: format!("specific.{}", &Uuid::new_v4().simple().to_string()[..8]),
            next: AtomicU64::new(0),
            reign: Reign::random(),
            closed: AtomicBool::new(false),
        }
    }

    fn check_open(&self) -> Result<(), LayerError> {
        if self.closed.load(Relaxed) { Err(LayerError::Closed) } else { Ok(()) }
    }
}

impl Backend for Memory {
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
        let number = self.next.fetch_add(1, Relaxed);
        ChannelName::from_checked(format!("{}!{number:x}", self.process).into())
    }

    fn release(&self, channel: &ChannelName) {
        self.table.remove(channel);
    }

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a> {
        if let Err(closed) = self.check_open() {
            return ready(Err(closed)).left_future();
        }
        let sent = match self.table.send(channel, &envelope) {
            // As in Django Channels, a message to a channel without a reader is not an error.
            Ok(true | false) => Ok(()),
            Err(Full { capacity }) => Err(LayerError::ChannelFull { channel: channel.to_string(), capacity }),
        };
        ready(sent).left_future()
    }

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope, history: Option<History>) -> Sent<'a> {
        let open = self.check_open();
        match history {
            _ if open.is_err() => {}
            Some(history) => self.table.record(group, &envelope, history, self.reign),
            None => self.table.group_send(group, &envelope),
        }
        ready(open).left_future()
    }

    fn group_send_others<'a>(
        &'a self,
        group: &'a GroupName,
        envelope: Envelope,
        excluded: &'a ChannelName,
    ) -> Sent<'a> {
        let open = self.check_open();
        if open.is_ok() {
            self.table.group_send_others(group, &envelope, excluded);
        }
        ready(open).left_future()
    }

    fn group_add<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        let added = self.table.add(group, channel);
        let result = added.map(drop).ok_or_else(|| LayerError::NotLocal { channel: channel.to_string() });
        ready(result).boxed()
    }

    fn group_add_since<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
        history: History,
        since: &'a Since,
    ) -> BoxFuture<'a, Result<Joined, LayerError>> {
        let added = self.table.add_since(group, channel, history, self.reign, since);
        ready(added.ok_or_else(|| LayerError::NotLocal { channel: channel.to_string() })).boxed()
    }

    fn history<'a>(&'a self, group: &'a GroupName, _: History) -> BoxFuture<'a, Result<Vec<Envelope>, LayerError>> {
        ready(self.check_open().map(|()| self.table.kept(group))).boxed()
    }

    fn forget_history<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        let open = self.check_open();
        if open.is_ok() {
            self.table.forget_history(group);
        }
        ready(open).boxed()
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
        ready(self.check_open().map(|()| self.table.member_names(group))).boxed()
    }

    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>> {
        ready(self.check_open().map(|()| self.table.members(group))).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>> {
        self.table.flush();
        ready(Ok(())).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.closed.store(true, Relaxed);
        self.table.close();
        ready(()).boxed()
    }
}
