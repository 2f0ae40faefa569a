//! Tests of each row of the transition table.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::connection::state_effects::EndRule;
use crate::event::{DropHint, MailboxPolicy};
use crate::layer::Delivery;
use crate::websocket::Frame;

use HandlerState::{Handling, Idle};
use SocketState::{Full as SocketFull, Ready, Writing};
use Stage::{Broken, Closing, Connecting, Open};
use WritePriority::{Bulk, Interactive};

const CODE: CloseCode = CloseCode::NORMAL;
const NONE: Priorities = Priorities::NONE;
const BUSY: HandlerState = Handling { age_checked: false };
const CHECKED: HandlerState = Handling { age_checked: true };

/// The properties of a state that a row of the table describes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    stage: Stage,
    handler: HandlerState,
    socket: SocketState,
    scheduled: Priorities,
    /// The number of items in the inbox.
    inbox: usize,
    has_output: bool,
}

fn seen(state: &State) -> Seen {
    Seen {
        stage: state.stage,
        handler: state.handler,
        socket: state.outbound.socket(),
        scheduled: state.scheduled,
        inbox: state.inbox.len(),
        has_output: !state.outbound.is_empty(),
    }
}

/// An open connection whose consumer is idle, without output.
const IDLE_STATE: Seen =
    Seen { stage: Open, handler: Idle, socket: Ready, scheduled: NONE, inbox: 0, has_output: false };

fn both() -> Priorities {
    let mut both = Priorities::from(Interactive);
    both.set(Bulk, true);
    both
}

fn wake_task() -> Effects {
    Effects { wake_task: true, ..Effects::default() }
}

fn wake_waiter() -> Effects {
    Effects { wake_waiter: true, ..Effects::default() }
}

fn wake_task_and_waiter() -> Effects {
    Effects { wake_task: true, wake_waiter: true, ..Effects::default() }
}

fn connecting() -> State {
    State::new(2, 1 << 20, true)
}

fn idle_state() -> State {
    let mut state = connecting();
    assert_eq!(state.open(), Effects::default());
    assert!(matches!(next(&mut state), (Next::Client { held: false }, _)));
    state
}

/// Applies changes whose effects are not part of the row.
fn after(mut state: State, changes: impl FnOnce(&mut State)) -> State {
    changes(&mut state);
    state
}

fn handling() -> State {
    after(idle_state(), State::begin_handler)
}

fn with_output(priority: WritePriority) -> State {
    after(idle_state(), |state| assert_eq!(frame(state, priority), Effects::schedule(priority)))
}

fn writing() -> (State, Queue) {
    let mut state = with_output(Interactive);
    let taken = state.start_write(Interactive).expect("there is output");
    (state, taken)
}

fn full() -> State {
    let (mut state, taken) = writing();
    assert_eq!(blocked(&mut state, taken), wake_task_and_waiter());
    state
}

fn closing() -> State {
    after(idle_state(), |state| _ = state.close(CODE, ""))
}

fn broken() -> State {
    after(idle_state(), |state| _ = state.break_off())
}

fn keyed() -> DropHint {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Keyed;
    impl crate::event::Event for Keyed {
        type Itself = Self;
        type Retention = crate::event::Kept;
        const TYPE: &'static str = "keyed";
        fn key(&self) -> Option<NonZeroU64> {
            NonZeroU64::new(4)
        }
    }
    DropHint::of(&Keyed)
}

fn deliver(state: &mut State, delivery: &Delivery, priority: WritePriority) -> Effects {
    let (delivered, effects) = state.deliver(delivery, Instant::now(), priority, &mut Vec::new());
    assert_eq!(delivered, Ok(true));
    effects
}

fn encoded() -> EncodedFrame {
    EncodedFrame::new(&Frame::text("frame"))
}

fn frame(state: &mut State, priority: WritePriority) -> Effects {
    deliver(state, &Delivery::Frame(encoded(), DropHint::default()), priority)
}

fn keyed_frame(state: &mut State) -> Effects {
    deliver(state, &Delivery::Frame(encoded(), keyed()), Interactive)
}

fn event(state: &mut State) -> Effects {
    deliver(state, &Delivery::Event(Arc::new(1), DropHint::default(), MailboxPolicy::default()), Interactive)
}

