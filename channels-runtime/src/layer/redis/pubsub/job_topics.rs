//! The worker channels of this process: the topics whose messages are jobs.
//!
//! Redis publishes a job to each process that has a worker for the channel, although only one worker may run it. A published
//! message has no identity: two equal messages are two jobs. But all processes receive the messages of one server in the same
//! order. So they agree on a number for each job: its position after the last *epoch marker*, a message to all Rust processes.
//! Each process offers each job, with its number, to a script in Redis. The script adds a job to the shared queue only if it has
//! not seen the number before ([`job_offers`](super::job_offers)).
//!
//! A process begins to number the jobs of a topic when it receives a marker of its own, which it sends after it has subscribed
//! to the topic. From then on it follows the markers of all processes. When the process loses its connection, or cannot keep a
//! job, its numbers are no longer valid. Then it sends a new marker, and offers nothing until the marker arrives. Meanwhile the
//! other processes offer all jobs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::layer::counters::Counters;
use crate::name::ChannelName;
use crate::support::lock;

/// The bound of the jobs that this process has received and not offered yet, for each topic. Policy: a further job is dropped
/// here and counted, and this process begins a new epoch. The other processes still offer the job.
const OFFERS: usize = 1024;

/// A marker: numbers the jobs of a channel from 1 again, in all processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct JobEpoch {
    pub(super) channel: ChannelName,
    /// The name of the epoch, which is used once.
    pub(super) epoch: String,
    /// The [`JobTopic::id`] of the sender.
    pub(super) sender: String,
    /// The connection on which the sender had subscribed to the channel ([`Subscriptions::connection`]).
    ///
    /// [`Subscriptions::connection`]: super::subscriptions::Subscriptions::connection
    pub(super) connection: u64,
}

/// A job for the queue.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) epoch: Arc<str>,
    pub(super) number: u64,
    /// The message as it was published.
    pub(super) sealed: Bytes,
}

/// A worker channel that this process has subscribed to.
#[derive(Debug)]
pub(super) struct JobTopic {
    pub(super) channel: ChannelName,
    /// Identifies this subscription in its markers. A later subscription of this process to the same channel has another one.
    id: String,
    offers: mpsc::Sender<Offer>,
    /// Notified when the numbers of this process are not valid any more.
    pub(super) out_of_step: Notify,
    /// Whether this process numbers the jobs.
    pub(super) is_numbering: watch::Sender<bool>,
    /// Cancelled when no worker of this process is left.
    pub(super) ended: CancellationToken,
}

impl JobTopic {
    /// Returns a marker, which the caller must send. `connection` is a connection on which the channel is subscribed.
    pub(super) fn marker(&self, connection: u64) -> JobEpoch {
        let epoch = Uuid::new_v4().simple().to_string();
        JobEpoch { channel: self.channel.clone(), epoch, sender: self.id.clone(), connection }
    }
}

/// The worker channels of this process.
#[derive(Debug, Default)]
pub(super) struct JobTopics {
    topics: Mutex<HashMap<String, OpenTopic>>,
}

#[derive(Debug)]
struct OpenTopic {
    topic: Arc<JobTopic>,
    /// The number of queues in this process.
    queues: usize,
}

impl JobTopics {
    /// Opens a topic. Returns the receiver of its offers if this is the first queue of this process. Each call needs a call of
    /// [`Self::close`].
    pub(super) fn open(&self, channel: &ChannelName) -> (Arc<JobTopic>, Option<mpsc::Receiver<Offer>>) {
        match lock(&self.topics).entry(channel.to_string()) {
            Entry::Occupied(mut open) => {
                open.get_mut().queues += 1;
                (Arc::clone(&open.get().topic), None)
            }
            Entry::Vacant(vacant) => {
                let (offers, received) = mpsc::channel(OFFERS);
                let topic = Arc::new(JobTopic {
                    channel: channel.clone(),
                    id: Uuid::new_v4().simple().to_string(),
                    offers,
                    out_of_step: Notify::new(),
                    is_numbering: watch::Sender::new(false),
                    ended: CancellationToken::new(),
                });
                vacant.insert(OpenTopic { topic: Arc::clone(&topic), queues: 1 });
                (topic, Some(received))
            }
        }
    }

    /// Closes a topic. Returns whether this was the last queue of this process.
    pub(super) fn close(&self, channel: &str) -> bool {
        let mut topics = lock(&self.topics);
        let Some(open) = topics.get_mut(channel) else { return false };
        open.queues -= 1;
        if open.queues > 0 {
            return false;
        }
        open.topic.ended.cancel();
        topics.remove(channel);
        true
    }

    /// Returns whether a worker of this process reads the topic.
    pub(super) fn contains(&self, topic: &str) -> bool {
        lock(&self.topics).contains_key(topic)
    }

    /// Returns the names of all topics.
    pub(super) fn names(&self) -> Vec<String> {
        lock(&self.topics).keys().cloned().collect()
    }

    fn get(&self, channel: &str) -> Option<Arc<JobTopic>> {
        lock(&self.topics).get(channel).map(|open| Arc::clone(&open.topic))
    }
}

/// The numbers of the jobs that arrive on one connection. Without a number for a topic, its jobs are not offered.
#[derive(Debug, Default)]
pub(super) struct JobNumbers {
    numbered: HashMap<String, Numbered>,
}

#[derive(Debug)]
struct Numbered {
    topic: Arc<JobTopic>,
    epoch: Arc<str>,
    /// The number of the last job.
    last: u64,
}

