//! The messages between the Rust processes of a pub/sub layer. Each process subscribes to its own topic, and all of them to a
//! shared one. Python processes do not subscribe to these topics.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::codec::Format;
use crate::error::DecodeError;
use crate::layer::local_table::LocalTable;
use crate::layer::redis::codec::Codec;
use crate::layer::redis::pubsub::job_topics::JobEpoch;
use crate::name::{ChannelName, GroupName};
use crate::support::lock;

/// The largest number of names in one reply, about 45 kB. A larger group is sent in several replies, so that other messages can
/// be sent between them.
const NAMES_PER_REPLY: usize = 1000;

/// The bound of the requests that wait for a reply from this process. Policy: a further request gets no reply, and fails at its
/// deadline.
pub(super) const REQUESTS: usize = 256;

/// One message. The names of the variants on the wire are part of the protocol.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum PeerMessage {
    /// To the sending process itself: this channel does not get the next message.
    #[serde(rename = "But")]
    Exclude(ChannelName),
    /// To the sending process itself: all channels get the messages that follow.
    #[serde(rename = "ForAll")]
    IncludeAll,
    /// To all processes: requests the members of a group.
    #[serde(rename = "WhoIsIn")]
    MembersRequest(MembersRequest),
    /// To the process that sent the request: the members in the replying process.
    #[serde(rename = "Members")]
    MembersReply(MembersReply),
    /// To all processes: numbers the jobs of a channel from 1 again.
    JobEpoch(JobEpoch),
    /// To all processes: the kept messages of the group were removed.
    HistoryForgotten(GroupName),
}

/// A request for the members of a group in each process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MembersRequest {
    number: u64,
    /// The topic of the requesting process.
    reply_to: String,
    group: GroupName,
    /// The reply must list the names. Otherwise it contains only their number.
    names: bool,
}

/// The reply of one process with its members, or a part of this reply.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MembersReply {
    number: u64,
    count: usize,
    names: Vec<ChannelName>,
    /// This is the last reply of the process to this request.
    last: bool,
}

impl PeerMessage {
    /// Encodes and encrypts the message.
    pub(super) fn seal(&self, codec: &Codec) -> Bytes {
        let body = rmp_serde::to_vec(self).expect("names and numbers can be encoded");
        codec.seal(body.into())
    }

    /// Decrypts and decodes a message.
    pub(super) fn open(body: Bytes, codec: &Codec) -> Result<Self, DecodeError> {
        rmp_serde::from_slice(&codec.open(body)?)
            .map_err(|error| DecodeError::NotAMap { format: Format::Msgpack.name(), source: error.into() })
    }
}

impl MembersRequest {
    /// Returns the topic of the requesting process.
    pub(super) fn reply_to(&self) -> &str {
        &self.reply_to
    }

    /// Returns the replies with the members of this process: at least one, each with at most [`NAMES_PER_REPLY`] names.
    pub(super) fn replies(&self, table: &LocalTable) -> Vec<PeerMessage> {
        let reply = |count, names| MembersReply { number: self.number, count, names, last: false };
        let mut replies = if self.names {
            let names = table.member_names(&self.group);
            names.chunks(NAMES_PER_REPLY).map(|part| reply(part.len(), part.to_vec())).collect()
        } else {
            vec![reply(table.members(&self.group), Vec::new())]
        };
        match replies.last_mut() {
            Some(last) => last.last = true,
            None => replies.push(MembersReply { last: true, ..reply(0, Vec::new()) }),
        }
        replies.into_iter().map(PeerMessage::MembersReply).collect()
    }
}

/// The requests of this process that wait for replies.
#[derive(Debug, Default)]
pub(super) struct PendingRequests {
    next: AtomicU64,
    pending: Mutex<HashMap<u64, Arc<Pending>>>,
}

#[derive(Debug, Default)]
struct Pending {
    replies: Mutex<Replies>,
    added: Notify,
}