fn gap(state: &mut State, gap: Gap) -> Effects {
    deliver(state, &Delivery::Gap(gap), Interactive)
}

fn next(state: &mut State) -> (Next, Effects) {
    state.next(true, Duration::from_secs(60), Instant::now, &mut Vec::new())
}

fn next_effects(state: &mut State, is_it: impl FnOnce(&Next) -> bool) -> Effects {
    let (next, effects) = next(state);
    assert!(is_it(&next), "{next:?}");
    effects
}

fn written(state: &mut State, taken: Queue, bytes: usize, more: bool) -> Effects {
    let (again, effects) = state.end_write(taken, &Ok(bytes), Interactive);
    assert_eq!(again, more);
    effects
}

fn failed(state: &mut State, taken: Queue, kind: io::ErrorKind) -> Effects {
    let (again, effects) = state.end_write(taken, &Err(kind.into()), Interactive);
    assert!(!again);
    effects
}

fn blocked(state: &mut State, taken: Queue) -> Effects {
    failed(state, taken, io::ErrorKind::WouldBlock)
}

fn heartbeat(state: &mut State, silent: u32, idle: u32) -> Effects {
    let mut counted = silent;
    let policy = HeartbeatPolicy { round: Duration::from_secs(1), ping_after: 2, drop_after: 4, close_idle_after: 8 };
    let effects = state.check_heartbeat(&mut counted, idle, &policy);
    let is_pinged_again = silent == policy.drop_after && state.stage == Open;
    assert_eq!(counted, if is_pinged_again { policy.ping_after } else { silent });
    effects
}

fn start(state: &mut State, priority: WritePriority, takes: bool) -> Effects {
    assert_eq!(state.start_write(priority).is_some(), takes);
    Effects::default()
}

fn ready() -> Poll<io::Result<()>> {
    Poll::Ready(Ok(()))
}

fn stream(state: &mut State, bytes: usize, result: &Poll<io::Result<()>>, output: &Output) -> Effects {
    state.start_stream_write().advance(bytes);
    let (seen, effects) = state.end_stream_write(result);
    assert_eq!(seen, *output);
    effects
}

/// Tests one row of the table.
#[track_caller]
fn row(mut given: State, event: impl FnOnce(&mut State) -> Effects, next: Seen, effects: Effects) {
    let actual = event(&mut given);
    assert_eq!(seen(&given), next);
    assert_eq!(actual, effects);
}

#[test]
fn stage_changes_as_in_table() {
    let queued = |stage| Seen { stage, handler: BUSY, has_output: true, ..IDLE_STATE };
    row(connecting(), State::open, Seen { handler: BUSY, ..IDLE_STATE }, Effects::default());
    row(connecting(), |state| state.answer(&encoded()), queued(Connecting), Effects::default());
    row(connecting(), |state| state.close(CODE, ""), queued(Closing(CODE)), wake_task_and_waiter());
    let answered = after(connecting(), |state| assert_eq!(state.answer(&encoded()), Effects::default()));
    let scheduled = Seen { scheduled: Interactive.into(), ..queued(Open) };
    row(answered, State::open, scheduled, Effects::schedule(Interactive));
    let closed = after(connecting(), |state| assert_eq!(state.close(CODE, ""), wake_task_and_waiter()));
    let scheduled = Seen { scheduled: Interactive.into(), ..queued(Closing(CODE)) };
    row(closed, State::open, scheduled, Effects::schedule(Interactive));

    let closing_seen = Seen { stage: Closing(CODE), scheduled: Interactive.into(), has_output: true, ..IDLE_STATE };
    let closes = Effects { schedule: Interactive.into(), ..wake_task_and_waiter() };
    row(idle_state(), |state| state.close(CODE, ""), closing_seen, closes);
    row(closing(), |state| state.close(CloseCode::GOING_AWAY, ""), closing_seen, Effects::default());
    row(closing(), |state| frame(state, Bulk), closing_seen, Effects::default());
    row(closing(), |state| state.answer(&encoded()), closing_seen, Effects::default());
    row(closing(), |state| heartbeat(state, 4, 8), closing_seen, Effects::default());
    let flushed = Seen { stage: Closing(CODE), ..IDLE_STATE };
    row(
        closing(),
        |state| {
            let taken = state.start_write(Interactive).expect("the close frame");
            written(state, taken, 4, false)
        },
        flushed,
        wake_task_and_waiter(),
    );

    let gone = Seen { stage: Broken, ..IDLE_STATE };
    row(idle_state(), State::break_off, gone, wake_waiter());
    row(broken(), |state| state.close(CODE, ""), gone, Effects::default());
    row(broken(), |state| frame(state, Bulk), gone, Effects::default());
    let (state, taken) = writing();
    row(
        state,
        |state| failed(state, taken, io::ErrorKind::BrokenPipe),
        Seen { has_output: true, ..gone },
        wake_task_and_waiter(),
    );
}

