//! The memory of signatures, so that no signed request is accepted twice.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::lock;
use crate::web::publish::credentials::{SKEW, Signature};
use crate::web::publish::refusal::Refusal;
use crate::web::publish::request::BODY_DEADLINE;

/// The most signatures that are remembered, about 10 MB. Beyond it signed requests are refused with 429: a signature that is
/// forgotten early could be used again.
const MOST: usize = 200_000;

/// The signatures that the routes of one [`Publish`](crate::web::Publish) have accepted. Each is kept until its timestamp is too old for
/// another use.
pub(super) struct SeenSignatures {
    seen: Mutex<Seen>,
    /// The time for which a signature is kept. A timestamp may be in the future, and it is checked before the body is read.
    kept: Duration,
}

#[derive(Default)]
struct Seen {
    signatures: HashSet<Signature>,
    /// In the order of their ends.
    ends: VecDeque<(Instant, Signature)>,
}

impl SeenSignatures {
    pub(super) fn new(window: Duration) -> Self {
        Self { seen: Mutex::default(), kept: window + SKEW + BODY_DEADLINE }
    }

    /// Remembers a signature.
    ///
    /// # Errors
    /// If it was used before, or too many are remembered.
    pub(super) fn remember(&self, signature: Signature, now: Instant) -> Result<(), Refusal> {
        let seen = &mut *lock(&self.seen);
        while let Some((_, old)) = seen.ends.front().filter(|(end, _)| *end < now) {
            seen.signatures.remove(old);
            seen.ends.pop_front();
        }
        if seen.signatures.contains(&signature) {
            return Err(Refusal::Replayed);
        }
        if seen.signatures.len() >= MOST {
            return Err(Refusal::TooManySignatures);
        }
        seen.signatures.insert(signature);
        seen.ends.push_back((now + self.kept, signature));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(number: usize) -> Signature {
        (number as u128).to_le_bytes()
    }

    #[test]
    fn signature_is_remembered_until_its_timestamp_is_old() {
        let (seen, begin) = (SeenSignatures::new(Duration::from_secs(300)), Instant::now());
        let at = |seconds| seen.remember(signature(7), begin + Duration::from_secs(seconds));
        assert!(at(0).is_ok());
        assert!(matches!(at(0), Err(Refusal::Replayed)));
        // The last request with the timestamp that may be furthest in the future: its head arrives after 360 s, its body 10 s later.
        assert!(matches!(at(370), Err(Refusal::Replayed)));
        assert!(at(371).is_ok());
        assert_eq!(lock(&seen.seen).ends.len(), 1);
    }

    #[test]
    fn full_memory_refuses_instead_of_forgetting() {
        let (seen, begin) = (SeenSignatures::new(Duration::from_secs(300)), Instant::now());
        for number in 0..MOST {
            assert!(seen.remember(signature(number), begin).is_ok());
        }
        assert!(matches!(seen.remember(signature(MOST), begin), Err(Refusal::TooManySignatures)));
        assert!(matches!(seen.remember(signature(0), begin), Err(Refusal::Replayed)));
        assert!(seen.remember(signature(MOST), begin + Duration::from_secs(371)).is_ok());
    }
}
