//! Tests of a connection with calls in random orders.

use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::Wake;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::codec::Envelope;
use crate::connection::inbox::InboxItem;
use crate::connection::io_stream::Stream;
use crate::connection::outbound::tests::{queued, text};
use crate::connection::rate_limit::Rate;
use crate::connection::shared::Limits;
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::{ChannelLayer, LayerConfig, Undeliverable};
use crate::websocket::{Compressor, Frame, Window};

#[derive(Debug, Clone)]
enum Call {
    /// An encoded frame of this size for the client.
    Frame(usize),
    /// A batch of frames.
    Frames(Vec<usize>),
    Event,
    /// The running handler sends a frame of this size.
    Reply(usize),
    /// The handler returns. The socket takes this number of bytes. The task runs until it has nothing to do.
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

/// Records whether the task was woken.
#[derive(Default)]
struct WakeRecorder(AtomicBool);

impl Wake for WakeRecorder {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

fn prepare_nothing(_: &Envelope, _: Option<&Compressor>) -> Result<Delivery, Undeliverable> {
    Ok(Delivery::Nothing)
}

/// Makes the shared state of connections, with this mailbox capacity and this outbound limit.
pub(crate) fn shared(capacity: usize, outbound: usize) -> Arc<Shared> {
    let inbound = Rate { frames: 1, bytes: 1 };
    let layer = ChannelLayer::in_memory_with(LayerConfig::default().capacity(capacity));
    Shared::new(
        layer,
        Limits { max_message: 1, unfinished: 1, outbound, inbound, compression: None },
        #[cfg(feature = "backend")]
        None,
    )
}

pub(crate) fn connection(shared: Arc<Shared>, socket: Socket) -> Arc<Connection> {
    let channel = ChannelName::new("specific.0!1").unwrap();
    let connection = Connection::new(
        const { &MailboxKind::of::<()>(prepare_nothing) },
        channel,
        Scope::of_worker("client"),
        shared,
        false,
        Window::NONE,
    );
    connection.open(socket);
    connection
}

/// A client: the number of bytes that it takes, and the bytes that it has taken. It does not wake a task when it takes more.
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

/// Makes a text frame that begins with its label.
pub(crate) fn labelled(label: usize, size: usize) -> EncodedFrame {
    EncodedFrame::new(&Frame::text(format!("{label:06}{}", "x".repeat(size))))
}

/// Returns the labels of the frames in order. A close frame is `None`.
pub(crate) fn labels(mut bytes: &[u8]) -> Vec<Option<usize>> {
    let mut all = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match (*length, rest) {
            (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            (126, _) => break,
            (short, rest) => (usize::from(short), rest),
        };
        // The last frame may be incomplete.
        let Some((payload, next)) = rest.split_at_checked(length) else { break };
        all.push((*first == 0x81).then(|| std::str::from_utf8(&payload[..6]).unwrap().parse().unwrap()));
        bytes = next;
    }
    all
}

/// Runs calls in their order, and asserts that the task does not sleep with work to do, that messages keep their order, and
/// that every byte is counted.
///
/// Every method takes the connection's lock once, so concurrent calls have the same result as the same calls in some order.
fn run(calls: Vec<Call>) {
    let capacity = 3;
    let client = Client::default();
    let connection = connection(shared(capacity, 8 * 1024), Socket::Stream(Stream::new(client.clone())));
    let wakes = Arc::<WakeRecorder>::default();
    let waker = Waker::from(Arc::clone(&wakes));
    let mut task = Context::from_waker(&waker);
    let (mut label, mut handling, mut asleep) = (0, None, false);
    let (mut handled, mut accepted) = (Vec::new(), Vec::new());
    let mut is_over = false;
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
                assert_eq!(connection.deliver_all(&batch, &mut Scheduled::default()).delivered, frames.len() as u64);
            }
            Call::Event => {
                let queued = accepted.len() - handled.len();
                let event = Delivery::Event(Arc::new(label), DropHint::default(), MailboxPolicy::default());
                let delivered = connection.deliver(&event, Instant::now());
                assert_eq!(delivered.is_ok(), queued < capacity, "{queued} events are queued");
                if delivered.is_ok() {
                    accepted.push(label);
                }
            }
            Call::Reply(size) => {
                if let Some(of) = handling {
                    _ = connection.offer(labelled(of, size).plain());
                }
            }
            Call::LayerClosed => connection.layer_closed(),
            Call::Close => connection.close(CloseCode::NORMAL, ""),
            Call::Run(takes) => {
                handling = None;
                asleep = false;
                wakes.0.store(false, Relaxed);
                client.takes(takes);
                while !is_over && handling.is_none() && !asleep {
                    match connection.next(&mut task, true) {
                        Next::Event(event) => {
                            let event = *event.downcast_ref::<usize>().unwrap();
                            handled.push(event);
                            handling = Some(event);
                        }
                        Next::Gap(_) | Next::HistoryLost(_) => panic!("this consumer has no gap methods"),
                        Next::LayerClosed => connection.close(CloseCode::GOING_AWAY, ""),
                        // The client sends nothing. If the task was woken in the meantime, it runs again.
                        next @ (Next::Client { .. } | Next::Nothing) => {
                            if let Next::Client { held: true } = next {
                                connection.write_held(&mut task);
                            }
                            asleep = !wakes.0.swap(false, Relaxed);
                        }
                        Next::Closing(_) => is_over = true,
                        Next::Broken => panic!("this socket does not fail"),
                    }
                }
            }
        }
        let state = &connection.lock().state;
        let outbound = &state.outbound;
        let inbox = state.inbox.iter().filter_map(|(_, item)| match item {
            InboxItem::Frame(frame, _) => Some(outbound.inbox_weight(frame)),
            InboxItem::Event(..) | InboxItem::Gap(_) | InboxItem::HistoryLost(_) => None,
        });
        assert_eq!(outbound.weight, inbox.sum::<usize>() + queued(outbound), "every queued byte is counted");
        assert_eq!(state.events as usize, accepted.len() - handled.len());
        if asleep && !wakes.0.load(Relaxed) {
            assert!(state.inbox.is_empty() && !state.layer_closed, "asleep with a filled inbox");
            assert!(matches!(state.stage, Stage::Open), "asleep in {:?}", state.stage);
            assert!(outbound.is_empty() || client.takes_nothing(), "asleep with output");
        }
    }
    assert_eq!(handled, accepted[..handled.len()], "events arrive in their order, each once");
    let labels = labels(&client.0.lock().unwrap().1);
    let data = labels.iter().take_while(|label| label.is_some()).count();
    assert!(labels.len() - data <= 1, "nothing follows a close frame: {labels:?}");
    assert!(labels[..data].is_sorted(), "frames keep their order: {labels:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn task_never_sleeps_with_work_and_messages_keep_order(calls in calls()) {
        run(calls);
    }
}