#[test]
fn closing_connection_rejects_frames_of_handler() {
    for (state, sent) in
        [(connecting(), Ok(true)), (idle_state(), Ok(true)), (closing(), Err(Closed)), (broken(), Err(Closed))]
    {
        let mut state = state;
        assert_eq!(state.send(|outbound| outbound.push(&encoded())).0, sent);
    }
    let mut state = idle_state();
    while state.has_space() {
        assert_eq!(state.send(|outbound| outbound.push_bytes(&[0; 4096])).0, Ok(true));
    }
    assert_eq!(state.send(|_| unreachable!("there is no space")), (Ok(false), Effects::default()));
    assert!(matches!(next(&mut state), (Next::Nothing, _)));
}

#[test]
fn heartbeat_changes_state_as_in_table() {
    let unanswered = Effects { ended: Some(EndRule::Unanswered), ..wake_task_and_waiter() };
    let pinged = |handler| Seen { handler, scheduled: Bulk.into(), has_output: true, ..IDLE_STATE };
    row(idle_state(), |state| heartbeat(state, 2, 0), pinged(Idle), Effects::schedule(Bulk));
    row(idle_state(), |state| heartbeat(state, 3, 0), IDLE_STATE, Effects::default());
    row(idle_state(), |state| heartbeat(state, 4, 0), Seen { stage: Broken, ..IDLE_STATE }, unanswered);
    row(handling(), |state| heartbeat(state, 4, 0), pinged(BUSY), Effects::schedule(Bulk));
    let lost = Seen { stage: Broken, handler: BUSY, socket: SocketFull, has_output: true, ..IDLE_STATE };
    row(after(full(), State::begin_handler), |state| heartbeat(state, 4, 0), lost, unanswered);
    let unpinged = Seen { socket: SocketFull, has_output: true, ..IDLE_STATE };
    row(full(), |state| heartbeat(state, 2, 0), unpinged, Effects::default());
    let going_away = Closing(CloseCode::GOING_AWAY);
    row(
        idle_state(),
        |state| heartbeat(state, 0, 8),
        Seen { stage: going_away, scheduled: Interactive.into(), has_output: true, ..IDLE_STATE },
        Effects { schedule: Interactive.into(), ended: Some(EndRule::Idle), ..wake_task_and_waiter() },
    );
    row(
        connecting(),
        |state| heartbeat(state, 4, 8),
        Seen { stage: Connecting, handler: BUSY, ..IDLE_STATE },
        Effects::default(),
    );
}

