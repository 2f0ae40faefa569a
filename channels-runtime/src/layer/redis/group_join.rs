//! The join of a channel to a group: in the local table, then in Redis.

use crate::error::LayerError;
use crate::layer::local_table::{LocalTable, MembershipChange};
use crate::name::{ChannelName, GroupName};

/// Adds a channel to a group in the table, waits for `confirmation`, and calls `leave` if Redis did not confirm the join.
pub(super) async fn join(
    table: &LocalTable,
    group: &GroupName,
    channel: &ChannelName,
    confirmation: impl Future<Output = Result<(), LayerError>>,
    leave: impl FnOnce(),
) -> Result<(), LayerError> {
    // The table first: a message that arrives before the confirmation finds its member.
    let Some(change) = table.add(group, channel) else {
        return Err(LayerError::NotLocal { channel: channel.to_string() });
    };
    let confirmed = confirmation.await;
    // The caller gets an error, so the channel must not receive from the group. An earlier join stays valid.
    if confirmed.is_err() && change != MembershipChange::None {
        leave();
    }
    confirmed
}
