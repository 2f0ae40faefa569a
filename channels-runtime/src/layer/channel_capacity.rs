//! Capacities by channel name, with shell patterns as in `channel_capacity` of Django Channels.

/// Capacities by pattern of the channel's name. The first matching pattern applies.
///
/// The patterns are those of Python's `fnmatch`: `*` matches any text, `?` one character, `[abc]` and `[a-z]` one of these
/// characters, `[!abc]` any other character. A pattern must match the whole name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChannelCapacity(Vec<(Box<str>, usize)>);

impl ChannelCapacity {
    /// Adds a pattern after the existing ones.
    pub(crate) fn push(&mut self, pattern: &str, capacity: usize) {
        self.0.push((pattern.into(), capacity));
    }

    /// Returns the capacity of a channel, if a pattern matches its name.
    pub(crate) fn of(&self, channel: &str) -> Option<usize> {
        self.0
            .iter()
            .find(|(pattern, _)| matches(pattern.as_bytes(), channel.as_bytes()))
            .map(|(_, capacity)| *capacity)
    }
}

/// Returns whether the pattern matches the whole name. Names are ASCII, so a character is one byte.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // The position to retry from if the rest does not match: after the last `*`, which then matches one more character. Earlier
    // positions are never retried, so the number of steps is at most the product of both lengths.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => match match_set(&pattern[p + 1..], name[n]) {
                Some((true, length)) => Some(p + 1 + length),
                Some((false, _)) => None,
                // Without a `]`, the `[` is an ordinary character, as in Python.
                None => (name[n] == b'[').then_some(p + 1),
            },
            Some(byte) => (*byte == name[n]).then_some(p + 1),
            None => None,
        };
        match (step, retry) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((after_star, matched))) => {
                (p, n) = (after_star, matched + 1);
                retry = Some((after_star, matched + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Reads `abc]`, `a-z]` or `!abc]`. Returns whether the set matches the character, and the set's length with the bracket.
/// Returns `None` if the closing bracket is missing.
fn match_set(pattern: &[u8], character: u8) -> Option<(bool, usize)> {
    let negated = pattern.first() == Some(&b'!');
    let begin = usize::from(negated);
    // A `]` at the start belongs to the set.
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

    /// Matches by exhaustive search: the first element of the pattern, and then the rest.
    fn matches_by_search(pattern: &[char], name: &[char]) -> bool {
        let first = name.first();
        match pattern {
            [] => name.is_empty(),
            ['*', rest @ ..] => (0..=name.len()).any(|taken| matches_by_search(rest, &name[taken..])),
            ['?', rest @ ..] => first.is_some() && matches_by_search(rest, &name[1..]),
            ['[', rest @ ..] => {
                let negated = rest.first() == Some(&'!');
                let items = if negated { &rest[1..] } else { rest };
                // A `]` at the start belongs to the set.
                let Some(end) = items.iter().skip(1).position(|item| *item == ']').map(|at| at + 1) else {
                    return first == Some(&'[') && matches_by_search(rest, &name[1..]);
                };
                let (set, rest) = (&items[..end], &items[end + 1..]);
                first.is_some_and(|first| is_in(set, *first) != negated) && matches_by_search(rest, &name[1..])
            }
            [plain, rest @ ..] => first == Some(plain) && matches_by_search(rest, &name[1..]),
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
        fn pattern_matches_like_exhaustive_search(pattern in "[ab*?!\\[\\]-]{0,9}", name in "[ab!\\[\\]-]{0,7}") {
            let expected = matches_by_search(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
            prop_assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{} {}", pattern, name);
        }
    }

    #[test]
    fn pattern_matches_like_python() {
        // Each row is the result of Python's `fnmatch.fnmatchcase`.
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
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn first_matching_pattern_applies() {
        let mut capacities = ChannelCapacity::default();
        capacities.push("one", 1);
        capacities.push("o*", 5);
        assert_eq!(capacities.of("one"), Some(1));
        assert_eq!(capacities.of("other"), Some(5));
        assert_eq!(capacities.of("two"), None);
    }

    #[test]
    fn many_stars_match_quickly() {
        assert!(!matches(format!("{}b", "*a".repeat(30)).as_bytes(), "a".repeat(99).as_bytes()));
    }
}