#[test]
fn handler_and_inbox_change_as_in_table() {
    let output = |priority: WritePriority| Seen { scheduled: priority.into(), has_output: true, ..IDLE_STATE };
    row(idle_state(), |state| frame(state, Bulk), output(Bulk), Effects::schedule(Bulk));
    row(handling(), |state| frame(state, Bulk), Seen { handler: BUSY, inbox: 1, ..IDLE_STATE }, Effects::default());
    let with_event = || after(idle_state(), |state| assert_eq!(event(state), wake_task()));
    row(with_event(), |state| frame(state, Bulk), Seen { inbox: 2, ..IDLE_STATE }, Effects::default());
    let waits = Seen { socket: SocketFull, inbox: 1, has_output: true, ..IDLE_STATE };
    row(full(), keyed_frame, waits, Effects::default());
    row(idle_state(), keyed_frame, output(Interactive), Effects::schedule(Interactive));
    row(idle_state(), event, Seen { inbox: 1, ..IDLE_STATE }, wake_task());
    row(handling(), event, Seen { handler: BUSY, inbox: 1, ..IDLE_STATE }, Effects::default());

    let begin = |state: &mut State| {
        state.begin_handler();
        Effects::default()
    };
    row(idle_state(), begin, Seen { handler: BUSY, ..IDLE_STATE }, Effects::default());
    let event_next = |state: &mut State| next_effects(state, |next| matches!(next, Next::Event(_)));
    row(with_event(), event_next, Seen { handler: CHECKED, ..IDLE_STATE }, Effects::default());
    let framed_event = after(handling(), |state| {
        assert_eq!((frame(state, Bulk), event(state)), (Effects::default(), Effects::default()));
    });
    let scheduled = Seen { handler: CHECKED, ..output(Interactive) };
    row(framed_event, event_next, scheduled, Effects::schedule(Interactive));

    let client = |held| {
        move |state: &mut State| {
            next_effects(state, |next| matches!(next, Next::Client { held: seen } if *seen == held))
        }
    };
    row(handling(), client(false), IDLE_STATE, Effects::default());
    let framed = || after(handling(), |state| assert_eq!(frame(state, Bulk), Effects::default()));
    row(framed(), client(true), output(Interactive), Effects::default());
    // With `inbox: false`, the frame stays in the inbox.
    let mut state = framed();
    let (next, effects) = state.next(false, Duration::ZERO, Instant::now, &mut Vec::new());
    assert!(matches!(next, Next::Client { held: false }) && effects == Effects::default());
    assert_eq!(seen(&state), Seen { handler: BUSY, inbox: 1, ..IDLE_STATE });

    let checked = || after(with_event(), |state| assert!(matches!(super::tests::next(state).0, Next::Event(_))));
    let end_turn = |state: &mut State| {
        state.end_turn();
        Effects::default()
    };
    row(checked(), end_turn, Seen { handler: BUSY, ..IDLE_STATE }, Effects::default());
    row(checked(), begin, Seen { handler: CHECKED, ..IDLE_STATE }, Effects::default());
    row(idle_state(), end_turn, IDLE_STATE, Effects::default());
    let layer_closed = |state: &mut State| next_effects(state, |next| matches!(next, Next::LayerClosed));
    let closed = after(handling(), |state| assert_eq!(state.close_layer(), wake_task()));
    row(closed, layer_closed, Seen { handler: BUSY, ..IDLE_STATE }, Effects::default());
}

#[test]
fn item_expires_unless_age_was_checked_in_turn() {
    let later = || Instant::now() + Duration::from_secs(1);
    let take = |state: &mut State| {
        let mut expired = Vec::new();
        let (_, effects) = state.next(true, Duration::from_secs(1), later, &mut expired);
        (expired.len(), effects.dropped.expired)
    };
    let mut state = handling();
    assert_eq!((event(&mut state), frame(&mut state, Bulk)), (Effects::default(), Effects::default()));
    assert_eq!(take(&mut state), (1, 2));
    assert_eq!(seen(&state), IDLE_STATE);
    let mut state = handling();
    assert_eq!((event(&mut state), event(&mut state)), (Effects::default(), Effects::default()));
    assert!(matches!(next(&mut state).0, Next::Event(_)));
    assert_eq!(take(&mut state), (0, 0), "the age was checked in this turn");
    assert_eq!(event(&mut state), Effects::default());
    state.end_turn();
    assert_eq!(take(&mut state), (1, 1));
}

#[test]
fn repeated_gap_waits_once_in_inbox() {
    let inbox = |handler, items| Seen { handler, inbox: items, ..IDLE_STATE };
    let lost = || after(idle_state(), |state| assert_eq!(gap(state, Gap::Lost), wake_task()));
    let restored = || after(lost(), |state| assert_eq!(gap(state, Gap::Restored), wake_task()));
    row(idle_state(), |state| gap(state, Gap::Restored), IDLE_STATE, Effects::default());
    row(lost(), |state| gap(state, Gap::Lost), inbox(Idle, 1), Effects::default());
    row(restored(), |state| gap(state, Gap::Restored), inbox(Idle, 2), Effects::default());
    row(restored(), |state| gap(state, Gap::Lost), inbox(Idle, 1), Effects::default());
    row(handling(), |state| gap(state, Gap::Lost), inbox(BUSY, 1), Effects::default());
    let next_lost = |state: &mut State| next_effects(state, |next| matches!(next, Next::Gap(Gap::Lost)));
    row(restored(), next_lost, inbox(BUSY, 1), Effects::default());
    let mut without_gap_methods = State::new(2, 1 << 20, false);
    assert_eq!(gap(&mut without_gap_methods, Gap::Lost), Effects::default());
    assert!(without_gap_methods.inbox.is_empty());
}

