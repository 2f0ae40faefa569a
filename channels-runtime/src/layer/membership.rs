//! Group membership: joining, leaving, and the members of a group.

use crate::error::LayerError;
use crate::event::{Group, History, Joined, JoinedBy, Since};
use crate::layer::handle::ChannelLayer;
use crate::name::{ChannelName, GroupName, NameError};
use crate::support::Unawaited;

impl ChannelLayer {
    /// Adds a channel of this process to a group. After this method returns, messages to the group reach the channel.
    ///
    /// In a consumer, use [`Context::group_add`](crate::Context::group_add). In a group with a history, the channel receives only
    /// the messages from now on. A connection joins such a group with
    /// [`Context::group_add_since`](crate::Context::group_add_since), so that its client has a position from the start.
    ///
    /// # Errors
    /// [`LayerError::NotLocal`] for a channel of another process. The group's name is not valid, or the layer's server cannot
    /// be reached.
    pub fn group_add<G, C>(&self, group: &G, channel: &ChannelName<C>) -> Unawaited<'_, Result<(), LayerError>>
    where
        G: JoinedBy<C> + ?Sized,
    {
        Unawaited::new(self.join(group.name(), channel.untyped()))
    }

    pub(crate) async fn join(
        &self,
        group: Result<GroupName, NameError>,
        channel: ChannelName,
    ) -> Result<(), LayerError> {
        self.backend().group_add(&group?, &channel).await
    }

    pub(crate) async fn join_since(
        &self,
        group: Result<GroupName, NameError>,
        channel: ChannelName,
        history: History,
        since: Since,
    ) -> Result<Joined, LayerError> {
        self.backend().group_add_since(&group?, &channel, self.config().limit_history(history), &since).await
    }

    /// Removes a channel from a group. Does nothing if the channel is not a member.
    ///
    /// # Errors
    /// The group's name is not valid, or the layer's server cannot be reached.
    pub fn group_discard<G, C>(&self, group: &G, channel: &ChannelName<C>) -> Unawaited<'_, Result<(), LayerError>>
    where
        G: Group + ?Sized,
    {
        Unawaited::new(self.leave(group.name(), channel.untyped()))
    }

    pub(crate) async fn leave(
        &self,
        group: Result<GroupName, NameError>,
        channel: ChannelName,
    ) -> Result<(), LayerError> {
        self.backend().group_discard(&group?, &channel).await
    }

    /// Returns the channels in a group, of all processes, in no particular order. Each connection is a channel.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # #[event("chat.message")] struct ChatMessage { message: String }
    /// # #[group("chat", events(ChatMessage))] struct Chat;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let layer = ChannelLayer::in_memory();
    /// let channel = layer.new_channel().await?;
    /// layer.group_add(&Chat, channel.name()).await?;
    /// assert_eq!(layer.group_members(&Chat).await?, [channel.name().clone()]);
    /// assert_eq!(layer.group_count(&Chat).await?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// The result may be outdated when it arrives, because channels join and leave meanwhile. The layer decides which members
    /// it includes:
    ///
    /// - Redis, core: the members that Redis stores, also those of Python processes. The channels of a killed process stay
    ///   members until `group_expiry` (a day) has passed.
    /// - Redis, pub/sub: Redis has no list of members, so this process requests them from every process of the layer. The
    ///   channels of a killed process, of a process that is cut off from Redis, and of a Python process are not included.
    ///
    /// # Errors
    /// The group's name is not valid, or the layer's server cannot be reached. With the pub/sub layer also: a process does not
    /// reply within 4 s.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the layer. Later replies are ignored.
    pub fn group_members<G>(&self, group: &G) -> Unawaited<'_, Result<Vec<ChannelName>, LayerError>>
    where
        G: Group + ?Sized,
    {
        let group = group.name();
        Unawaited::new(async move { self.backend().group_members(&group?).await })
    }

    /// Returns the number of channels in a group, of all processes. This costs less than listing their names.
    /// [`Self::group_members`] describes which members are included. [`Self::members_here`] counts the members in this process.
    ///
    /// # Errors
    /// The errors of [`Self::group_members`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the layer. Later replies are ignored.
    pub fn group_count<G: Group + ?Sized>(&self, group: &G) -> Unawaited<'_, Result<usize, LayerError>> {
        let group = group.name();
        Unawaited::new(async move { self.backend().group_count(&group?).await })
    }

    /// Returns the number of channels of this process in a group.
    ///
    /// # Errors
    /// The group's name is not valid.
    pub fn members_here<G: Group + ?Sized>(&self, group: &G) -> Result<usize, LayerError> {
        Ok(self.backend().table().members(&group.name()?))
    }

    /// Returns the number of channels in this process.
    pub fn channels_here(&self) -> usize {
        self.backend().table().channels()
    }

    /// Returns the number of groups that have a member in this process.
    pub fn groups_here(&self) -> usize {
        self.backend().table().group_count()
    }

    /// Removes every group, for a test or for manual intervention.
    ///
    /// The histories that Redis keeps for groups stay, because other processes use them: [`Self::history_forget`] removes one.
    ///
    /// # Errors
    /// The layer's server cannot be reached.
    pub async fn flush(&self) -> Result<(), LayerError> {
        self.backend().flush().await
    }
}
