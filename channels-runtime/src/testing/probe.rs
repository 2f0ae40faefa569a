//! Layers for tests: for any number of simulated processes, in memory, with a record of every message.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::codec::{Envelope, Format};
use crate::error::{LayerError, shown};
use crate::event::History;
use crate::event::{Carries, Event, Handles};
use crate::layer::{Backend, ChannelLayer, Full, Jobs, LayerConfig, LocalTable, Sent as Sending, WorkerQueue};
use crate::name::{ChannelName, GroupName};
use crate::support::{Unawaited, lock};
use crate::testing::deadlines::{PATIENCE, SILENCE};
use crate::testing::probe_jobs::JobQueue;

/// Channel layers for a test: one for each simulated process, all in memory, with a record of every message.
///
/// ```
/// use channels_runtime::prelude::*;
/// use channels_runtime::testing::LayerProbe;
///
/// #[event("report.ready")]
/// struct ReportReady { id: u64 }
///
/// #[group("user-{id}", events(ReportReady))]
/// struct User { id: u64 }
///
/// /// The function under test.
/// async fn finish_report(layer: &ChannelLayer) -> Result<()> {
///     Ok(layer.group_send(&User { id: 7 }, &ReportReady { id: 1 }).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let probe = LayerProbe::new();
/// finish_report(&probe.process()).await?;
/// let sent = probe.assert_sent::<ReportReady>(&User { id: 7 }).await;
/// assert_eq!(sent.id, 1);
/// probe.assert_nothing_more().await;
/// # Ok(()) }
/// ```
///
/// The record also contains the messages that the test itself sends through one of the layers. It only grows, so do not use this
/// layer in a server.
#[derive(Clone)]
pub struct LayerProbe {
    bus: Arc<Bus>,
}

/// A message that was sent, with or without a receiver.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The group or channel of the message.
    pub to: Target,
    /// The excluded member: the connection that sent it with `group_send_others`.
    pub but: Option<ChannelName>,
    /// The number of the sending process: 0 for the layer that [`LayerProbe::process`] returned first.
    pub process: usize,
    /// The message.
    pub envelope: Envelope,
}

/// The target of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// `group_send`.
    Group(GroupName),
    /// `send`.
    Channel(ChannelName),
}

impl LayerProbe {
    /// Creates layers in which a message has reached all processes when its send returns.
    pub fn new() -> Self {
        Self { bus: Arc::new(Bus { shared: Arc::default(), turns: None }) }
    }

    /// Creates layers that behave like those over Redis: each process gets all messages in one order, but at its own time. The
    /// seed chooses the next process, and how many times other tasks run before it. A send to a full channel returns no error.
    ///
    /// On a runtime with one thread and a paused clock, a test runs in the same order for the same seed, if it waits for nothing
    /// outside and uses no randomness (`tokio::select!` does, unless it is `biased`). So a test with many seeds finds code that
    /// depends on the order, and the seed reproduces it.
    ///
    /// ```
    /// # use channels_runtime::prelude::*;
    /// # use channels_runtime::testing::LayerProbe;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// for seed in 0..20 {
    ///     let probe = LayerProbe::with_seed(seed);
    ///     let (here, there) = (probe.process(), probe.process());
    ///     // .. the test, which names the seed if it fails
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    /// If it is called outside of a tokio runtime.
    pub fn with_seed(seed: u64) -> Self {
        let shared = Arc::new(Shared { has_turns: true, ..Shared::default() });
        let turns = tokio::spawn(take_turns(Arc::clone(&shared), seed));
        Self { bus: Arc::new(Bus { shared, turns: Some(AbortOnDropHandle::new(turns)) }) }
    }

    /// Returns the layer of one more process. The processes share messages only: each has its own channels and members, and a
    /// handler without `self` renders once in each process. As over Redis, each job for a worker's channel goes to one of the
    /// workers of all processes.
    pub fn process(&self) -> ChannelLayer {
        self.process_with(LayerConfig::default())
    }

    /// Returns the layer of one more process, with settings.
    pub fn process_with(&self, config: LayerConfig) -> ChannelLayer {
        let mut state = self.bus.shared.lock();
        let number = state.processes.len();
        let table = Arc::new(LocalTable::new(format!("process {number}")));
        state.processes.push(Process { table: Arc::clone(&table), in_flight: VecDeque::new() });
        drop(state);
        let (bus, next, closed) = (Arc::clone(&self.bus), AtomicU64::new(0), AtomicBool::new(false));
        let node = Node { bus, number, table, config: config.clone(), next, closed };
        ChannelLayer::new(Arc::new(node), config)
    }

