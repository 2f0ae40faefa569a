//! The server of the layers for tests: it carries the messages of all simulated processes, and records them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem::{replace, take};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::codec::Envelope;
use crate::error::LayerError;
use crate::event::History;
use crate::layer::{Full, Link, LocalTable};
use crate::name::{ChannelName, GroupName};
use crate::support::lock;
use crate::testing::probe_histories::{ProbeHistories, Recalled};
use crate::testing::probe_jobs::JobQueue;
use crate::testing::sent::{Sent, Target};

/// The messages that all processes share.
pub(super) struct Bus {
    pub(super) shared: Arc<Shared>,
    /// The task that delivers in the order of the seed. Ends with the last layer and probe. `None` without a seed.
    pub(super) turns: Option<AbortOnDropHandle<()>>,
}

#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Notify,
    has_turns: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) processes: Vec<Process>,
    /// The queues of worker channels. A queue without a worker keeps its jobs for the next one.
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) histories: ProbeHistories,
    pub(super) record: Vec<Entry>,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) jobs: Arc<JobQueue>,
    /// Jobs that have not arrived yet, from the process with this number. No bound, as in [`Process`].
    in_flight: VecDeque<(usize, Sent)>,
}

pub(super) struct Process {
    pub(super) table: Arc<LocalTable>,
    /// Messages that have not arrived yet. No bound: the record keeps every message anyway.
    in_flight: VecDeque<Arriving>,
    /// The faults of the next messages, which the test has ordered.
    faults: VecDeque<Fault>,
    /// No message reaches the process, and it reaches nobody.
    pub(super) is_cut_off: bool,
    /// The histories that the process asks the server for, one after the other. Bound: as that of a real layer.
    recalls: VecDeque<Recall>,
    /// The recall under way.
    recalling: Recalling,
}

/// A message to the channels and groups of one process.
#[derive(Clone)]
struct Arriving {
    sent: Sent,
    /// The place of the message in the history of its group.
    link: Option<Link>,
}

/// A fault of one message on its way to a process.
pub(super) enum Fault {
    Lose,
    Double,
}

/// A request of a process for the history of a group.
struct Recall {
    group: GroupName,
    /// Messages may have been lost, so that the process asks even if its history is live.
    is_suspect: bool,
    /// Notified when the history has arrived. Dropped without that if the process is cut off.
    done: Option<oneshot::Sender<()>>,
}

#[derive(Default)]
enum Recalling {
    #[default]
    Nothing,
    /// The answer has not arrived yet.
    InFlight(Recall, Recalled),
    /// The process takes the answer.
    Arriving,
}

/// The receiver of a message.
enum Reader {
    /// The process with this number.
    Process(usize, Arc<LocalTable>),
    Jobs(Arc<JobQueue>),
}

pub(super) struct Entry {
    pub(super) sent: Sent,
    /// Whether an assertion has returned the message.
    pub(super) is_returned: bool,
}

/// Something that can happen next in the order of a seed.
#[derive(Clone)]
enum Turn {
    /// The next message of a process arrives.
    Message(usize),
    /// The next recall of a process is answered, or the answer arrives.
    Recall(usize),
    /// The next job of a queue arrives.
    Job(String),
}

