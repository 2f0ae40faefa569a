//! The contract of a channel layer backend.

use std::error::Error as StdError;
use std::fmt;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Ready};

use crate::codec::{Envelope, Format};
use crate::error::LayerError;
use crate::event::{Cause, History, Joined, Position, Since};
use crate::layer::local_table::LocalTable;
use crate::name::{ChannelName, GroupName};

/// The result of a send within this process, or the future of a send through a server.
pub(crate) type Sent<'a> = Either<Ready<Result<(), LayerError>>, BoxFuture<'a, Result<(), LayerError>>>;

/// The future of a worker channel's queue.
pub(crate) type Jobs<'a> = BoxFuture<'a, Result<Option<Box<dyn WorkerQueue>>, LayerError>>;

/// A channel layer backend. Its local table changes first: a channel is registered in the table before it is announced to the
/// servers, and removed from the table before the servers are notified.
pub(crate) trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Returns the kind of the layer as one word, such as `memory`.
    fn kind(&self) -> &'static str;

    /// Returns the channels and groups of this process.
    fn table(&self) -> &LocalTable;

    /// Returns the format of the layer's messages.
    fn format(&self) -> Format;

    /// Returns the runtime of the layer's tasks and connections, or `None` if it has neither.
    fn runtime(&self) -> Option<&tokio::runtime::Handle> {
        None
    }

    /// Makes a unique channel name.
    fn new_channel_name(&self) -> ChannelName;

    /// Returns the number of the layer's servers.
    fn servers(&self) -> usize {
        1
    }

    /// Makes a unique channel name for a channel whose messages go through this server.
    fn new_channel_name_on(&self, server: usize) -> ChannelName {
        _ = server;
        self.new_channel_name()
    }

    /// Sends to a channel of this process, through this server.
    fn send_through<'a>(
        &'a self,
        server: usize,
        channel: &'a ChannelName,
        envelope: Envelope,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        _ = server;
        self.send(channel, envelope).boxed()
    }

    /// Makes a channel of the table reachable for other processes. After this method returns, their messages arrive.
    fn announce<'a>(&'a self, channel: &'a ChannelName) -> BoxFuture<'a, Result<(), LayerError>> {
        _ = channel;
        std::future::ready(Ok(())).boxed()
    }

    /// Removes a channel from the table immediately, and from its groups on the servers soon.
    fn release(&self, channel: &ChannelName);

    /// Sends to one channel.
    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sent<'a>;

    /// Sends to all members of a group. A layer that keeps histories adds the message to that of the group, if it has one.
    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope, history: Option<History>) -> Sent<'a>;

    /// Sends to all members except `excluded`, a channel of this process.
    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, excluded: &'a ChannelName)
    -> Sent<'a>;

    /// Adds a channel to a group. After this method returns, messages to the group reach the channel.
    fn group_add<'a>(&'a self, group: &'a GroupName, channel: &'a ChannelName)
    -> BoxFuture<'a, Result<(), LayerError>>;

    /// Adds a channel to a group with a history, and delivers the events since the client's position to it. After this method
    /// returns, messages to the group reach the channel.
    ///
    /// Default: the layer keeps no history.
    fn group_add_since<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
        history: History,
        since: &'a Since,
    ) -> BoxFuture<'a, Result<Joined, LayerError>> {
        _ = history;
        async move {
            self.group_add(group, channel).await?;
            if *since == Since::START {
                return Ok(Joined::new(Position::NONE, 0, None));
            }
            self.table().tell_not_kept(group, channel);
            Ok(Joined::new(Position::NONE, 0, Some(Cause::NotKept)))
        }
        .boxed()
    }

    /// Returns the kept messages of a group, the oldest first. Default: the layer keeps no history.
    fn history<'a>(
        &'a self,
        group: &'a GroupName,
        history: History,
    ) -> BoxFuture<'a, Result<Vec<Envelope>, LayerError>> {
        _ = (group, history);
        std::future::ready(Ok(Vec::new())).boxed()
    }

    /// Removes the kept messages of a group in all processes. Default: the layer keeps no history.
    fn forget_history<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        _ = group;
        std::future::ready(Ok(())).boxed()
    }

    /// Removes a channel from a group.
    fn group_discard<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>>;

    /// Returns the members of a group in all processes.
    fn group_members<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<Vec<ChannelName>, LayerError>>;

    /// Returns the number of members of a group in all processes.
    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>>;

    /// Opens the queue of a worker channel, which the workers of all processes share. After this method returns, messages to the
    /// channel are queued until the last queue of this process is dropped. Returns `None` if a worker channel of this layer is an
    /// ordinary mailbox of the table.
    fn jobs<'a>(&'a self, channel: &'a ChannelName) -> Jobs<'a> {
        _ = channel;
        std::future::ready(Ok(None)).boxed()
    }

    /// Returns the error of a connection to a server that does not work now.
    fn last_error(&self) -> Option<Box<dyn StdError + Send + Sync>> {
        None
    }

    /// Waits until the servers are notified of all removed channels.
    fn settled(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    /// Removes every group.
    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>>;

    /// Closes the layer: closes its connections, ends its tasks and notifies every channel.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The queue of a worker channel.
pub(crate) trait WorkerQueue: Send {
    /// Takes the next message. No message is lost between two calls.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope>;

    /// Returns the next message that was requested from the servers before, without requesting another one. Returns `None` when
    /// all these requests have their reply.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Envelope>>;
}