    /// Returns every message so far, in the order of the sends.
    pub fn sent(&self) -> Vec<Sent> {
        self.bus.shared.lock().record.iter().map(|entry| entry.sent.clone()).collect()
    }

    /// Returns the next event of this type that was sent to the group: the first that no assertion has returned yet. Waits up to
    /// a second.
    ///
    /// # Panics
    /// If there is no such event, or it does not fit the type. The panic lists the sent messages.
    ///
    /// # Cancel safety
    /// An event counts as returned when the future returns it. Dropping the future loses nothing.
    #[track_caller]
    pub fn assert_sent<E: Event>(&self, group: &impl Carries<E>) -> Unawaited<'_, E> {
        let group = group.name().map(Target::Group).map_err(LayerError::from);
        Unawaited::new(self.next::<E>(group, Location::caller()))
    }

    /// Returns the next event of this type that was sent to the channel: the first that no assertion has returned yet. Waits up
    /// to a second.
    ///
    /// # Panics
    /// If there is no such event, or it does not fit the type. The panic lists the sent messages.
    ///
    /// # Cancel safety
    /// An event counts as returned when the future returns it. Dropping the future loses nothing.
    #[track_caller]
    pub fn assert_sent_to<E: Event>(&self, channel: &ChannelName<impl Handles<E>>) -> Unawaited<'_, E> {
        Unawaited::new(self.next::<E>(Ok(Target::Channel(channel.untyped())), Location::caller()))
    }

    async fn next<E: Event>(&self, to: Result<Target, LayerError>, at: &'static Location<'static>) -> E {
        let to = to.unwrap_or_else(|error| panic!("{error}, expected at {at}"));
        let found = async {
            loop {
                let more = self.bus.shared.changed.notified();
                if let Some(envelope) = self.bus.shared.lock().take(&to, E::TYPE) {
                    return envelope;
                }
                more.await;
            }
        };
        let Ok(envelope) = tokio::time::timeout(PATIENCE, found).await else {
            panic!("no `{}` was sent to {to}, expected at {at}{}", E::TYPE, self.bus.shared.lock());
        };
        envelope.decode().unwrap_or_else(|error| {
            panic!("the event that was sent to {to} does not fit, expected at {at}: {error}{}", self.bus.shared.lock())
        })
    }

    /// Asserts that only messages were sent that earlier assertions have returned, and that no other is sent for a tenth of a
    /// second.
    ///
    /// # Panics
    /// If there are other messages. The panic lists them.
    #[track_caller]
    pub fn assert_nothing_more(&self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let sent = async {
                loop {
                    let more = self.bus.shared.changed.notified();
                    if self.bus.shared.lock().record.iter().any(|entry| !entry.is_returned) {
                        return;
                    }
                    more.await;
                }
            };
            if tokio::time::timeout(SILENCE, sent).await.is_ok() {
                panic!("other messages were sent before {at}{}", self.bus.shared.lock());
            }
        }
    }
}

impl Default for LayerProbe {
    fn default() -> Self {
        Self::new()
    }
}

/// The messages that all processes share.
struct Bus {
    shared: Arc<Shared>,
    /// The task that delivers in the order of the seed. Ends with the last layer and probe. `None` without a seed.
    turns: Option<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
    has_turns: bool,
}

#[derive(Default)]
struct State {
    processes: Vec<Process>,
    /// The queues of worker channels. A queue without a worker keeps its jobs for the next one.
    queues: BTreeMap<String, Queue>,
    record: Vec<Entry>,
}

#[derive(Default)]
struct Queue {
    jobs: Arc<JobQueue>,
    /// Jobs that have not arrived yet, from the process with this number. No bound, as in [`Process`].
    in_flight: VecDeque<(usize, Sent)>,
}

/// The receiver of a message.
enum Reader {
    Process(Arc<LocalTable>),
    Jobs(Arc<JobQueue>),
}

struct Process {
    table: Arc<LocalTable>,
    /// Messages that have not arrived yet. No bound: the record keeps every message anyway.
    in_flight: VecDeque<Sent>,
}

struct Entry {
    sent: Sent,
    /// Whether an assertion has returned the message.
    is_returned: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Records and delivers a message. Delivers without the lock, because delivery runs the user's code, which may send.
    fn send(&self, sent: &Sent) -> Result<(), LayerError> {
        let mut state = self.lock();
        state.record.push(Entry { sent: sent.clone(), is_returned: false });
        let readers = if self.has_turns {
            state.put_in_flight(sent);
            Vec::new()
        } else {
            state.readers(&sent.to)
        };
        drop(state);
        self.changed.notify_waiters();
        for reader in readers {
            if let Err(Full { capacity }) = reader.deliver(sent, |_| 0) {
                return Err(LayerError::ChannelFull { channel: sent.to.name().to_owned(), capacity });
            }
        }
        Ok(())
    }