/// The outcome of a delivery of frames.
#[derive(Debug, PartialEq)]
struct Delivered {
    count: DeliveryCount,
    weight: usize,
    stage: Stage,
    written: Vec<u8>,
}

/// Calls `deliver` after the frames in `before`, of which the client takes `takes` bytes. Returns the outcome.
fn delivered(before: &[Delivery], takes: usize, deliver: impl FnOnce(&Connection) -> DeliveryCount) -> Delivered {
    let client = Client::default();
    let connection = connection(shared(3, 8 * 1024), Socket::Stream(Stream::new(client.clone())));
    let mut task = Context::from_waker(Waker::noop());
    assert!(matches!(connection.next(&mut task, true), Next::Client { .. }));
    for frame in before {
        assert_eq!(connection.deliver(frame, Instant::now()), Ok(true));
    }
    client.takes(takes);
    connection.poll_output(&mut task);
    let count = deliver(&connection);
    let (weight, stage) = {
        let state = &connection.lock().state;
        (state.outbound.weight, state.stage)
    };
    client.takes(usize::MAX);
    while connection.poll_output(&mut task) == Output::Pending {}
    let written = client.0.lock().unwrap().1.clone();
    Delivered { count, weight, stage, written }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn batch_of_frames_equals_single_deliveries(
        before in prop::collection::vec(0..3000_usize, 0..6),
        takes in 0..3000_usize,
        sizes in prop::collection::vec(0..1000_usize, 2..9),
    ) {
        let mut labels = 0..;
        let mut frames = |sizes: Vec<usize>| -> Vec<Delivery> {
            let labelled = labels.by_ref().zip(sizes).map(|(label, size)| labelled(label, size));
            labelled.map(|frame| Delivery::Frame(frame, DropHint::default())).collect()
        };
        let (before, frames) = (frames(before), frames(sizes));
        let now = Instant::now();
        let together = delivered(&before, takes, |connection| {
            let batch = Batch::of(frames.iter().map(|frame| (frame, now)).collect(), WritePriority::Interactive);
            connection.deliver_all(&batch, &mut Scheduled::default())
        });
        let one_by_one = delivered(&before, takes, |connection| {
            let mut count = DeliveryCount::default();
            frames.iter().for_each(|frame| count.add(&connection.deliver(frame, now)));
            count
        });
        prop_assert_eq!(together, one_by_one);
    }
}

#[test]
fn client_that_takes_pending_bytes_stays_connected() {
    let policy = HeartbeatPolicy::new(Some((Duration::from_secs(20), Duration::from_secs(30))), None).unwrap();
    let client = Client::default();
    let connection = connection(shared(3, 1 << 20), Socket::Stream(Stream::new(client.clone())));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(connection.offer(text(10_000).plain()).unwrap());
    let mut take = |bytes: usize| {
        client.takes(bytes);
        assert_eq!(connection.poll_output(cx), Output::Pending);
    };
    for bytes in [0, 1, 1, 1] {
        take(bytes);
        for _ in 1..policy.drop_after {
            connection.check_heartbeat(&policy);
        }
        assert_eq!(connection.lock().state.stage, Stage::Open);
    }
    take(0);
    connection.check_heartbeat(&policy);
    assert_eq!(connection.lock().state.stage, Stage::Broken);
}