/// The replies to a request so far.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The number of processes that have sent their last reply.
    pub(super) processes: usize,
    pub(super) count: usize,
    pub(super) names: Vec<ChannelName>,
}

/// A request, from before it is sent until its caller no longer waits.
#[derive(Debug)]
pub(super) struct PendingRequest<'a> {
    requests: &'a PendingRequests,
    number: u64,
    pending: Arc<Pending>,
}

impl PendingRequests {
    /// Adds a request. The caller must send it afterwards, so that no reply comes before the request is known.
    pub(super) fn add(&self) -> PendingRequest<'_> {
        let (number, pending) = (self.next.fetch_add(1, Relaxed), Arc::<Pending>::default());
        lock(&self.pending).insert(number, Arc::clone(&pending));
        PendingRequest { requests: self, number, pending }
    }

    /// Adds a reply to its request. Ignores the reply if the request's caller no longer waits.
    pub(super) fn add_reply(&self, reply: MembersReply) {
        let Some(pending) = lock(&self.pending).get(&reply.number).map(Arc::clone) else { return };
        let mut replies = lock(&pending.replies);
        replies.count += reply.count;
        replies.names.extend(reply.names);
        replies.processes += usize::from(reply.last);
        drop(replies);
        pending.added.notify_one();
    }
}

impl PendingRequest<'_> {
    /// Returns the message that sends this request. `names` requests the names of the members, not only their number.
    pub(super) fn message(&self, reply_to: &str, group: &GroupName, names: bool) -> PeerMessage {
        let (number, reply_to, group) = (self.number, reply_to.into(), group.clone());
        PeerMessage::MembersRequest(MembersRequest { number, reply_to, group, names })
    }

    /// Waits until this number of processes have sent their last reply.
    pub(super) async fn complete(&self, processes: usize) {
        while lock(&self.pending.replies).processes < processes {
            self.pending.added.notified().await;
        }
    }

    /// Returns the replies so far.
    pub(super) fn into_replies(self) -> Replies {
        std::mem::take(&mut lock(&self.pending.replies))
    }
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        lock(&self.requests.pending).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::config::LayerConfig;

    fn reply(number: u64, count: usize, last: bool) -> MembersReply {
        MembersReply { number, count, names: vec![ChannelName::new(format!("c-{count}")).unwrap(); count], last }
    }

    #[tokio::test]
    async fn request_completes_when_all_processes_have_replied() {
        let requests = PendingRequests::default();
        let (one, other) = (requests.add(), requests.add());
        requests.add_reply(reply(one.number, 2, false));
        requests.add_reply(reply(one.number, 1, true));
        requests.add_reply(reply(other.number, 9, true));
        requests.add_reply(reply(77, 1, true));
        let late = async {
            tokio::task::yield_now().await;
            requests.add_reply(reply(one.number, 4, true));
        };
        tokio::join!(one.complete(2), late);
        let replies = one.into_replies();
        assert_eq!((replies.processes, replies.count, replies.names.len()), (2, 7, 7));
        drop(other);
        assert!(lock(&requests.pending).is_empty(), "a dropped request is removed");
    }

    #[test]
    fn peer_message_is_encrypted_with_keys_of_layer() {
        let requests = PendingRequests::default();
        let request = requests.add();
        let message = request.message("asgi__process__1", &GroupName::new("room-7").unwrap(), true);
        for keys in [&[][..], &["a-test-key"]] {
            let codec = Codec::for_pubsub(&LayerConfig::default().symmetric_encryption_keys(keys.iter().copied()));
            let sealed = message.seal(&codec);
            assert_eq!(sealed.windows(6).any(|bytes| bytes == b"room-7"), keys.is_empty());
            assert_eq!(format!("{:?}", PeerMessage::open(sealed, &codec).unwrap()), format!("{message:?}"));
        }
        assert!(PeerMessage::open(Bytes::from_static(b"\xc1"), &Codec::for_pubsub(&LayerConfig::default())).is_err());
    }
}
