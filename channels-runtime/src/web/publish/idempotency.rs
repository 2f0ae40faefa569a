//! The memory of idempotency keys: a repeated request gets the same response, and sends nothing again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::lock;
use crate::web::publish::refusal::Refusal;

/// The most keys that are remembered. Beyond it the oldest is forgotten.
const MOST: usize = 10_000;

/// The longest key, in bytes.
pub(super) const MAX_KEY: usize = 255;

/// The digest of a request's body.
pub(super) type Digest = [u8; 32];

/// The keys of this process.
pub(super) struct IdempotencyKeys {
    keys: Mutex<Keys>,
    kept: Duration,
}

#[derive(Default)]
struct Keys {
    entries: HashMap<Arc<str>, Entry>,
    /// In the order in which they were first used.
    order: VecDeque<(Instant, Arc<str>)>,
}

struct Entry {
    digest: Digest,
    begun: Instant,
    state: State,
}

enum State {
    /// A request is sending.
    Sending,
    /// The messages that were sent, and whether these are all.
    Ended { sent: Vec<bool> },
}

/// The request with a key.
#[derive(Debug)]
pub(super) enum Found {
    /// It sends its messages, except those that an earlier request has sent before it failed.
    New(Sending),
    /// All of its messages were sent.
    Repeated,
}

/// The key of a request that is sending. Another request with the key is refused until [`Self::end`], or until this is dropped.
pub(super) struct Sending {
    keys: Arc<IdempotencyKeys>,
    key: Arc<str>,
    begun: Instant,
    pub(super) sent: Vec<bool>,
}

impl IdempotencyKeys {
    pub(super) fn new(kept: Duration) -> Arc<Self> {
        Arc::new(Self { keys: Mutex::default(), kept })
    }

    /// Begins a request with this key.
    ///
    /// # Errors
    /// If the key belongs to another body, or a request with it is sending.
    pub(super) fn begin(self: &Arc<Self>, key: &str, digest: Digest, now: Instant) -> Result<Found, Refusal> {
        let keys = &mut *lock(&self.keys);
        keys.forget(|begun| begun + self.kept < now);
        let sent = match keys.entries.get_mut(key) {
            None => {
                let key: Arc<str> = key.into();
                keys.order.push_back((now, Arc::clone(&key)));
                keys.entries.insert(key, Entry { digest, begun: now, state: State::Sending });
                if keys.entries.len() > MOST {
                    keys.forget_oldest();
                }
                Vec::new()
            }
            Some(entry) if entry.digest != digest => return Err(Refusal::OtherBody),
            Some(Entry { state: State::Sending, .. }) => return Err(Refusal::StillSending),
            Some(Entry { state: State::Ended { sent }, .. }) if sent.iter().all(|sent| *sent) => {
                return Ok(Found::Repeated);
            }
            Some(entry) => match std::mem::replace(&mut entry.state, State::Sending) {
                State::Ended { sent } => sent,
                State::Sending => Vec::new(),
            },
        };
        let (key, entry) = keys.entries.get_key_value(key).ok_or(Refusal::StillSending)?;
        Ok(Found::New(Sending { keys: Arc::clone(self), key: Arc::clone(key), begun: entry.begun, sent }))
    }
}

impl Keys {
    /// Forgets the ended keys from the oldest on, while `is_old`.
    fn forget(&mut self, is_old: impl Fn(Instant) -> bool) {
        while self.order.front().is_some_and(|(begun, _)| is_old(*begun)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.entries.remove(&key);
        }
    }
}

impl Sending {
    /// Ends the request. The next one with the key sends what this one has not.
    pub(super) fn end(mut self, sent: Vec<bool>) {
        self.sent = sent;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let keys = &mut *lock(&self.keys.keys);
        let is_own = |entry: &&mut Entry| entry.begun == self.begun;
        let Some(entry) = keys.entries.get_mut(&self.key).filter(is_own) else { return };
        if self.sent.contains(&true) {
            entry.state = State::Ended { sent: std::mem::take(&mut self.sent) };
            return;
        }
        // Nothing was sent, so the key is free again, also for a corrected body.
        keys.entries.remove(&self.key);
        if let Some(at) = keys.order.iter().rposition(|(_, key)| *key == self.key) {
            keys.order.remove(at);
        }
    }
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("sent", &self.sent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Duration = Duration::from_secs(600);

    fn begun(found: Result<Found, Refusal>) -> Sending {
        match found {
            Ok(Found::New(sending)) => sending,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn key_sends_once_and_belongs_to_one_body() {
        let (keys, now) = (IdempotencyKeys::new(KEPT), Instant::now());
        let begin = |digest: u8, at| keys.begin("a", [digest; 32], now + at);
        let sending = begun(begin(1, Duration::ZERO));
        assert!(matches!(begin(1, Duration::ZERO), Err(Refusal::StillSending)));
        assert!(matches!(begin(2, Duration::ZERO), Err(Refusal::OtherBody)));
        sending.end(vec![true, true]);
        assert!(matches!(begin(1, KEPT), Ok(Found::Repeated)));
        assert!(matches!(begin(2, KEPT), Err(Refusal::OtherBody)));
        let later = KEPT + Duration::from_secs(1);
        assert!(begun(begin(2, later)).sent.is_empty());
    }

    #[test]
    fn failed_request_is_continued() {
        let (keys, now) = (IdempotencyKeys::new(KEPT), Instant::now());
        begun(keys.begin("a", [1; 32], now)).end(vec![true, false]);
        assert_eq!(begun(keys.begin("a", [1; 32], now)).sent, [true, false]);
        // Dropped without an end.
        assert_eq!(begun(keys.begin("a", [1; 32], now)).sent, [true, false]);
        // Nothing was sent, so the key is free.
        begun(keys.begin("b", [1; 32], now));
        begun(keys.begin("b", [2; 32], now)).end(vec![true]);
        assert!(matches!(keys.begin("b", [2; 32], now), Ok(Found::Repeated)));
        assert_eq!(lock(&keys.keys).order.len(), 2);
    }

    #[test]
    fn oldest_key_is_forgotten_beyond_the_limit() {
        let (keys, now) = (IdempotencyKeys::new(KEPT), Instant::now());
        for number in 0..=MOST {
            begun(keys.begin(&number.to_string(), [1; 32], now)).end(vec![true]);
        }
        assert_eq!(lock(&keys.keys).entries.len(), MOST);
        assert!(matches!(keys.begin("1", [1; 32], now), Ok(Found::Repeated)));
        assert!(matches!(keys.begin("0", [1; 32], now), Ok(Found::New(_))));
    }
}
