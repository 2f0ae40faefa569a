//! Sends the checked messages of a request.

use std::collections::HashMap;

use futures_util::future::join_all;

use crate::error::{Error, LayerError, shown_error};
use crate::layer::ChannelLayer;
use crate::web::publish::targets::Checked;

/// Sends messages. Those to one group or channel are sent one after the other, so that their order is kept; a failure leaves the
/// rest of them unsent. Others are sent concurrently. Messages that `sent` marks are left out.
///
/// Returns for each message whether it was sent.
pub(super) async fn deliver(layer: &ChannelLayer, messages: Vec<Checked>, mut sent: Vec<bool>) -> Vec<bool> {
    sent.resize(messages.len(), false);
    if messages.len() == 1 {
        for message in messages {
            sent = vec![sent[0] || succeeded(message.send(layer).await)];
        }
        return sent;
    }
    let mut by_target: HashMap<String, Vec<(usize, Checked)>> = HashMap::new();
    for (index, message) in messages.into_iter().enumerate().filter(|(index, _)| !sent[*index]) {
        by_target.entry(message.target()).or_default().push((index, message));
    }
    let deliveries = by_target.into_values().map(async |messages| {
        let mut done = Vec::with_capacity(messages.len());
        for (index, message) in messages {
            if !succeeded(message.send(layer).await) {
                break;
            }
            done.push(index);
        }
        done
    });
    for index in join_all(deliveries).await.into_iter().flatten() {
        sent[index] = true;
    }
    sent
}

fn succeeded(result: Result<(), LayerError>) -> bool {
    result
        .map_err(|error| tracing::error!(error = shown_error(Error::from(error)), "a published message was not sent"))
        .is_ok()
}

impl Checked {
    /// Returns the name of the target, with the kind: a group and a channel may have the same name.
    fn target(&self) -> String {
        match self {
            Self::Group(group, _) => format!("g{}", group.as_str()),
            Self::Channel(channel, _) => format!("c{}", channel.as_str()),
            Self::User(user, ..) => format!("u{}", user.group_name()),
        }
    }

    async fn send(self, layer: &ChannelLayer) -> Result<(), LayerError> {
        match self {
            Self::Group(group, outgoing) => layer.deliver_to_group(Ok(group), Ok(outgoing)).await,
            Self::Channel(channel, envelope) => layer.deliver(channel, Ok(envelope)).await,
            Self::User(user, code, reason) => user.close_with(code, &reason).await,
        }
    }
}
