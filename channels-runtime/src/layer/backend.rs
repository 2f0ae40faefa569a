//! The contract of a channel layer backend.

use std::fmt;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Ready};

use crate::codec::{Envelope, Format};
use crate::error::LayerError;
use crate::layer::table::LocalTable;
use crate::name::{ChannelName, GroupName};

/// How a send goes: done already, as within a process, or under way.
pub(crate) type Sent<'a> = Either<Ready<Result<(), LayerError>>, BoxFuture<'a, Result<(), LayerError>>>;

/// What a layer must do. A layer keeps its table of local channels by these rules: a channel is registered in the table
/// before the other end is told, and taken out of it after.
pub(crate) trait Backend: fmt::Debug + Send + Sync + 'static {
    /// What it is, in a word.
    fn kind(&self) -> &'static str;

    /// The channels and groups of this process.
    fn table(&self) -> &LocalTable;

    /// How its messages are encoded.
    fn format(&self) -> Format;

    /// The runtime that its tasks and connections live in, if it has any.
    fn runtime(&self) -> Option<&tokio::runtime::Handle> {
        None
    }

    /// A name that no other channel has.
    fn new_channel_name(&self) -> ChannelName;

    /// How many servers are behind the layer.
    fn servers(&self) -> usize {
        1
    }

    /// A name that no other channel has, for a channel that is reached through that server.
    fn new_channel_name_on(&self, server: usize) -> ChannelName {
        _ = server;
        self.new_channel_name()
    }

    /// Sends to a channel of this process through that server.
    fn send_through<'a>(
        &'a self,
        server: usize,
        channel: &'a ChannelName,
        envelope: Envelope,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        _ = server;
        self.send(channel, envelope).boxed()
    }

    /// Lets other processes send to a channel that is in the table: when it returns, what they send arrives.
    fn announce<'a>(&'a self, channel: &'a ChannelName) -> BoxFuture<'a, Result<(), LayerError>> {
        _ = channel;
        std::future::ready(Ok(())).boxed()
    }

    /// A channel is gone: takes it out of the table at once, and out of its groups elsewhere soon.
    fn release(&self, channel: &ChannelName);

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a>;

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope) -> Sent<'a>;

    /// To every member but `own`, a channel of this process.
    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, own: &'a ChannelName) -> Sent<'a>;

    /// When it returns, a message that is sent to the group reaches the channel.
    fn group_add<'a>(&'a self, group: &'a GroupName, channel: &'a ChannelName)
    -> BoxFuture<'a, Result<(), LayerError>>;

    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>>;

    /// Who is in the group, in all processes.
    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>>;

    /// How many they are.
    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>>;

    /// The messages of a general channel, shared by workers of all processes. `None` where such a channel is a mailbox
    /// like any other, in the table.
    fn jobs(&self, channel: &ChannelName) -> Option<Box<dyn WorkerQueue>> {
        _ = channel;
        None
    }

    /// Waits until the other end knows which channels are gone.
    fn settled(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>>;

    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The messages of a general channel, one by one.
pub(crate) trait WorkerQueue: Send {
    /// The next message. It is taken only when it is asked for, and never lost between two calls.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope>;

    /// What is taken and was not given out yet; `None` when there is no more.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Envelope>>;
}
