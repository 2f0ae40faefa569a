//! The accounts of a fault test: which notes had to arrive, and which were lost.

use std::collections::BTreeSet;

use super::SENDERS;

/// What a client received.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard {
    Note(usize, u32),
    Lost,
    /// With the numbers of the next notes.
    Restored([u32; SENDERS]),
}

/// The results of a fault test.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Notes that were sent with success outside of the listener's gaps: each must arrive.
    pub(super) owed: usize,
    pub(super) delivered: usize,
    /// Notes that were sent with success and lost in a gap.
    pub(super) missed_in_gaps: usize,
    /// Notes that arrived during a gap, or whose send returned an error.
    pub(super) besides: usize,
    pub(super) doubled_or_out_of_order: usize,
    pub(super) gaps: usize,
}

impl Books {
    pub(super) fn add(&mut self, heard: &[Heard], sent: &[Vec<bool>]) {
        for (from, sent) in sent.iter().enumerate() {
            let mut next_in_order = 0;
            // Each note from this number on must arrive. `None` in a gap.
            let mut owed_from = Some(0);
            let mut since = BTreeSet::new();
            let mut never_heard = sent.clone();
            let lost_before = self.lost();
            for heard in heard.iter().copied().map(Some).chain([None]) {
                match heard {
                    Some(Heard::Note(of, number)) if of == from => {
                        self.doubled_or_out_of_order += usize::from(number < next_in_order);
                        next_in_order = next_in_order.max(number + 1);
                        never_heard[number as usize] = false;
                        if owed_from.is_some_and(|first| number >= first) {
                            since.insert(number);
                        } else {
                            self.besides += 1;
                        }
                    }
                    Some(Heard::Note(..)) => {}
                    Some(Heard::Restored(next)) => owed_from = Some(next[from]),
                    Some(Heard::Lost) | None => {
                        if let Some(first) = owed_from.take() {
                            // A gap begins after the last note that arrived. At the end, all remaining notes must have
                            // arrived.
                            let end = match heard {
                                Some(_) => since.last().map_or(first, |last| last + 1),
                                None => sent.len() as u32,
                            };
                            let owed = (first..end).filter(|number| sent[*number as usize]);
                            let delivered = owed.clone().filter(|number| since.contains(number)).count();
                            self.owed += owed.count();
                            self.delivered += delivered;
                            self.besides += since.len() - delivered;
                        }
                        since.clear();
                        self.gaps += usize::from(heard.is_some() && from == 0);
                    }
                }
            }
            let never_heard = never_heard.into_iter().filter(|never| *never).count();
            self.missed_in_gaps += never_heard - (self.lost() - lost_before);
        }
    }

    pub(super) fn lost(&self) -> usize {
        self.owed - self.delivered
    }
}