impl JobNumbers {
    /// Begins an epoch. `connection` is the connection of these numbers.
    pub(super) fn begin(&mut self, marker: &JobEpoch, topics: &JobTopics, connection: u64) {
        let channel = marker.channel.as_str();
        let epoch = Arc::from(marker.epoch.as_str());
        match topics.get(channel) {
            // This process was subscribed when it sent the marker, so it receives all jobs that follow.
            Some(topic) if topic.id == marker.sender && connection == marker.connection => {
                topic.is_numbering.send_replace(true);
                self.numbered.insert(channel.to_owned(), Numbered { topic, epoch, last: 0 });
            }
            // The process may have subscribed after another process sent its marker. It would miss the jobs in between, so it
            // must have begun with a marker of its own.
            _ => {
                if let Some(numbered) = self.numbered.get_mut(channel) {
                    (numbered.epoch, numbered.last) = (epoch, 0);
                }
            }
        }
    }

    /// Offers a message if it is a job that this process has numbered. Otherwise returns `false`.
    pub(super) fn offer(&mut self, topic: &str, sealed: &Bytes, counters: &Counters) -> bool {
        // Most processes have no worker.
        if self.numbered.is_empty() {
            return false;
        }
        let Some(Numbered { topic: jobs, epoch, last }) = self.numbered.get_mut(topic) else { return false };
        *last += 1;
        let offer = Offer { epoch: Arc::clone(epoch), number: *last, sealed: sealed.clone() };
        match jobs.offers.try_send(offer) {
            Ok(()) => return true,
            Err(TrySendError::Full(_)) => {
                counters.count_full(topic);
                jobs.is_numbering.send_replace(false);
                jobs.out_of_step.notify_one();
            }
            // The last worker has ended.
            Err(TrySendError::Closed(_)) => counters.count_unread(1),
        }
        // The script would treat a later number as proof that this job was offered.
        self.numbered.remove(topic);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::local_table::LocalTable;

    const JOBS: &str = "jobs";

    struct Process {
        topics: JobTopics,
        numbers: JobNumbers,
        table: LocalTable,
        topic: Arc<JobTopic>,
        offers: mpsc::Receiver<Offer>,
    }

    impl Process {
        fn new() -> Self {
            let topics = JobTopics::default();
            let (topic, offers) = topics.open(&ChannelName::new(JOBS).unwrap());
            let (numbers, table) = (JobNumbers::default(), LocalTable::new("test"));
            Self { topics, numbers, table, topic, offers: offers.unwrap() }
        }

        fn receives(&mut self, marker: &JobEpoch) {
            self.numbers.begin(marker, &self.topics, 7);
        }

        fn receives_job(&mut self) -> bool {
            self.numbers.offer(JOBS, &Bytes::from_static(b"job"), self.table.counters())
        }

        /// Returns the epochs and numbers of the offers.
        fn offered(&mut self) -> Vec<(String, u64)> {
            let offers = std::iter::from_fn(|| self.offers.try_recv().ok());
            offers.map(|offer| (offer.epoch.to_string(), offer.number)).collect()
        }
    }

    /// A process that sees the marker of another process may not have seen all jobs after it.
    #[test]
    fn process_numbers_jobs_after_its_own_marker_only() {
        let (mut one, mut other) = (Process::new(), Process::new());
        let begun = one.topic.marker(7);
        one.receives(&begun);
        other.receives(&begun);
        assert!(*one.topic.is_numbering.borrow() && !*other.topic.is_numbering.borrow());
        assert!(one.receives_job() && !other.receives_job());
        // The marker was sent on a connection that is lost.
        let stale = other.topic.marker(6);
        other.receives(&stale);
        one.receives(&stale);
        assert!(one.receives_job() && !other.receives_job());
        let joined = other.topic.marker(7);
        one.receives(&joined);
        other.receives(&joined);
        assert!(one.receives_job() && other.receives_job());
        assert!(one.receives_job() && other.receives_job());
        let both = [(joined.epoch.clone(), 1), (joined.epoch, 2)];
        assert_eq!(one.offered(), [&[(begun.epoch, 1), (stale.epoch, 1)], &both[..]].concat());
        assert_eq!(other.offered(), both);
    }

    #[test]
    fn marker_of_an_ended_subscription_is_ignored() {
        let mut process = Process::new();
        let (ended, jobs) = (process.topic.marker(7), ChannelName::new(JOBS).unwrap());
        assert!(process.topics.close(JOBS) && !process.topics.contains(JOBS));
        (process.topic, _) = process.topics.open(&jobs);
        process.receives(&ended);
        assert!(!process.receives_job());
        assert!(process.topics.open(&jobs).1.is_none() && !process.topics.close(JOBS), "one of two queues");
    }

    /// After a job that could not be kept, a later number would make the script skip it.
    #[tokio::test]
    async fn full_offers_end_numbering_until_next_marker() {
        let mut process = Process::new();
        process.receives(&process.topic.marker(7));
        for _ in 0..OFFERS {
            process.receives_job();
        }
        assert!(process.receives_job(), "a job, although it is dropped");
        assert!(!process.receives_job());
        process.topic.out_of_step.notified().await;
        assert!(!*process.topic.is_numbering.borrow());
        assert_eq!((process.offered().len(), process.table.stats().dropped_full), (OFFERS, 1));
        process.receives(&process.topic.marker(7));
        process.receives_job();
        assert_eq!(process.offered()[0].1, 1);
    }
}
