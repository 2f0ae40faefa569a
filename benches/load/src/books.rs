//! The books: who was sent what, and who received it.
//!
//! Every message is numbered by its sender, and every member of a room keeps, for each sender of that room, which
//! numbers have come. So each delivery falls into exactly one of the columns of [`Tally`], and what never came is
//! what was sent less what came.

/// How far behind the newest number of a sender a delivery may come and still be told from a double.
///
/// The closed loop sends no message this far ahead of its oldest unfinished one, so only a message that was given up
/// can be older.
pub const SPAN: u64 = 64;

/// What has gone wrong, and how often. All zero is what a correct server leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries that a member was owed and that had not come when the run ended.
    pub lost: u64,
    /// Deliveries of a message that the member had already.
    pub doubled: u64,
    /// Deliveries that came after a later message of the same sender.
    pub reordered: u64,
    /// Deliveries of a message that was sent to another room.
    pub wrong_room: u64,
    /// Frames that are no message of this run: another shape, another length, a changed byte, an unknown sender.
    pub malformed: u64,
}

impl Tally {
    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// What the books say about one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The member was owed it, and it came in its turn.
    Fresh,
    /// The member was owed it, but had already seen a later one.
    Late,
    /// The member had it already.
    Double,
    /// It belongs to another room.
    WrongRoom,
    /// No such sender, or a number that was never sent.
    Unknown,
}

/// The numbers of one sender that one member has received.
#[derive(Debug, Clone, Copy, Default)]
struct Received {
    /// One more than the highest number that came.
    end: u64,
    /// Bit k: number `end - 1 - k` came.
    recent: u64,
    /// How many different numbers came.
    distinct: u64,
}

impl Received {
    fn take(&mut self, number: u64) -> Verdict {
        if number >= self.end {
            let ahead = number - self.end + 1;
            self.recent = if ahead >= SPAN { 1 } else { self.recent << ahead | 1 };
            self.end = number + 1;
            self.distinct += 1;
            return Verdict::Fresh;
        }
        let behind = self.end - 1 - number;
        if behind >= SPAN || self.recent >> behind & 1 == 1 {
            return Verdict::Double;
        }
        self.recent |= 1 << behind;
        self.distinct += 1;
        Verdict::Late
    }
}

#[derive(Debug)]
struct Room {
    members: u32,
    /// Members whose deliveries are owed; the others (a slow reader) are checked but never missed.
    owed: Vec<bool>,
    /// `members * senders`, a member's row in one piece.
    received: Vec<Received>,
    /// How many messages each sender of the room has sent.
    sent: Vec<u64>,
}

/// The books of one run.
#[derive(Debug, Default)]
pub struct Books {
    rooms: Vec<Room>,
    tally: Tally,
}

impl Books {
    /// Opens the page of a room and returns the room's number.
    pub fn room(&mut self, members: u32, senders: u32) -> u32 {
        let number = u32::try_from(self.rooms.len()).expect("fewer rooms than sockets");
        self.rooms.push(Room {
            members,
            owed: vec![true; members as usize],
            received: vec![Received::default(); members as usize * senders as usize],
            sent: vec![0; senders as usize],
        });
        number
    }

    /// Takes a member off the list of those who are owed every message.
    pub fn excuse(&mut self, room: u32, member: u32) {
        self.rooms[room as usize].owed[member as usize] = false;
    }

    /// How many members of `room` are owed every message.
    #[must_use]
    pub fn owed(&self, room: u32) -> u32 {
        let owed = self.rooms[room as usize].owed.iter().filter(|owed| **owed).count();
        u32::try_from(owed).expect("no more than the members")
    }

    /// Notes that `sender` sends its next message to its room, and returns the message's number.
    pub fn sent(&mut self, room: u32, sender: u32) -> u64 {
        let sent = &mut self.rooms[room as usize].sent[sender as usize];
        *sent += 1;
        *sent - 1
    }

    /// Notes that `member` of `room` received message `number` of `sender`, which was addressed to `addressed`.
    pub fn received(&mut self, room: u32, member: u32, addressed: u32, sender: u32, number: u64) -> Verdict {
        let verdict = self.judge(room, member, addressed, sender, number);
        match verdict {
            Verdict::Fresh => {}
            Verdict::Late => self.tally.reordered += 1,
            Verdict::Double => self.tally.doubled += 1,
            Verdict::WrongRoom => self.tally.wrong_room += 1,
            Verdict::Unknown => self.tally.malformed += 1,
        }
        verdict
    }

    fn judge(&mut self, room: u32, member: u32, addressed: u32, sender: u32, number: u64) -> Verdict {
        if addressed != room {
            return if (addressed as usize) < self.rooms.len() { Verdict::WrongRoom } else { Verdict::Unknown };
        }
        let page = &mut self.rooms[room as usize];
        match page.sent.get(sender as usize) {
            Some(sent) if number < *sent => {}
            _ => return Verdict::Unknown,
        }
        page.received[member as usize * page.sent.len() + sender as usize].take(number)
    }

