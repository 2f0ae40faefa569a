//! The contract of a channel layer backend.

use std::fmt;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Ready};

use crate::codec::{Envelope, Format};
use crate::error::LayerError;
use crate::layer::table::LocalTable;
use crate::name::{ChannelName, GroupName};

/// A send that is done, as within a process, or in flight.
pub(crate) type Sent<'a> = Either<Ready<Result<(), LayerError>>, BoxFuture<'a, Result<(), LayerError>>>;

/// A channel layer backend. Its local table changes first: a channel is registered there before it is announced to the servers, and
/// removed from it before the servers are notified.
pub(crate) trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Returns the kind of the layer, in one word.
    fn kind(&self) -> &'static str;

    /// Returns the channels and groups of this process.
    fn table(&self) -> &LocalTable;

    /// Returns the format of its messages.
    fn format(&self) -> Format;

    /// Returns the runtime of its tasks and connections, if it has any.
    fn runtime(&self) -> Option<&tokio::runtime::Handle> {
        None
    }

    /// Makes a unique channel name.
    fn new_channel_name(&self) -> ChannelName;

    /// Returns the number of the layer's servers.
    fn servers(&self) -> usize {
        1
    }

    /// Makes a unique channel name. Messages to the channel go through this server.
    fn new_channel_name_on(&self, server: usize) -> ChannelName {
        _ = server;
        self.new_channel_name()
    }

    /// Sends to a channel of this process through this server.
    fn send_through<'a>(
        &'a self,
        server: usize,
        channel: &'a ChannelName,
        envelope: Envelope,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        _ = server;
        self.send(channel, envelope).boxed()
    }

    /// Makes a channel of the table reachable for other processes. After it returns, their messages arrive.
    fn announce<'a>(&'a self, channel: &'a ChannelName) -> BoxFuture<'a, Result<(), LayerError>> {
        _ = channel;
        std::future::ready(Ok(())).boxed()
    }

    /// Removes a channel from the table immediately, and from its groups on the servers soon.
    fn release(&self, channel: &ChannelName);

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a>;

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope) -> Sent<'a>;

    /// Sends to all members except `excluded`, a channel of this process.
    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, excluded: &'a ChannelName)
    -> Sent<'a>;

    /// Adds a channel to a group. After it returns, messages to the group reach the channel.
    fn group_add<'a>(&'a self, group: &'a GroupName, channel: &'a ChannelName)
    -> BoxFuture<'a, Result<(), LayerError>>;

    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>>;

    /// Returns the members of a group in all processes.
    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>>;

    /// Returns the number of members of a group in all processes.
    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>>;

    /// Returns the queue of a worker channel, which the workers of all processes share. Returns `None` if such a channel is an
    /// ordinary mailbox of the table.
    fn jobs(&self, channel: &ChannelName) -> Option<Box<dyn WorkerQueue>> {
        _ = channel;
        None
    }

    /// Waits until the servers are notified of all removed channels.
    fn settled(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>>;

    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The queue of a worker channel.
pub(crate) trait WorkerQueue: Send {
    /// Takes the next message. No message is lost between two calls.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope>;

    /// Returns a message that was taken but not returned yet, or `None` if there are no more.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Envelope>>;
}