    /// Chooses the next process or queue, and delivers its next message. Returns `false` if nothing is in flight.
    fn take_turn(&self, random: &mut SplitMix64) -> bool {
        let mut state = self.lock();
        let State { processes, queues, .. } = &mut *state;
        let tables: Vec<_> = processes.iter().map(|process| Arc::clone(&process.table)).collect();
        let mut ready: Vec<_> = processes.iter_mut().filter(|process| !process.in_flight.is_empty()).collect();
        let mut queues: Vec<_> = queues.values_mut().filter(|queue| !queue.in_flight.is_empty()).collect();
        if ready.is_empty() && queues.is_empty() {
            return false;
        }
        let next = random.below(ready.len() + queues.len());
        let next = match ready.get_mut(next) {
            Some(process) => {
                let sent = process.in_flight.pop_front();
                sent.map(|sent| (Arc::clone(&process.table), sent, Reader::Process(Arc::clone(&process.table))))
            }
            None => {
                let queue = &mut queues[next - ready.len()];
                let sent = queue.in_flight.pop_front();
                sent.map(|(from, sent)| (Arc::clone(&tables[from]), sent, Reader::Jobs(Arc::clone(&queue.jobs))))
            }
        };
        drop(state);
        if let Some((counts, sent, reader)) = next
            && reader.deliver(&sent, |waiting| random.below(waiting)).is_err()
        {
            counts.counters().count_full(sent.to.name());
        }
        true
    }
}

impl State {
    /// Returns the receivers of a message: all processes for a group. For a channel, its queue, or the first process that has
    /// the channel.
    fn readers(&self, to: &Target) -> Vec<Reader> {
        let process = |process: &Process| Reader::Process(Arc::clone(&process.table));
        match to {
            Target::Group(_) => self.processes.iter().map(process).collect(),
            Target::Channel(channel) => match self.queue(channel) {
                Some(queue) => vec![Reader::Jobs(Arc::clone(&queue.jobs))],
                None => self.process_of(channel).map(|index| process(&self.processes[index])).into_iter().collect(),
            },
        }
    }

    /// Puts a message in flight to its [readers](Self::readers).
    fn put_in_flight(&mut self, sent: &Sent) {
        match &sent.to {
            Target::Group(_) => {
                self.processes.iter_mut().for_each(|process| process.in_flight.push_back(sent.clone()));
            }
            Target::Channel(channel) if self.queue(channel).is_some() => {
                let queue = self.queues.entry(channel.to_string()).or_default();
                queue.in_flight.push_back((sent.process, sent.clone()));
            }
            Target::Channel(channel) => {
                if let Some(index) = self.process_of(channel) {
                    self.processes[index].in_flight.push_back(sent.clone());
                }
            }
        }
    }

    /// Returns the queue of a channel that has a worker.
    fn queue(&self, channel: &ChannelName) -> Option<&Queue> {
        self.queues.get(channel.as_str()).filter(|queue| queue.jobs.has_worker())
    }

    fn process_of(&self, channel: &ChannelName) -> Option<usize> {
        self.processes.iter().position(|process| process.table.has_channel(channel))
    }

    fn take(&mut self, to: &Target, event: &str) -> Option<Envelope> {
        let is_next = |entry: &&mut Entry| {
            !entry.is_returned && entry.sent.to == *to && entry.sent.envelope.event_name() == event
        };
        let entry = self.record.iter_mut().find(is_next)?;
        entry.is_returned = true;
        Some(entry.sent.envelope.clone())
    }
}

impl Reader {
    /// Delivers a message. `first` chooses one of the waiting workers.
    fn deliver(&self, sent: &Sent, first: impl FnOnce(usize) -> usize) -> Result<(), Full> {
        let Sent { to, but, envelope, .. } = sent;
        match (self, to) {
            (Self::Jobs(jobs), _) => jobs.push(envelope, first),
            (Self::Process(table), Target::Channel(channel)) => table.send(channel, envelope).map(drop),
            (Self::Process(table), Target::Group(group)) => {
                match but {
                    Some(but) => table.group_send_others(group, envelope, but),
                    None => table.group_send(group, envelope),
                }
                Ok(())
            }
        }
    }
}

async fn take_turns(shared: Arc<Shared>, seed: u64) {
    let mut random = SplitMix64(seed);
    loop {
        let more = shared.changed.notified();
        // Between two messages, other tasks run a random number of times.
        for _ in 0..random.below(8) {
            tokio::task::yield_now().await;
        }
        if !shared.take_turn(&mut random) {
            more.await;
        }
    }
}

