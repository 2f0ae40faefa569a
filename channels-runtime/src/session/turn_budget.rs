//! The budget of a turn: the work that a connection's task does before it yields to the other tasks.

/// The number of steps in a turn.
const STEPS: u8 = 16;

/// The number of bytes that count as much as one more step. Reading, checking and decoding cost time for each byte, so that one
/// message of a megabyte costs more than a thousand short ones.
const BYTES_OF_STEP: usize = 1024;

/// The longest turn, in milliseconds. The clock has whole milliseconds. The step that exceeds the time is completed.
const MILLISECONDS: u8 = 2;

/// The work since the task last yielded. Three bytes, because each idle connection has one.
///
/// A turn ends after [`STEPS`] steps, after as many KiB of the client's bytes, or after [`MILLISECONDS`], whichever comes first.
/// So another task waits for one such turn of each busy connection, and for no longer than the longest single call of a handler.
#[derive(Debug, Default)]
pub(super) struct TurnBudget {
    steps: u8,
    /// The client's bytes, in units of [`BYTES_OF_STEP`].
    bytes: u8,
    /// The clock at the second step.
    began: u8,
}

impl TurnBudget {
    /// Starts a new turn.
    pub(super) fn restart(&mut self) {
        (self.steps, self.bytes) = (0, 0);
    }

    /// Counts bytes that were read from the client.
    pub(super) fn count_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u8::try_from(bytes / BYTES_OF_STEP).unwrap_or(u8::MAX));
    }

    /// Counts a step, or a read that did not complete a message.
    ///
    /// `clock` returns milliseconds. It is read in the second, fourth and eighth step only: most turns have a single step, and
    /// must not spend time on a clock.
    pub(super) fn count_step(&mut self, clock: impl FnOnce() -> u32) {
        self.steps = self.steps.saturating_add(1);
        if self.steps < 2 || !self.steps.is_power_of_two() {
            return;
        }
        let [.., now] = clock().to_be_bytes();
        if self.steps == 2 {
            self.began = now;
        } else if now.wrapping_sub(self.began) >= MILLISECONDS {
            self.steps = STEPS;
        }
    }

    /// Returns whether the turn is over.
    pub(super) fn is_spent(&self) -> bool {
        self.steps.saturating_add(self.bytes) >= STEPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of steps in a turn whose steps take this long and read this many bytes.
    fn steps(milliseconds: u32, bytes: usize) -> u32 {
        let mut budget = TurnBudget::default();
        // The clock's low byte overflows in the turn.
        (1..)
            .find(|step| {
                budget.count_bytes(bytes);
                budget.count_step(|| 250 + step * milliseconds);
                budget.is_spent()
            })
            .unwrap()
    }

    #[test]
    fn turn_is_bounded_by_steps_bytes_and_time() {
        assert_eq!(steps(0, 100), 16);
        // One large read, or several.
        assert_eq!((steps(0, 64 * 1024), steps(0, 1 << 30), steps(0, 4 * 1024)), (1, 1, 4));
        // Each step takes 1 ms, or far too long.
        assert_eq!((steps(1, 0), steps(100, 0)), (4, 4));
    }

    #[test]
    fn turn_restarts_with_whole_budget() {
        let mut budget = TurnBudget::default();
        budget.count_bytes(16 * 1024);
        assert!(budget.is_spent());
        budget.restart();
        assert!(!budget.is_spent());
        (0..15).for_each(|_| budget.count_step(|| 0));
        assert!(!budget.is_spent());
        budget.count_step(|| 0);
        assert!(budget.is_spent());
        assert_eq!(size_of::<TurnBudget>(), 3);
    }
}
