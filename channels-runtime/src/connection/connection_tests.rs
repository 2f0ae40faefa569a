//! A connection in any order of calls, and its place in the flusher's rings.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::Wake;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::codec::Envelope;
use crate::connection::heartbeat::HeartbeatPolicy;
use crate::connection::inbox::InboxItem;
use crate::connection::io_stream::Stream;
use crate::connection::outbound::Stage;
use crate::connection::outbound::tests::{queued, text};
use crate::connection::rate_limit::Rate;
use crate::connection::shared::Limits;
use crate::connection::write_model::Pipe;
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::{ChannelLayer, LayerConfig, Undeliverable};
use crate::websocket::Frame;

#[derive(Debug, Clone)]
enum Call {
    /// A rendered frame of so many bytes for the client.
    Frame(usize),
    /// Several of them in one visit.
    Frames(Vec<usize>),
    Event,
    /// The handler that runs sends so many bytes.
    Reply(usize),
    /// The handler is done; the task runs until it has nothing to do. The socket takes so many bytes.
    Run(usize),
    LayerClosed,
    Close,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        8 => (0..6000_usize).prop_map(Call::Frame),
        4 => prop::collection::vec(0..2500_usize, 1..9).prop_map(Call::Frames),
        6 => Just(Call::Event),
        6 => (0..6000_usize).prop_map(Call::Reply),
        8 => prop_oneof![0..200_usize, 0..20_000_usize].prop_map(Call::Run),
        1 => Just(Call::LayerClosed),
        1 => Just(Call::Close),
    ];
    prop::collection::vec(call, 0..60)
}

/// Whether the task was woken since it went to sleep.
#[derive(Default)]
struct Alarm(AtomicBool);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

fn never(_: &Envelope) -> Result<Delivery, Undeliverable> {
    Ok(Delivery::Nothing)
}

/// What connections with a mailbox of this capacity share.
pub(crate) fn shared(capacity: usize, outbound: usize) -> Arc<Shared> {
    let inbound = Rate { frames: 1, bytes: 1 };
    let layer = ChannelLayer::in_memory_with(LayerConfig::default().capacity(capacity));
    Shared::new(layer, Limits { max_message: 1, outbound, inbound })
}

pub(crate) fn connection(shared: Arc<Shared>, socket: Socket) -> Arc<Connection> {
    let channel = ChannelName::new("specific.0!1").unwrap();
    let connection = Connection::new(never, channel, Scope::of_worker("client"), shared, false);
    connection.open(socket);
    connection
}

/// A client that takes so many bytes. Nobody is woken when it may take more.
#[derive(Clone, Default)]
struct Client(Arc<Mutex<(usize, Vec<u8>)>>);

impl Client {
    fn takes(&self, bytes: usize) {
        self.0.lock().unwrap().0 = bytes;
    }