    /// Notes a frame that is no message of this run.
    pub fn malformed(&mut self) {
        self.tally.malformed += 1;
    }

    /// How many different messages one member has received, from all senders of its room.
    #[must_use]
    pub fn distinct(&self, room: u32, member: u32) -> u64 {
        let page = &self.rooms[room as usize];
        let row = member as usize * page.sent.len();
        page.received[row..row + page.sent.len()].iter().map(|received| received.distinct).sum()
    }

    /// How many deliveries are owed over the whole run, and the columns, `lost` included.
    #[must_use]
    pub fn close(&self) -> (u64, Tally) {
        let mut tally = self.tally;
        let mut expected = 0;
        for (number, page) in (0..).zip(&self.rooms) {
            let sent: u64 = page.sent.iter().sum();
            for member in (0..page.members).filter(|member| page.owed[*member as usize]) {
                expected += sent;
                tally.lost += sent - self.distinct(number, member);
            }
        }
        (expected, tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rooms of two members and one sender each, five messages sent in each.
    fn books() -> Books {
        let mut books = Books::default();
        for room in 0..2 {
            assert_eq!(books.room(2, 1), room);
            for number in 0..5 {
                assert_eq!(books.sent(room, 0), number);
            }
        }
        books
    }

    fn deliver_all_but(books: &mut Books, skip: &[(u32, u32, u64)]) {
        for room in 0..2 {
            for member in 0..2 {
                for number in (0..5).filter(|number| !skip.contains(&(room, member, *number))) {
                    assert_eq!(books.received(room, member, room, 0, number), Verdict::Fresh);
                }
            }
        }
    }

    #[test]
    fn a_faultless_run_is_clean() {
        let mut books = books();
        deliver_all_but(&mut books, &[]);
        assert_eq!(books.close(), (20, Tally::default()));
    }

    #[test]
    fn a_hole_and_a_missing_tail_are_lost() {
        let mut books = books();
        deliver_all_but(&mut books, &[(0, 1, 2), (1, 0, 4)]);
        assert_eq!(books.close().1, Tally { lost: 2, ..Tally::default() });
    }

    #[test]
    fn a_second_copy_is_a_double_and_hides_no_loss() {
        let mut books = books();
        deliver_all_but(&mut books, &[(0, 0, 4)]);
        assert_eq!(books.received(0, 0, 0, 0, 3), Verdict::Double);
        assert_eq!(books.close().1, Tally { lost: 1, doubled: 1, ..Tally::default() });
    }

    #[test]
    fn a_late_one_is_reordered_and_not_lost() {
        let mut books = books();
        deliver_all_but(&mut books, &[(0, 0, 1)]);
        assert_eq!(books.received(0, 0, 0, 0, 1), Verdict::Late);
        assert_eq!(books.received(0, 0, 0, 0, 1), Verdict::Double);
        assert_eq!(books.close().1, Tally { doubled: 1, reordered: 1, ..Tally::default() });
    }

    #[test]
    fn a_message_for_the_other_room_is_told() {
        let mut books = books();
        deliver_all_but(&mut books, &[]);
        assert_eq!(books.received(0, 0, 1, 0, 1), Verdict::WrongRoom);
        assert_eq!(books.received(0, 0, 9, 0, 1), Verdict::Unknown);
        assert_eq!(books.close().1, Tally { wrong_room: 1, malformed: 1, ..Tally::default() });
    }

    #[test]
    fn a_message_that_nobody_sent_is_malformed() {
        let mut books = books();
        deliver_all_but(&mut books, &[]);
        assert_eq!(books.received(0, 0, 0, 0, 5), Verdict::Unknown);
        assert_eq!(books.received(0, 0, 0, 1, 0), Verdict::Unknown);
        assert_eq!(books.close().1, Tally { malformed: 2, ..Tally::default() });
    }

    #[test]
    fn an_excused_member_is_checked_but_not_missed() {
        let mut books = books();
        books.excuse(0, 1);
        deliver_all_but(&mut books, &[(0, 1, 3), (0, 1, 4)]);
        assert_eq!(books.received(0, 1, 0, 0, 0), Verdict::Double);
        assert_eq!(books.close(), (15, Tally { doubled: 1, ..Tally::default() }));
        assert_eq!(books.distinct(0, 1), 3);
    }

    #[test]
    fn a_jump_over_the_whole_span_forgets_nothing_that_was_lost() {
        let mut books = Books::default();
        books.room(1, 1);
        for _ in 0..200 {
            books.sent(0, 0);
        }
        for number in [0, 1, 63, 64, 65, 128, 129, 199] {
            assert_eq!(books.received(0, 0, 0, 0, number), Verdict::Fresh);
        }
        assert_eq!(books.received(0, 0, 0, 0, 198), Verdict::Late);
        assert_eq!(books.close().1, Tally { lost: 191, reordered: 1, ..Tally::default() });
    }
}
