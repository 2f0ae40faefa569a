//! The contracts that open connections have announced in their address, as `?contract=auction-5c1f0a9e`.

use std::collections::BTreeMap;

use crate::scope::Scope;
use crate::server::registry::ConnectionRegistry;

/// The query parameter of the generated clients.
const PARAMETER: &str = "contract";

/// The count of clients with a contract that is not a known one.
const OTHER: &str = "other";

/// The count of clients without a contract.
const NONE: &str = "none";

/// Returns whether this is the fingerprint of a contract: its name and eight hexadecimal digits.
pub(crate) fn is_fingerprint(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.rsplit_once('-').is_some_and(|(name, hash)| !name.is_empty() && hash.len() == 8 && hash.bytes().all(is_digit))
}

impl ConnectionRegistry {
    /// Returns the number of open connections of each known contract, also zeros, and of other contracts and of none. An empty
    /// map if no contract is known. A connection stores nothing for this: the query is in its scope.
    pub(crate) fn by_contract<'a>(&self, known: &'a [String]) -> BTreeMap<&'a str, usize> {
        if known.is_empty() {
            return BTreeMap::new();
        }
        let names = known.iter().map(String::as_str).chain([OTHER, NONE]);
        let mut counts: BTreeMap<&str, usize> = names.map(|name| (name, 0)).collect();
        self.for_each(|connection| {
            let name = contract_of(connection.scope(), known);
            if let Some(count) = counts.get_mut(name) {
                *count += 1;
            }
        });
        counts
    }
}

fn contract_of<'a>(scope: &Scope, known: &'a [String]) -> &'a str {
    let query = scope.query_string().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let Some((_, announced)) = parameters.find(|(name, _)| name == PARAMETER) else { return NONE };
    known.iter().find(|known| **known == announced).map_or(OTHER, String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_a_name_and_a_hash() {
        for right in ["auction-5c1f0a9e", "two-words-00000000"] {
            assert!(is_fingerprint(right), "{right}");
        }
        for wrong in ["", "auction", "auction-5C1F0A9E", "auction-5c1f0a9", "-5c1f0a9e", "auction-5c1f0a9e1", "other"] {
            assert!(!is_fingerprint(wrong), "{wrong}");
        }
    }
}
