//! "did you mean": the valid word nearest to a misspelt one.

/// Returns the candidate of which `word` is probably a misspelling.
pub(crate) fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong: `handlr` is near `handler`, `id` is not near `at`.
    let limit = (word.chars().count().max(3) / 3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns `; did you mean ..?`, or an empty string.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    near(word, candidates).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Returns a phrase that lists the fields.
pub(crate) fn in_words(fields: &[String]) -> String {
    let listed: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    match listed.as_slice() {
        [] => "it has none".to_owned(),
        [only] => format!("its field is {only}"),
        _ => format!("its fields are {}", listed.join(", ")),
    }
}

/// Returns the edit distance: insertions, deletions, replacements and swaps of neighbouring letters.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for row in 1..=from.len() {
        let mut costs = vec![row];
        for column in 1..=to.len() {
            let replaced = rows[row - 1][column - 1] + usize::from(from[row - 1] != to[column - 1]);
            let mut cost = replaced.min(rows[row - 1][column] + 1).min(costs[column - 1] + 1);
            if row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1] {
                cost = cost.min(rows[row - 2][column - 2] + 1);
            }
            costs.push(cost);
        }
        rows.push(costs);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_finds_misspelling_but_not_another_word() {
        let helpers = ["connect", "receive", "handler", "disconnect"];
        assert_eq!(near("handlr", helpers), Some("handler"));
        assert_eq!(near("recieve", helpers), Some("receive"));
        assert_eq!(near("conect", helpers), Some("connect"));
        assert_eq!(near("inline", helpers), None);
        assert_eq!(near("expect", helpers), None);
        assert_eq!(near("instrument", helpers), None);
    }

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("recieve", "receive"), 1);
        assert_eq!(distance("grops", "groups"), 1);
    }
}