#[test]
fn scheduled_priorities_change_as_in_table() {
    let output = |scheduled: Priorities| Seen { scheduled, has_output: true, ..IDLE_STATE };
    for priority in [Interactive, Bulk] {
        row(idle_state(), |state| frame(state, priority), output(priority.into()), Effects::schedule(priority));
        row(with_output(priority), |state| frame(state, Bulk), output(priority.into()), Effects::default());
    }
    row(with_output(Bulk), |state| frame(state, Interactive), output(both()), Effects::schedule(Interactive));
    row(with_output(Interactive), |state| frame(state, Interactive), output(Interactive.into()), Effects::default());
    let waits = Seen { socket: SocketFull, ..output(NONE) };
    row(full(), |state| frame(state, Interactive), waits, Effects::default());
}

#[test]
fn write_changes_socket_as_in_table() {
    let output = |socket, scheduled: Priorities| Seen { socket, scheduled, has_output: true, ..IDLE_STATE };
    let interactive = Priorities::from(Interactive);
    let bytes = encoded().plain().len();
    row(
        with_output(Interactive),
        |state| start(state, Interactive, true),
        output(Writing, interactive),
        Effects::default(),
    );
    row(idle_state(), |state| start(state, Interactive, false), IDLE_STATE, Effects::default());
    row(broken(), |state| start(state, Interactive, false), Seen { stage: Broken, ..IDLE_STATE }, Effects::default());
    row(full(), |state| start(state, Interactive, false), output(SocketFull, NONE), Effects::default());
    let twice = after(with_output(Bulk), |state| {
        assert_eq!(frame(state, Interactive), Effects::schedule(Interactive));
        assert!(state.start_write(Bulk).is_some());
    });
    row(twice, |state| start(state, Interactive, false), output(Writing, Bulk.into()), Effects::default());

    let (state, taken) = writing();
    row(state, |state| written(state, taken, bytes, false), IDLE_STATE, wake_waiter());
    let (state, taken) = writing();
    row(state, |state| written(state, taken, 1, true), output(Ready, interactive), wake_waiter());
    let (mut state, taken) = writing();
    assert_eq!(frame(&mut state, Interactive), Effects::default());
    row(state, |state| written(state, taken, bytes, true), output(Ready, interactive), wake_waiter());
    let (state, taken) = writing();
    row(state, |state| blocked(state, taken), output(SocketFull, NONE), wake_task_and_waiter());
    row(full(), State::socket_writable, output(Ready, Bulk.into()), Effects::schedule(Bulk));
    let (mut state, taken) = writing();
    assert_eq!(state.break_off(), wake_waiter());
    row(
        state,
        |state| written(state, taken, 1, false),
        Seen { stage: Broken, ..output(Ready, NONE) },
        wake_task_and_waiter(),
    );
}

#[test]
fn stream_write_changes_socket_as_in_table() {
    let bytes = encoded().plain().len();
    let flushed = |state: &mut State| stream(state, bytes, &ready(), &Output::Flushed);
    row(with_output(Bulk), flushed, IDLE_STATE, wake_waiter());
    let pending = |state: &mut State| stream(state, 1, &Poll::Pending, &Output::Pending);
    let rest = Seen { socket: SocketFull, has_output: true, ..IDLE_STATE };
    row(with_output(Bulk), pending, rest, wake_waiter());
    row(full(), flushed, IDLE_STATE, wake_waiter());
    let error = Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
    let fails = |state: &mut State| stream(state, 0, &error, &Output::Broken);
    row(full(), fails, Seen { stage: Broken, socket: Ready, ..rest }, wake_waiter());
}