/// The random numbers of a seed: the same with any version of any library.
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).expect("smaller than a bound that is a usize")
    }
}

/// The layer of one process.
struct Node {
    bus: Arc<Bus>,
    number: usize,
    table: Arc<LocalTable>,
    config: LayerConfig,
    next: AtomicU64,
    closed: AtomicBool,
}

impl Node {
    fn sending(&self, to: Target, but: Option<ChannelName>, envelope: Envelope) -> Sending<'_> {
        let closed = self.closed.load(Relaxed);
        let sent = Sent { to, but, process: self.number, envelope };
        ready(if closed { Err(LayerError::Closed) } else { self.bus.shared.send(&sent) }).left_future()
    }
}

impl Backend for Node {
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
        // The same in every run, unlike the names of a real layer.
        let (process, channel) = (self.number, self.next.fetch_add(1, Relaxed));
        ChannelName::from_checked(format!("specific.process{process}!{channel:x}").into())
    }

    fn release(&self, channel: &ChannelName) {
        self.table.remove(channel);
    }

    fn send<'a>(&'a self, channel: &'a ChannelName, envelope: Envelope) -> Sending<'a> {
        self.sending(Target::Channel(channel.clone()), None, envelope)
    }

    fn group_send<'a>(&'a self, group: &'a GroupName, envelope: Envelope, _: Option<History>) -> Sending<'a> {
        self.sending(Target::Group(group.clone()), None, envelope)
    }

    fn group_send_others<'a>(&'a self, group: &'a GroupName, envelope: Envelope, own: &'a ChannelName) -> Sending<'a> {
        self.sending(Target::Group(group.clone()), Some(own.clone()), envelope)
    }

    fn group_add<'a>(
        &'a self,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> BoxFuture<'a, Result<(), LayerError>> {
        let added = self.table.add(group, channel);
        ready(added.map(drop).ok_or_else(|| LayerError::NotLocal { channel: channel.to_string() })).boxed()
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
        let state = self.bus.shared.lock();
        let names = state.processes.iter().flat_map(|process| process.table.member_names(group)).collect();
        ready(if self.closed.load(Relaxed) { Err(LayerError::Closed) } else { Ok(names) }).boxed()
    }

    fn group_count<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<usize, LayerError>> {
        async move { Ok(self.group_members(group).await?.len()) }.boxed()
    }

    fn jobs<'a>(&'a self, channel: &'a ChannelName) -> Jobs<'a> {
        let jobs = Arc::clone(&self.bus.shared.lock().queues.entry(channel.to_string()).or_default().jobs);
        let queue = jobs.open(channel.as_str(), &self.config, &self.table);
        ready(Ok(Some(Box::new(queue) as Box<dyn WorkerQueue>))).boxed()
    }

    /// Removes the groups of every process.
    fn flush(&self) -> BoxFuture<'_, Result<(), LayerError>> {
        for process in &self.bus.shared.lock().processes {
            process.table.flush();
        }
        ready(Ok(())).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.closed.store(true, Relaxed);
        self.table.close();
        ready(()).boxed()
    }
}

impl Target {
    fn name(&self) -> &str {
        match self {
            Self::Group(group) => group.as_str(),
            Self::Channel(channel) => channel.as_str(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group `{group}`"),
            Self::Channel(channel) => write!(f, "channel `{channel}`"),
        }
    }
}

/// `process 0 to group `chat_lobby`: {"message":"hi","type":"chat.message"}`
impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} to {}", self.process, self.to)?;
        if let Some(but) = &self.but {
            write!(f, " but `{but}`")?;
        }
        f.write_str(": ")?;
        match self.envelope.to_value() {
            Ok(value) => f.write_str(shown(&value.to_string())),
            Err(error) => write!(f, "`{}`, which is not JSON: {error}", self.envelope.event_name()),
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({self})")
    }
}

/// Writes the record as the end of a sentence.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.record.is_empty() {
            return f.write_str("; nothing was sent");
        }
        f.write_str("; sent messages:")?;
        for Entry { sent, is_returned } in &self.record {
            write!(f, "\n  {sent}{}", if *is_returned { " (returned by an assertion)" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for LayerProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.bus.shared.lock();
        f.debug_struct("LayerProbe")
            .field("processes", &state.processes.len())
            .field("sent", &state.record.len())
            .field("has_turns", &self.bus.turns.is_some())
            .finish()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerProbe(process {})", self.number)
    }
}