    fn takes_nothing(&self) -> bool {
        self.0.lock().unwrap().0 == 0
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (takes, taken) = &mut *self.0.lock().unwrap();
        let now = bytes.len().min(*takes);
        if now == 0 {
            return Poll::Pending;
        }
        *takes -= now;
        taken.extend_from_slice(&bytes[..now]);
        Poll::Ready(Ok(now))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Text that begins with its place in the order.
pub(crate) fn labelled(label: usize, size: usize) -> EncodedFrame {
    EncodedFrame::new(&Frame::text(format!("{label:06}{}", "x".repeat(size))))
}

/// The labels of the frames, in their order; a close frame is `None`.
pub(crate) fn labels(mut bytes: &[u8]) -> Vec<Option<usize>> {
    let mut all = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match (*length, rest) {
            (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            (126, _) => break,
            (short, rest) => (usize::from(short), rest),
        };
        // The last one may be under way.
        let Some((payload, next)) = rest.split_at_checked(length) else { break };
        all.push((*first == 0x81).then(|| std::str::from_utf8(&payload[..6]).unwrap().parse().unwrap()));
        bytes = next;
    }
    all
}

/// Every method takes the one lock once, so threads that call them at the same time are an order of calls. Here are
/// orders: nobody sleeps while there is something to do, nothing overtakes, and every byte is counted.
fn run(calls: Vec<Call>) {
    let capacity = 3;
    let client = Client::default();
    let connection = connection(shared(capacity, 8 * 1024), Socket::Stream(Stream::new(client.clone())));
    let alarm = Arc::<Alarm>::default();
    let waker = Waker::from(Arc::clone(&alarm));
    let mut task = Context::from_waker(&waker);
    let (mut label, mut handling, mut asleep) = (0, None, false);
    let (mut handled, mut accepted) = (Vec::new(), Vec::new());
    let mut over = false;
    for call in calls {
        label += 1;
        match call {
            Call::Frame(size) => {
                let frame = Delivery::Frame(labelled(label, size), DropHint::default());
                assert_eq!(connection.deliver(&frame, Instant::now()), Ok(true));
            }
            Call::Frames(sizes) => {
                let mut frame = |size| {
                    label += 1;
                    Delivery::Frame(labelled(label, size), DropHint::default())
                };
                let frames: Vec<_> = sizes.into_iter().map(&mut frame).collect();
                let batch =
                    Batch::of(frames.iter().map(|frame| (frame, Instant::now())).collect(), WritePriority::Interactive);
                assert_eq!(connection.deliver_all(&batch).delivered, frames.len() as u64);
            }
            Call::Event => {
                let waiting = accepted.len() - handled.len();
                let event = Delivery::Event(Arc::new(label), DropHint::default(), MailboxPolicy::default());
                let delivered = connection.deliver(&event, Instant::now());
                assert_eq!(delivered.is_ok(), waiting < capacity, "{waiting} events wait");
                if delivered.is_ok() {
                    accepted.push(label);
                }
            }
            Call::Reply(size) => {
                if let Some(of) = handling {
                    _ = connection.offer(labelled(of, size).as_bytes());
                }
            }
            Call::LayerClosed => connection.layer_closed(),
            Call::Close => connection.close(CloseCode::NORMAL, ""),
            Call::Run(takes) => {
                handling = None;
                asleep = false;
                alarm.0.store(false, Relaxed);
                client.takes(takes);
                while !over && handling.is_none() && !asleep {
                    match connection.next(&mut task, true) {
                        Next::Event(event) => {
                            let event = *event.downcast_ref::<usize>().unwrap();
                            handled.push(event);
                            handling = Some(event);
                        }
                        Next::Gap(_) => panic!("this consumer does not hear of gaps"),
                        Next::LayerClosed => connection.close(CloseCode::GOING_AWAY, ""),
                        // The client says nothing. What the task was woken for while it looked, it looks at again.
                        next @ (Next::Client { .. } | Next::Nothing) => {
                            if let Next::Client { held: true } = next {
                                connection.write_held(&mut task);
                            }
                            asleep = !alarm.0.swap(false, Relaxed);
                        }
                        Next::Closing(_) => over = true,
                        Next::Broken => panic!("this socket does not break"),
                    }
                }
            }
        }
        let state = connection.lock();
        let outbound = &state.outbound;
        let mails = state.mailbox.iter().filter_map(|(_, mail)| match mail {
            InboxItem::Frame(frame, _) => Some(outbound.weigh_mail(frame)),
            InboxItem::Event(..) | InboxItem::Gap(_) => None,
        });
        assert_eq!(outbound.weight, mails.sum::<usize>() + queued(outbound), "what waits is what is counted");
        assert_eq!(state.events as usize, accepted.len() - handled.len());
        if asleep && !alarm.0.load(Relaxed) {
            assert!(state.mailbox.is_empty() && !state.layer_closed, "asleep drive_output_while mail");
            assert!(matches!(outbound.stage, Stage::Open), "asleep drive_output_while {:?}", outbound.stage);
            assert!(outbound.is_empty() || client.takes_nothing(), "asleep drive_output_while output");
        }
    }
    assert_eq!(handled, accepted[..handled.len()], "events in their order, each once");
    let labels = labels(&client.0.lock().unwrap().1);
    let data = labels.iter().take_while(|label| label.is_some()).count();
    assert!(labels.len() - data <= 1, "nothing stands behind a close frame: {labels:?}");
    assert!(labels[..data].is_sorted(), "nothing overtakes: {labels:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn nobody_sleeps_beside_work_and_nothing_overtakes(calls in calls()) {
        run(calls);
    }
}

/// What became of frames.
#[derive(Debug, PartialEq)]
struct Delivered {
    taken: DeliveryCount,
    weight: usize,
    stage: Stage,
    written: Vec<u8>,
}

/// What becomes of them where `some` wait already, of which the client takes so many bytes.
fn delivered(some: &[Delivery], takes: usize, deliver: impl FnOnce(&Connection) -> DeliveryCount) -> Delivered {
    let client = Client::default();
    let connection = connection(shared(3, 8 * 1024), Socket::Stream(Stream::new(client.clone())));
    let mut task = Context::from_waker(Waker::noop());
    assert!(matches!(connection.next(&mut task, true), Next::Client { .. }));
    for frame in some {
        assert_eq!(connection.deliver(frame, Instant::now()), Ok(true));
    }
    client.takes(takes);
    connection.poll_output(&mut task);
    let taken = deliver(&connection);
    let (weight, stage) = {
        let state = connection.lock();
        (state.outbound.weight, state.outbound.stage)
    };
    client.takes(usize::MAX);
    while connection.poll_output(&mut task) == Output::Pending {}
    let written = client.0.lock().unwrap().1.clone();
    Delivered { taken, weight, stage, written }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn several_frames_in_one_visit_are_as_many_visits(
        some in prop::collection::vec(0..3000_usize, 0..6),
        takes in 0..3000_usize,
        sizes in prop::collection::vec(0..1000_usize, 2..9),
    ) {
        let mut labels = 0..;
        let mut frames = |sizes: Vec<usize>| -> Vec<Delivery> {
            let labelled = labels.by_ref().zip(sizes).map(|(label, size)| labelled(label, size));
            labelled.map(|frame| Delivery::Frame(frame, DropHint::default())).collect()
        };
        let (some, frames) = (frames(some), frames(sizes));
        let now = Instant::now();
        let together = delivered(&some, takes, |connection| {
            connection.deliver_all(&Batch::of(frames.iter().map(|frame| (frame, now)).collect(), WritePriority::Interactive))
        });
        let one_by_one = delivered(&some, takes, |connection| {
            let mut taken = DeliveryCount::default();
            frames.iter().for_each(|frame| taken.add(&connection.deliver(frame, now)));
            taken
        });
        prop_assert_eq!(together, one_by_one);
    }
}

/// Connections whose consumers have nothing to do, all of one flusher, and its turns.
struct Written {
    connections: Vec<(Arc<Connection>, Arc<Pipe>)>,
    flushing: Pin<Box<dyn Future<Output = ()>>>,
}

impl Written {
    fn new(many: usize) -> Self {
        let shared = shared(3, 8 * 1024);
        let mut task = Context::from_waker(Waker::noop());
        let mut connections = Vec::new();
        for _ in 0..many {
            let pipe = Arc::<Pipe>::default();
            let connection = connection(Arc::clone(&shared), Socket::Model(Arc::clone(&pipe)));
            assert!(matches!(connection.next(&mut task, true), Next::Client { .. }));
            connections.push((connection, pipe));
        }
        Self { connections, flushing: Box::pin(async move { shared.write_queue.run(std::future::pending()).await }) }
    }

    fn send(&self, to: usize, labels: &[usize], reach: WritePriority) {
        let frame = |label: &usize| Delivery::Frame(labelled(*label, 10), DropHint::default());
        let frames: Vec<_> = labels.iter().map(frame).collect();
        let batch = Batch::of(frames.iter().map(|frame| (frame, Instant::now())).collect(), reach);
        assert_eq!(self.connections[to].0.deliver_all(&batch).delivered, frames.len() as u64);
    }

    /// In how many rings it has a place: each holds it.
    fn places(&self, of: usize) -> usize {
        Arc::strong_count(&self.connections[of].0) - 1
    }

    /// The flusher has one turn: it lets the others go first, and then writes.
    fn turn(&mut self) {
        let mut task = Context::from_waker(Waker::noop());
        assert!(self.flushing.as_mut().poll(&mut task).is_pending());
    }

    /// What each client has, by its place; of those that have something.
    fn received(&self) -> BTreeMap<usize, Vec<usize>> {
        let received = self.connections.iter().enumerate().map(|(place, (_, pipe))| (place, pipe.labels()));
        let received = received.map(|(place, labels)| (place, labels.into_iter().flatten().collect::<Vec<_>>()));
        received.filter(|(_, labels)| !labels.is_empty()).collect()
    }
}

#[test]
fn what_is_for_few_waits_for_no_round_of_many_and_overtakes_nothing() {
    let mut written = Written::new(100);
    (0..100).for_each(|to| written.send(to, &[1], WritePriority::Bulk));
    written.send(50, &[2], WritePriority::Interactive);
    assert!(written.connections[99].0.offer(labelled(3, 10).as_bytes()).unwrap());
    assert_eq!((written.places(0), written.places(50), written.places(99)), (1, 2, 2));
    (0..100).for_each(|to| written.send(to, &[4], WritePriority::Bulk));
    written.send(50, &[5], WritePriority::Interactive);
    assert_eq!((written.places(0), written.places(50)), (1, 2), "one in each at most");
    written.turn();
    assert!(written.received().is_empty(), "the readers go first");
    written.turn();
    let mut expected: BTreeMap<_, _> = (0..14).map(|place| (place, vec![1, 4])).collect();
    expected.extend([(50, vec![1, 2, 4, 5]), (99, vec![1, 3, 4])]);
    assert_eq!(written.received(), expected);
    // They still have their places in the other ring, where nothing is left to write but what came since.
    written.send(50, &[6], WritePriority::Bulk);
    assert_eq!((written.places(0), written.places(50)), (0, 1));
    (0..7).for_each(|_| written.turn());
    let mut expected: BTreeMap<_, _> = (0..100).map(|place| (place, vec![1, 4])).collect();
    expected.extend([(50, vec![1, 2, 4, 5, 6]), (99, vec![1, 3, 4])]);
    assert_eq!(written.received(), expected, "all of it, once");
    assert_eq!((0..100).map(|of| written.places(of)).sum::<usize>(), 0);
}

#[test]
fn what_is_for_many_gets_half_of_each_turn_whatever_is_for_few() {
    let mut written = Written::new(80);
    // Joined before they are handed over; one by one they are in the test above.
    (0..40).for_each(|to| written.send(to, &[1, 2], WritePriority::Bulk));
    written.turn();
    for turn in 1..=5 {
        // More than a turn writes, each time.
        (40..80).for_each(|to| written.send(to, &[turn], WritePriority::Interactive));
        written.turn();
        let of_many = written.received().range(..40).count();
        assert_eq!(of_many, 8 * turn);
    }
}

#[test]
fn a_client_that_takes_what_waits_for_it_lives() {
    let patience = HeartbeatPolicy::new(Some((Duration::from_secs(20), Duration::from_secs(30))), None).unwrap();
    let client = Client::default();
    let connection = connection(shared(3, 1 << 20), Socket::Stream(Stream::new(client.clone())));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(connection.offer(text(10_000).as_bytes()).unwrap());
    let mut take = |bytes: usize| {
        client.takes(bytes);
        assert_eq!(connection.poll_output(cx), Output::Pending);
    };
    for bytes in [0, 1, 1, 1] {
        take(bytes);
        for _ in 1..patience.lost {
            connection.check_heartbeat(&patience);
        }
        assert_eq!(connection.lock().outbound.stage, Stage::Open);
    }
    take(0);
    connection.check_heartbeat(&patience);
    assert_eq!(connection.lock().outbound.stage, Stage::Broken);
}