impl Shared {
    /// Makes a server whose messages arrive in the order of a seed.
    pub(super) fn with_turns() -> Self {
        Self { has_turns: true, ..Self::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Adds a process. Returns its number.
    pub(super) fn add_process(&self, table: impl FnOnce(usize) -> Arc<LocalTable>) -> usize {
        let mut state = self.lock();
        let number = state.processes.len();
        state.processes.push(Process {
            table: table(number),
            in_flight: VecDeque::new(),
            faults: VecDeque::new(),
            is_cut_off: false,
            recalls: VecDeque::new(),
            recalling: Recalling::Nothing,
        });
        number
    }

    /// Records and delivers a message. Delivers without the lock, because delivery runs the user's code, which may send. A
    /// message to a group with a history is kept.
    pub(super) fn send(&self, sent: Sent, history: Option<History>) -> Result<(), LayerError> {
        let mut state = self.lock();
        state.record.push(Entry { sent: sent.clone(), is_returned: false });
        let link = match (&sent.to, history) {
            (Target::Group(group), Some(history)) => Some(state.histories.record(group, &sent.envelope, history)),
            _ => None,
        };
        let arriving = Arriving { sent, link };
        let readers = if self.has_turns {
            state.put_in_flight(&arriving);
            Vec::new()
        } else {
            state.readers(&arriving.sent.to)
        };
        drop(state);
        self.changed.notify_waiters();
        for reader in readers {
            if let Err(Full { capacity }) = self.deliver(&reader, &arriving, |_| 0) {
                return Err(LayerError::ChannelFull { channel: arriving.sent.to.name().to_owned(), capacity });
            }
        }
        Ok(())
    }

    /// Delivers a message. `first` chooses one of the waiting workers.
    fn deliver(&self, reader: &Reader, arriving: &Arriving, first: impl FnOnce(usize) -> usize) -> Result<(), Full> {
        let Arriving { sent: Sent { to, but, envelope, .. }, link } = arriving;
        match (reader, to) {
            (Reader::Jobs(jobs), _) => jobs.push(envelope, first),
            (Reader::Process(_, table), Target::Channel(channel)) => table.send(channel, envelope).map(drop),
            (Reader::Process(number, table), Target::Group(group)) => {
                match (but, link) {
                    (Some(but), _) => table.group_send_others(group, envelope, but),
                    (None, None) => table.group_send(group, envelope),
                    (None, Some(link)) => {
                        if table.hear(group, *link, envelope) {
                            self.recall(*number, Recall { group: group.clone(), is_suspect: true, done: None });
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Asks for the history of a group, and waits until it has arrived. Returns `Err` if the process was cut off.
    pub(super) async fn recalled(&self, process: usize, group: GroupName, is_suspect: bool) -> Result<(), CutOff> {
        let (done, arrived) = oneshot::channel();
        if self.lock().processes[process].is_cut_off {
            return Err(CutOff);
        }
        self.recall(process, Recall { group, is_suspect, done: Some(done) });
        arrived.await.map_err(|_| CutOff)
    }

    fn recall(&self, process: usize, recall: Recall) {
        self.lock().processes[process].recalls.push_back(recall);
        self.recall_all(process);
    }

    /// Takes the recalls of a process one after the other, unless its caller already does.
    fn recall_all(&self, process: usize) {
        if self.has_turns {
            self.changed.notify_waiters();
            return;
        }
        // Once for the answer, and once for its arrival.
        while self.lock().processes[process].has_recall() {
            self.take_recall(process);
        }
    }

    /// Answers the next recall of a process, or lets the answer arrive.
    fn take_recall(&self, process: usize) {
        let mut state = self.lock();
        let State { processes, histories, .. } = &mut *state;
        let Process { table, recalls, recalling, .. } = &mut processes[process];
        match take(recalling) {
            Recalling::Nothing => {
                let Some(recall) = recalls.pop_front() else { return };
                match table.begin_recall(&recall.group, recall.is_suspect) {
                    Some(known) => {
                        let answer = histories.recall(&recall.group, known);
                        *recalling = Recalling::InFlight(recall, answer);
                    }
                    // The history is live, or the last member has left.
                    None => recall.finish(),
                }
            }
            Recalling::InFlight(recall, Recalled { reign, newest, messages }) => {
                let table = Arc::clone(table);
                *recalling = Recalling::Arriving;
                drop(state);
                let again = table.recalled(&recall.group, reign, newest, messages);
                let process = &mut self.lock().processes[process];
                process.recalling = Recalling::Nothing;
                match again {
                    false => recall.finish(),
                    true if process.is_cut_off => {}
                    true => process.recalls.push_front(recall),
                }
            }
            arriving @ Recalling::Arriving => *recalling = arriving,
        }
    }

    /// Checks that there is a process with this number.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub(super) fn check_process(&self, number: usize) {
        let count = self.lock().processes.len();
        assert!(number < count, "there is no process {number}: this probe has {count}, and the first one is process 0");
    }

    /// Orders a fault of the next message to a process.
    pub(super) fn add_fault(&self, process: usize, fault: Fault) {
        self.lock().processes[process].faults.push_back(fault);
    }

    /// Cuts a process off from the others. Has no effect if it already is.
    pub(super) fn cut_off(&self, process: usize) {
        let mut state = self.lock();
        let process = &mut state.processes[process];
        if replace(&mut process.is_cut_off, true) {
            return;
        }
        process.in_flight.clear();
        process.recalls.clear();
        process.lose_answer();
        let table = Arc::clone(&process.table);
        drop(state);
        for (group, _) in table.wanted_groups() {
            table.hold_history(&group);
        }
        table.lost();
    }

    /// Connects a process again, and recalls what it missed. Has no effect if it is not cut off.
    pub(super) async fn restore(&self, process: usize) {
        let table = {
            let mut state = self.lock();
            let process = &mut state.processes[process];
            if !replace(&mut process.is_cut_off, false) {
                return;
            }
            Arc::clone(&process.table)
        };
        for (group, has_history) in table.wanted_groups() {
            if has_history && self.recalled(process, group, true).await.is_err() {
                // It was cut off again meanwhile.
                break;
            }
        }
        table.restored();
    }

    /// Removes the kept messages of a group in the server and in all processes.
    pub(super) fn forget_history(&self, group: &GroupName) {
        let mut state = self.lock();
        state.histories.forget(group);
        for process in &mut state.processes {
            // The answer still contains them, so the process asks again.
            if let Recalling::InFlight(recall, _) = &process.recalling
                && recall.group == *group
                && let Some(recall) = process.lose_answer()
            {
                process.recalls.push_front(recall);
            }
        }
        let tables: Vec<_> = state.processes.iter().map(|process| Arc::clone(&process.table)).collect();
        drop(state);
        for table in tables {
            table.cut_history(group);
        }
    }

    /// Lets the next thing happen that the random numbers choose. Returns `false` if nothing is in flight.
    fn take_turn(&self, random: &mut SplitMix64) -> bool {
        let mut state = self.lock();
        let turns = state.turns();
        if turns.is_empty() {
            return false;
        }
        let next = match turns[random.below(turns.len())].clone() {
            Turn::Message(number) => {
                let process = &mut state.processes[number];
                let reader = Reader::Process(number, Arc::clone(&process.table));
                process.in_flight.pop_front().map(|arriving| (Arc::clone(&process.table), arriving, reader))
            }
            Turn::Recall(process) => {
                drop(state);
                self.take_recall(process);
                return true;
            }
            Turn::Job(name) => state.take_job(&name),
        };
        drop(state);
        if let Some((counts, arriving, reader)) = next
            && self.deliver(&reader, &arriving, |waiting| random.below(waiting)).is_err()
        {
            counts.counters().count_full(arriving.sent.to.name());
        }
        true
    }
}

/// The error of a process that the test has cut off.
#[derive(Debug, thiserror::Error)]
#[error("the test has cut this process off")]
pub(super) struct CutOff;

impl Recall {
    fn finish(self) {
        if let Some(done) = self.done {
            // The caller may have been dropped.
            _ = done.send(());
        }
    }
}

impl Process {
    /// Returns how many times the next message arrives.
    fn arrivals(&mut self, to: &Target) -> usize {
        let is_wanted = match to {
            Target::Group(group) => self.table.is_wanted(group),
            Target::Channel(_) => true,
        };
        if self.is_cut_off || !is_wanted {
            return 0;
        }
        match self.faults.pop_front() {
            None => 1,
            Some(Fault::Lose) => 0,
            Some(Fault::Double) => 2,
        }
    }

    /// Returns whether a recall can be answered, or its answer can arrive.
    fn has_recall(&self) -> bool {
        match self.recalling {
            Recalling::Nothing => !self.is_cut_off && !self.recalls.is_empty(),
            Recalling::InFlight(..) => true,
            Recalling::Arriving => false,
        }
    }

    /// Loses the answer that has not arrived yet. Returns its recall.
    fn lose_answer(&mut self) -> Option<Recall> {
        match take(&mut self.recalling) {
            Recalling::InFlight(recall, _) => Some(recall),
            other => {
                self.recalling = other;
                None
            }
        }
    }
}

impl State {
    /// Returns the receivers of a message: all processes for a group. For a channel, its queue, or the first process that has
    /// the channel. A process that receives it twice is there twice.
    fn readers(&mut self, to: &Target) -> Vec<Reader> {
        if let Target::Channel(channel) = to
            && let Some(queue) = self.queue(channel)
        {
            return vec![Reader::Jobs(Arc::clone(&queue.jobs))];
        }
        let mut readers = Vec::new();
        for number in self.processes_of(to) {
            let process = &mut self.processes[number];
            for _ in 0..process.arrivals(to) {
                readers.push(Reader::Process(number, Arc::clone(&process.table)));
            }
        }
        readers
    }

    /// Puts a message in flight to its [readers](Self::readers).
    fn put_in_flight(&mut self, arriving: &Arriving) {
        let Sent { to, process, .. } = &arriving.sent;
        if let Target::Channel(channel) = to
            && self.queue(channel).is_some()
        {
            let queue = self.queues.entry(channel.to_string()).or_default();
            return queue.in_flight.push_back((*process, arriving.sent.clone()));
        }
        for number in self.processes_of(to) {
            let process = &mut self.processes[number];
            for _ in 0..process.arrivals(to) {
                process.in_flight.push_back(arriving.clone());
            }
        }
    }

    /// Returns the numbers of the processes of a group, or of a channel that is not a worker's.
    fn processes_of(&self, to: &Target) -> Vec<usize> {
        match to {
            Target::Group(_) => (0..self.processes.len()).collect(),
            Target::Channel(channel) => {
                self.processes.iter().position(|process| process.table.has_channel(channel)).into_iter().collect()
            }
        }
    }

    /// Returns the queue of a channel that has a worker.
    fn queue(&self, channel: &ChannelName) -> Option<&Queue> {
        self.queues.get(channel.as_str()).filter(|queue| queue.jobs.has_worker())
    }

    /// Returns everything that can happen next.
    fn turns(&self) -> Vec<Turn> {
        let processes = || self.processes.iter().enumerate();
        let messages = processes().filter(|(_, process)| !process.in_flight.is_empty());
        let recalls = processes().filter(|(_, process)| process.has_recall());
        let jobs = self.queues.iter().filter(|(_, queue)| !queue.in_flight.is_empty());
        let messages = messages.map(|(number, _)| Turn::Message(number));
        let recalls = recalls.map(|(number, _)| Turn::Recall(number));
        messages.chain(jobs.map(|(name, _)| Turn::Job(name.clone()))).chain(recalls).collect()
    }

    /// Takes the next job of a queue, with the table of its sender.
    fn take_job(&mut self, name: &str) -> Option<(Arc<LocalTable>, Arriving, Reader)> {
        let queue = self.queues.get_mut(name)?;
        let (from, sent) = queue.in_flight.pop_front()?;
        let reader = Reader::Jobs(Arc::clone(&queue.jobs));
        Some((Arc::clone(&self.processes[from].table), Arriving { sent, link: None }, reader))
    }

    pub(super) fn take(&mut self, to: &Target, event: &str) -> Option<Envelope> {
        let is_next = |entry: &&mut Entry| {
            !entry.is_returned && entry.sent.to == *to && entry.sent.envelope.event_name() == event
        };
        let entry = self.record.iter_mut().find(is_next)?;
        entry.is_returned = true;
        Some(entry.sent.envelope.clone())
    }
}

/// Lets the messages arrive in the order of the seed, until the future is dropped.
pub(super) async fn take_turns(shared: Arc<Shared>, seed: u64) {
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
