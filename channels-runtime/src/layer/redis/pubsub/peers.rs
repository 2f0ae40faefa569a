//! What the processes of a pub/sub layer say to each other, on names of Redis that no Python process listens to: one for each
//! process, and one for all of them.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::codec::Format;
use crate::error::DecodeError;
use crate::layer::redis::codec::Codec;
use crate::layer::table::LocalTable;
use crate::name::{ChannelName, GroupName};
use crate::support::lock;

/// How many names are in one answer: some 45 kB. A larger group comes in several, so that other messages pass between them.
const NAMES: usize = 1000;

/// How many questions wait here. Policy: a further one is not answered, and whoever asks is told so by its deadline.
pub(super) const QUESTIONS: usize = 256;

/// One message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum PeerMessage {
    /// To oneself: the next message is not for this channel.
    But(ChannelName),
    /// To oneself: what comes now is for everyone again.
    ForAll,
    /// To all.
    WhoIsIn(Question),
    /// To the one who asked.
    Members(Answer),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    number: u64,
    /// The name of the process that asks.
    asker: String,
    group: GroupName,
    /// Whether their names are wanted, or only how many there are.
    names: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    number: u64,
    count: usize,
    names: Vec<ChannelName>,
    /// Nothing more comes from this process.
    last: bool,
}

impl PeerMessage {
    pub(super) fn seal(&self, codec: &Codec) -> Bytes {
        let body = rmp_serde::to_vec(self).expect("names and numbers can be written");
        codec.seal(body.into())
    }

    pub(super) fn open(body: Bytes, codec: &Codec) -> Result<Self, DecodeError> {
        rmp_serde::from_slice(&codec.open(body)?)
            .map_err(|error| DecodeError::NotAMap { format: Format::Msgpack.name(), source: error.into() })
    }
}

impl Question {
    pub(super) fn asker(&self) -> &str {
        &self.asker
    }

    /// What there is to say about the members of this process: at least one answer, and never one that is large.
    pub(super) fn answers(&self, table: &LocalTable) -> Vec<PeerMessage> {
        let answer = |count, names| Answer { number: self.number, count, names, last: false };
        let mut answers = if self.names {
            let names = table.member_names(&self.group);
            names.chunks(NAMES).map(|part| answer(part.len(), part.to_vec())).collect()
        } else {
            vec![answer(table.members(&self.group), Vec::new())]
        };
        match answers.last_mut() {
            Some(end) => end.last = true,
            None => answers.push(Answer { last: true, ..answer(0, Vec::new()) }),
        }
        answers.into_iter().map(PeerMessage::Members).collect()
    }
}

/// The questions of this process that wait for answers.
#[derive(Debug, Default)]
pub(super) struct Asked {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Arc<Waiting>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    heard: Mutex<Heard>,
    more: Notify,
}

/// What was answered so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// How many processes have said all.
    pub(super) processes: usize,
    pub(super) count: usize,
    pub(super) names: Vec<ChannelName>,
}

/// A question, from before it is asked until nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    asked: &'a Asked,
    number: u64,
    waiting: Arc<Waiting>,
}

impl Asked {
    pub(super) fn begin(&self) -> Asking<'_> {
        let (number, waiting) = (self.next.fetch_add(1, Relaxed), Arc::<Waiting>::default());
        lock(&self.waiting).insert(number, Arc::clone(&waiting));
        Asking { asked: self, number, waiting }
    }

    /// An answer came. One that nobody waits for any more is passed over.
    pub(super) fn hear(&self, answer: Answer) {
        let Some(waiting) = lock(&self.waiting).get(&answer.number).map(Arc::clone) else { return };
        let mut heard = lock(&waiting.heard);
        heard.count += answer.count;
        heard.names.extend(answer.names);
        heard.processes += usize::from(answer.last);
        drop(heard);
        waiting.more.notify_one();
    }
}

impl Asking<'_> {
    pub(super) fn question(&self, asker: &str, group: &GroupName, names: bool) -> PeerMessage {
        PeerMessage::WhoIsIn(Question { number: self.number, asker: asker.into(), group: group.clone(), names })
    }

    /// Waits until so many processes have said all.
    pub(super) async fn answered_by(&self, processes: usize) {
        while lock(&self.waiting.heard).processes < processes {
            self.waiting.more.notified().await;
        }
    }

    pub(super) fn heard(self) -> Heard {
        std::mem::take(&mut lock(&self.waiting.heard))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        lock(&self.asked.waiting).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::config::LayerConfig;

    fn answer(number: u64, count: usize, last: bool) -> Answer {
        Answer { number, count, names: vec![ChannelName::new(format!("c-{count}")).unwrap(); count], last }
    }

    #[tokio::test]
    async fn a_question_is_answered_when_all_have_said_all() {
        let asked = Asked::default();
        let (one, other) = (asked.begin(), asked.begin());
        asked.hear(answer(one.number, 2, false));
        asked.hear(answer(one.number, 1, true));
        asked.hear(answer(other.number, 9, true));
        asked.hear(answer(77, 1, true));
        let late = async {
            tokio::task::yield_now().await;
            asked.hear(answer(one.number, 4, true));
        };
        tokio::join!(one.answered_by(2), late);
        let heard = one.heard();
        assert_eq!((heard.processes, heard.count, heard.names.len()), (2, 7, 7));
        drop(other);
        assert!(lock(&asked.waiting).is_empty(), "nothing is left of a question that nobody waits for");
    }

    #[test]
    fn a_word_is_encrypted_where_messages_are() {
        let word = || Asked::default().begin().question("asgi__process__1", &GroupName::new("room-7").unwrap(), true);
        for keys in [&[][..], &["a-test-key"]] {
            let codec = Codec::for_pubsub(&LayerConfig::default().symmetric_encryption_keys(keys.iter().copied()));
            let sealed = word().seal(&codec);
            assert_eq!(sealed.windows(6).any(|bytes| bytes == b"room-7"), keys.is_empty());
            assert_eq!(format!("{:?}", PeerMessage::open(sealed, &codec).unwrap()), format!("{:?}", word()));
        }
        assert!(PeerMessage::open(Bytes::from_static(b"\xc1"), &Codec::for_pubsub(&LayerConfig::default())).is_err());
    }
}
