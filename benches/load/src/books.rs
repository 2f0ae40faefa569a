//! The delivery check: the sent messages, and the members that received them.
//!
//! Every message is numbered by its sender. Every member of a room records, for each sender of that room, the received
//! numbers. So each delivery falls into exactly one of the columns of [`Tally`], and the lost messages are those sent
//! but not received.

/// The largest distance from a sender's newest number at which a late delivery can be distinguished from a double.
///
/// The closed loop sends no message this far ahead of its oldest unfinished one. So only a message that was given up
/// can be older.
pub const SPAN: u64 = 64;

/// The number of faults by type. All are zero for a correct server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries that a member was owed and had not received when the run ended.
    pub lost: u64,
    /// Deliveries of a message that the member had already received.
    pub doubled: u64,
    /// Deliveries received after a later message of the same sender.
    pub reordered: u64,
    /// Deliveries of a message that was sent to another room.
    pub wrong_room: u64,
    /// Frames that are not a message of this run: another form, another length, a changed byte, or an unknown sender.
    pub malformed: u64,
}

impl Tally {
    /// Returns whether there were no faults.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// The result of the check of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The member was owed it, and received it in order.
    Fresh,
    /// The member was owed it, but had already received a later one.
    Late,
    /// The member had already received it.
    Double,
    /// It belongs to another room.
    WrongRoom,
    /// Its sender does not exist, or its number was never sent.
    Unknown,
}

/// The numbers of one sender that one member has received.
#[derive(Debug, Clone, Copy, Default)]
struct Received {
    /// One more than the highest received number.
    end: u64,
    /// Bit k: number `end - 1 - k` was received.
    recent: u64,
    /// The count of different received numbers.
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
    /// The number of members to which deliveries are owed. Deliveries to other members (slow readers) are checked, but
    /// not counted as lost.
    owed: Vec<bool>,
    /// `members * senders` entries; the entries of a member are contiguous.
    received: Vec<Received>,
    /// The number of messages that each sender of the room has sent.
    sent: Vec<u64>,
}

/// The delivery check of one run.
#[derive(Debug, Default)]
pub struct Books {
    rooms: Vec<Room>,
    tally: Tally,
}

impl Books {
    /// Adds a room and returns its number.
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

    /// Removes a member from those that are owed every message.
    pub fn excuse(&mut self, room: u32, member: u32) {
        self.rooms[room as usize].owed[member as usize] = false;
    }

    /// Returns the number of members of `room` that are owed every message.
    #[must_use]
    pub fn owed(&self, room: u32) -> u32 {
        let owed = self.rooms[room as usize].owed.iter().filter(|owed| **owed).count();
        u32::try_from(owed).expect("no more than the members")
    }

    /// Records that `sender` sends its next message to its room, and returns the message's number.
    pub fn sent(&mut self, room: u32, sender: u32) -> u64 {
        let sent = &mut self.rooms[room as usize].sent[sender as usize];
        *sent += 1;
        *sent - 1
    }

    /// Records that `member` of `room` received message `number` of `sender`, which was addressed to `addressed`.
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

    /// Records a frame that is not a message of this run.
    pub fn malformed(&mut self) {
        self.tally.malformed += 1;
    }

    /// Returns the number of different messages that one member has received from all senders of its room.
    #[must_use]
    pub fn distinct(&self, room: u32, member: u32) -> u64 {
        let page = &self.rooms[room as usize];
        let row = member as usize * page.sent.len();
        page.received[row..row + page.sent.len()].iter().map(|received| received.distinct).sum()
    }

    /// Returns the number of deliveries owed in the whole run, and the columns including `lost`.
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
    fn run_without_faults_is_clean() {
        let mut books = books();
        deliver_all_but(&mut books, &[]);
        assert_eq!(books.close(), (20, Tally::default()));
    }

    #[test]
    fn missing_numbers_in_the_middle_and_at_the_end_are_lost() {
        let mut books = books();
        deliver_all_but(&mut books, &[(0, 1, 2), (1, 0, 4)]);
        assert_eq!(books.close().1, Tally { lost: 2, ..Tally::default() });
    }

    #[test]
    fn second_copy_is_doubled_and_hides_no_loss() {
        let mut books = books();
        deliver_all_but(&mut books, &[(0, 0, 4)]);
        assert_eq!(books.received(0, 0, 0, 0, 3), Verdict::Double);
        assert_eq!(books.close().1, Tally { lost: 1, doubled: 1, ..Tally::default() });
    }

    #[test]
    fn late_delivery_is_reordered_and_not_lost() {
        let mut books = books();
        deliver_all_but(&mut books, &[(0, 0, 1)]);
        assert_eq!(books.received(0, 0, 0, 0, 1), Verdict::Late);
        assert_eq!(books.received(0, 0, 0, 0, 1), Verdict::Double);
        assert_eq!(books.close().1, Tally { doubled: 1, reordered: 1, ..Tally::default() });
    }

    #[test]
    fn delivery_to_another_room_is_wrong_room() {
        let mut books = books();
        deliver_all_but(&mut books, &[]);
        assert_eq!(books.received(0, 0, 1, 0, 1), Verdict::WrongRoom);
        assert_eq!(books.received(0, 0, 9, 0, 1), Verdict::Unknown);
        assert_eq!(books.close().1, Tally { wrong_room: 1, malformed: 1, ..Tally::default() });
    }

    #[test]
    fn unsent_message_is_malformed() {
        let mut books = books();
        deliver_all_but(&mut books, &[]);
        assert_eq!(books.received(0, 0, 0, 0, 5), Verdict::Unknown);
        assert_eq!(books.received(0, 0, 0, 1, 0), Verdict::Unknown);
        assert_eq!(books.close().1, Tally { malformed: 2, ..Tally::default() });
    }

    #[test]
    fn excused_member_is_checked_and_loses_nothing() {
        let mut books = books();
        books.excuse(0, 1);
        deliver_all_but(&mut books, &[(0, 1, 3), (0, 1, 4)]);
        assert_eq!(books.received(0, 1, 0, 0, 0), Verdict::Double);
        assert_eq!(books.close(), (15, Tally { doubled: 1, ..Tally::default() }));
        assert_eq!(books.distinct(0, 1), 3);
    }

    #[test]
    fn jump_over_the_whole_span_keeps_all_losses() {
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
