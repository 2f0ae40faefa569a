//! Which capacity a channel has: `channel_capacity` of Django Channels, shell patterns for channel names.

/// Capacities by pattern of the channel's name; the first pattern that fits counts.
///
/// A pattern is what Python's `fnmatch` takes: `*` stands for anything, `?` for one character, `[abc]` and `[a-z]` for
/// one of these, `[!abc]` for any other. It has to fit the whole name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChannelCapacity(Vec<(Box<str>, usize)>);

impl ChannelCapacity {
    /// Adds a pattern behind those that are there.
    pub(crate) fn push(&mut self, pattern: &str, capacity: usize) {
        self.0.push((pattern.into(), capacity));
    }

    pub(crate) fn of(&self, channel: &str) -> Option<usize> {
        self.0.iter().find(|(pattern, _)| fits(pattern.as_bytes(), channel.as_bytes())).map(|(_, capacity)| *capacity)
    }
}

/// Whether the whole name fits. Names are ASCII, so one byte is one character.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on when the rest does not fit: behind the last `*`, which then takes one character more. Going back
    // further is never needed, so the work is at most the product of both lengths.
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => match set(&pattern[p + 1..], name[n]) {
                Some((true, length)) => Some(p + 1 + length),
                Some((false, _)) => None,
                // No `]` behind it: an ordinary character, as in Python.
                None => (name[n] == b'[').then_some(p + 1),
            },
            Some(byte) => (*byte == name[n]).then_some(p + 1),
            None => None,
        };
        match (step, again) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((behind_star, taken))) => {
                (p, n) = (behind_star, taken + 1);
                again = Some((behind_star, taken + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Reads `abc]`, `a-z]` or `!abc]`. Gives whether the character is in it, and the length with the bracket.
fn set(pattern: &[u8], character: u8) -> Option<(bool, usize)> {
    let negated = pattern.first() == Some(&b'!');
    let begin = usize::from(negated);
    // A `]` in the first place belongs to the set.
    let end = (begin + 1..pattern.len()).find(|at| pattern[*at] == b']')?;
    let items = &pattern[begin..end];
    let mut found = false;
    let mut at = 0;
    while at < items.len() {
        if let [low, b'-', high, ..] = items[at..] {
            found |= (low..=high).contains(&character);
            at += 3;
        } else {
            found |= items[at] == character;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a pattern says, by trying everything: the first thing in it, and then the rest.
    fn fits_by_hand(pattern: &[char], name: &[char]) -> bool {
        let first = name.first();
        match pattern {
            [] => name.is_empty(),
            ['*', rest @ ..] => (0..=name.len()).any(|taken| fits_by_hand(rest, &name[taken..])),
            ['?', rest @ ..] => first.is_some() && fits_by_hand(rest, &name[1..]),
            ['[', rest @ ..] => {
                let negated = rest.first() == Some(&'!');
                let items = if negated { &rest[1..] } else { rest };
                // The first may be a bracket, which then closes nothing.
                let Some(end) = items.iter().skip(1).position(|item| *item == ']').map(|at| at + 1) else {
                    return first == Some(&'[') && fits_by_hand(rest, &name[1..]);
                };
                let (set, rest) = (&items[..end], &items[end + 1..]);
                first.is_some_and(|first| is_in(set, *first) != negated) && fits_by_hand(rest, &name[1..])
            }
            [plain, rest @ ..] => first == Some(plain) && fits_by_hand(rest, &name[1..]),
        }
    }

    fn is_in(set: &[char], character: char) -> bool {
        match set {
            [low, '-', high, rest @ ..] => (*low <= character && character <= *high) || is_in(rest, character),
            [one, rest @ ..] => *one == character || is_in(rest, character),
            [] => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 5000, ..ProptestConfig::default() })]

        #[test]
        fn a_pattern_fits_as_by_hand(pattern in "[ab*?!\\[\\]-]{0,9}", name in "[ab!\\[\\]-]{0,7}") {
            let by_hand = fits_by_hand(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
            prop_assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), by_hand, "{} {}", pattern, name);
        }
    }

    #[test]
    fn a_pattern_fits_as_in_python() {
        // Each row as `fnmatch.fnmatchcase` of Python answers it.
        for (pattern, name, expected) in [
            ("http.request", "http.request", true),
            ("http.request", "http.request2", false),
            ("http.response*", "http.response!abc", true),
            ("http.response*", "http.respons", false),
            ("*", "", true),
            ("*", "anything", true),
            ("*.send!*", "websocket.send!x", true),
            ("*a*b", "xaybzb", true),
            ("*a*b", "xaybzc", false),
            ("wor?er", "worker", true),
            ("wor?er", "worer", false),
            ("worker-[0-9]", "worker-7", true),
            ("worker-[0-9]", "worker-x", false),
            ("worker-[!0-9]", "worker-x", true),
            ("worker-[!0-9]", "worker-7", false),
            ("a[]]b", "a]b", true),
            ("a[b", "a[b", true),
            ("a[x-]", "a-", true),
            ("A", "a", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let mut capacities = ChannelCapacity::default();
        capacities.push("one", 1);
        capacities.push("o*", 5);
        assert_eq!(capacities.of("one"), Some(1));
        assert_eq!(capacities.of("other"), Some(5));
        assert_eq!(capacities.of("two"), None);
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        assert!(!fits(format!("{}b", "*a".repeat(30)).as_bytes(), "a".repeat(99).as_bytes()));
    }
}
