//! A second group, with a history. Each of its sockets must receive every note once, or get a `#[history_lost]`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::{Note, PATIENCE};

/// The number of sockets on each server.
const SOCKETS: usize = 3;

#[group("kept", events(Note), history(size = 1000, ttl = "10m"))]
struct Kept;

/// Sends its client every note, in order, and each gap.
struct KeptListener;

#[consumer]
impl KeptListener {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Kept, &cx.resume()).await?;
        cx.send_json(&joined.at).await?;
        Ok(Self)
    }

    #[handler("note")]
    fn note(event: &Note, _at: &Position) -> String {
        format!("{} {}", event.from, event.number)
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_text(format!("lost {}", lost.cause)).await
    }
}

/// Returns the route of the group's sockets.
pub(super) fn route(channels: &Channels) -> impl Routes + use<> {
    channels.route::<KeptListener>(warp::path!("kept"))
}

#[derive(Debug, Clone, PartialEq)]
enum Received {
    Note(usize, usize),
    Lost(String),
}

/// The result of each note of a sender; `None` while it is in flight.
type Sent = Arc<Mutex<Vec<Option<bool>>>>;

type Log = Arc<Mutex<Vec<Received>>>;

/// The senders and the sockets of the group.
pub(super) struct KeptGroup {
    senders: Vec<(Sent, JoinHandle<()>)>,
    sockets: Vec<(Log, JoinHandle<()>)>,
}

/// The results.
#[derive(Debug, Default, PartialEq)]
pub(super) struct KeptBooks {
    pub(super) received: usize,
    /// Notes whose send succeeded, but which a socket without a `#[history_lost]` did not receive.
    pub(super) missed: usize,
    pub(super) doubled: usize,
    /// The number of `#[history_lost]` calls for each socket.
    pub(super) lost: Vec<usize>,
}

impl KeptGroup {
    pub(super) async fn start(servers: &[Channels], addresses: &[String]) -> Self {
        let mut sockets = Vec::new();
        for address in addresses {
            for _ in 0..SOCKETS {
                let (mut socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
                // The position.
                socket.next().await.unwrap().unwrap();
                let log = Log::default();
                let kept = Arc::clone(&log);
                let task = tokio::spawn(async move {
                    while let Some(Ok(message)) = socket.next().await {
                        let Message::Text(text) = message else { continue };
                        let (from, rest) = text.split_once(' ').unwrap();
                        let received = match from {
                            "lost" => Received::Lost(rest.into()),
                            from => Received::Note(from.parse().unwrap(), rest.parse().unwrap()),
                        };
                        kept.lock().unwrap().push(received);
                    }
                    panic!("a socket of the kept group ended");
                });
                sockets.push((log, task));
            }
        }
        let senders = servers.iter().enumerate().map(|(from, channels)| {
            let (sent, layer) = (Sent::default(), channels.channel_layer());
            let results = Arc::clone(&sent);
            let task = tokio::spawn(async move {
                for number in 0.. {
                    results.lock().unwrap().push(None);
                    let done = layer.group_send(&Kept, &Note { from, number }).await;
                    results.lock().unwrap()[number as usize] = Some(done.is_ok());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            (sent, task)
        });
        Self { senders: senders.collect(), sockets }
    }

    /// Waits until every socket has received a note of each sender from now on.
    pub(super) async fn everybody_hears(&self) {
        let next: Vec<usize> = self.senders.iter().map(|(sent, _)| sent.lock().unwrap().len()).collect();
        self.receive(|from, number| number >= next[from]).await;
    }

    async fn receive(&self, is_enough: impl Fn(usize, usize) -> bool) {
        let begun = Instant::now();
        let hears = |log: &Log, sender: usize| {
            let log = log.lock().unwrap();
            log.iter()
                .rev()
                .any(|one| matches!(one, Received::Note(from, number) if *from == sender && is_enough(*from, *number)))
        };
        while let Some((log, _)) =
            self.sockets.iter().find(|(log, _)| (0..self.senders.len()).any(|sender| !hears(log, sender)))
        {
            assert!(self.sockets.iter().all(|(_, task)| !task.is_finished()), "a socket ended");
            let last = || log.lock().unwrap().iter().rev().take(5).cloned().collect::<Vec<_>>();
            assert!(begun.elapsed() < PATIENCE, "a socket of the kept group receives nothing: {:?}", last());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the senders, waits for their last notes, and returns the results.
    pub(super) async fn finish(self) -> KeptBooks {
        for (_, task) in &self.senders {
            task.abort();
        }
        let sent: Vec<Vec<bool>> = self
            .senders
            .iter()
            .map(|(sent, _)| sent.lock().unwrap().iter().map(|done| *done == Some(true)).collect())
            .collect();
        let last: Vec<usize> = sent.iter().map(|sent| sent.iter().rposition(|ok| *ok).unwrap()).collect();
        self.receive(|from, number| number >= last[from]).await;
        let mut books = KeptBooks::default();
        for (log, task) in &self.sockets {
            task.abort();
            books.add(&log.lock().unwrap(), &sent);
        }
        books
    }
}

impl KeptBooks {
    fn add(&mut self, log: &[Received], sent: &[Vec<bool>]) {
        // The next note of each sender that must arrive. `None` after a gap: any later one.
        let mut next: BTreeMap<usize, Option<usize>> = (0..sent.len()).map(|from| (from, Some(0))).collect();
        let mut newest = vec![None; sent.len()];
        let mut lost = 0;
        for received in log {
            match received {
                Received::Lost(_) => {
                    lost += 1;
                    next.values_mut().for_each(|next| *next = None);
                }
                Received::Note(from, number) => {
                    self.received += 1;
                    if newest[*from].is_some_and(|newest| *number <= newest) {
                        self.doubled += 1;
                        continue;
                    }
                    newest[*from] = Some(*number);
                    if let Some(Some(expected)) = next.insert(*from, Some(number + 1)) {
                        self.missed += sent[*from][expected..*number].iter().filter(|ok| **ok).count();
                    }
                }
            }
        }
        self.lost.push(lost);
    }
}

#[test]
fn books_of_a_kept_group_find_missed_and_doubled_notes() {
    let sent = [vec![true, true, false, true, true], vec![true]];
    let note = |number| Received::Note(0, number);
    let lost = || Received::Lost("forgotten".into());
    for (log, missed, doubled, gaps) in [
        (vec![note(0), note(1), note(3), note(4)], 0, 0, 0),
        (vec![note(0), note(1), note(2), note(3)], 0, 0, 0),
        (vec![note(0), note(3)], 1, 0, 0),
        (vec![note(1), note(3), note(3), note(1)], 1, 2, 0),
        (vec![note(0), lost(), note(4)], 0, 0, 1),
        (vec![note(0), lost(), note(0), note(1), note(4)], 1, 1, 1),
    ] {
        let mut books = KeptBooks::default();
        books.add(&log, &sent);
        let expected = KeptBooks { received: log.len() - gaps, missed, doubled, lost: vec![gaps] };
        assert_eq!(books, expected, "{log:?}");
    }
}