#[test]
fn overflow_is_counted_in_effects() {
    let mut state = handling();
    assert_eq!((event(&mut state), event(&mut state)), (Effects::default(), Effects::default()));
    let mut full = |policy| {
        let mut dropped = Vec::new();
        let delivery = Delivery::Event(Arc::new(3), DropHint::default(), policy);
        let (delivered, effects) = state.deliver(&delivery, Instant::now(), Interactive, &mut dropped);
        (delivered.is_ok(), dropped.len(), effects.dropped.oldest, effects.ended)
    };
    assert_eq!(full(MailboxPolicy::DropNewest), (false, 0, 0, None));
    assert_eq!(full(MailboxPolicy::DropOldest), (true, 1, 1, None));
    assert_eq!(full(MailboxPolicy::Disconnect), (false, 0, 0, Some(EndRule::Behind)));
    assert_eq!(full(MailboxPolicy::Disconnect), (false, 0, 0, None), "counted once");
    let mut state = handling();
    assert_eq!(keyed_frame(&mut state), Effects::default());
    assert_eq!(keyed_frame(&mut state).dropped.coalesced, 1);
    let mut state = full_of_output();
    let effects = frame(&mut state, Bulk);
    assert_eq!((effects.ended, state.stage), (Some(EndRule::TooSlow), Closing(CloseCode::TRY_AGAIN_LATER)));
}

fn full_of_output() -> State {
    after(idle_state(), |state| {
        while !state.outbound.is_over_limit() {
            state.outbound.push_bytes(&[0; 4096]);
        }
    })
}

fn kept() -> DropHint {
    DropHint::default().kept()
}

fn lost(cause: crate::event::Cause) -> Delivery {
    let group = crate::name::GroupName::new("group").unwrap();
    Delivery::HistoryLost(Arc::new(HistoryLost::new(group, cause, crate::event::Position::NONE)))
}

#[test]
fn frames_behind_expired_kept_event_are_not_sent() {
    let mut state = idle_state();
    _ = deliver(&mut state, &Delivery::Event(Arc::new(1), kept(), MailboxPolicy::default()), Interactive);
    _ = deliver(&mut state, &Delivery::Frame(encoded(), kept()), Interactive);
    let later = || Instant::now() + Duration::from_secs(61);
    let (next, effects) = state.next(true, Duration::from_secs(60), later, &mut Vec::new());
    assert!(matches!(next, Next::Closing(CloseCode::TRY_AGAIN_LATER)), "{next:?}");
    assert_eq!(effects.ended, Some(EndRule::Behind));
    let output: Vec<u8> = state.outbound.write_with(|pieces| pieces.iter().flat_map(|piece| piece.to_vec()).collect());
    assert_eq!(output[0], 0x88, "only the close frame is sent: {output:?}");
}

#[test]
fn full_mailbox_of_kept_event_closes_with_every_policy() {
    for policy in [MailboxPolicy::DropNewest, MailboxPolicy::DropOldest, MailboxPolicy::Disconnect] {
        let mut state = handling();
        let event = Delivery::Event(Arc::new(1), kept(), policy);
        assert_eq!([(); 2].map(|()| deliver(&mut state, &event, Interactive)), [Effects::default(); 2]);
        let (delivered, effects) = state.deliver(&event, Instant::now(), Interactive, &mut Vec::new());
        assert!(delivered.is_err());
        assert_eq!((effects.ended, state.stage), (Some(EndRule::Behind), Closing(CloseCode::TRY_AGAIN_LATER)));
    }
}

#[test]
fn lost_history_keeps_its_place_before_later_messages() {
    let mut state = handling();
    _ = frame(&mut state, Bulk);
    for cause in [crate::event::Cause::Forgotten, crate::event::Cause::OtherServer] {
        assert_eq!(deliver(&mut state, &lost(cause), Interactive), Effects::default());
        assert_eq!(deliver(&mut state, &lost(cause), Interactive), Effects::default());
        _ = frame(&mut state, Bulk);
    }
    assert_eq!(state.inbox.len(), 5, "a notice for each gap");
    assert!(matches!(next(&mut state).0, Next::HistoryLost(_)));
    assert_eq!(state.inbox.len(), 3);
}

#[test]
fn notice_of_too_much_has_space_in_full_queue() {
    let mut state = after(full_of_output(), State::begin_handler);
    assert!(state.replay(&[Delivery::Frame(encoded(), kept())], Instant::now()).is_err());
    assert!(state.replay(&[lost(crate::event::Cause::TooMuch)], Instant::now()).is_ok());
    assert_eq!(state.inbox.len(), 1);
}
