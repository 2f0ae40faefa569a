//! The positions that a test client has received: the newest one of each group, as a page remembers them.

use serde_json::Value;

use crate::event::Position;

/// The number of characters at the beginning of a position that name its group.
const KEY: usize = 8;

/// The newest position of each group, in the order in which the groups were last received.
#[derive(Debug, Default)]
pub(super) struct Positions(Vec<String>);

impl Positions {
    /// Remembers the positions in a text of JSON. They may be in any field, because each consumer names its own.
    ///
    /// A text that only looks like a position has no effect: a server ignores the positions of other groups.
    pub(super) fn remember(&mut self, text: &str) {
        if let Ok(value) = serde_json::from_str(text) {
            self.remember_in(&value);
        }
    }

    fn remember_in(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.parse::<Position>().is_ok() => {
                self.0.retain(|known| known[..KEY] != text[..KEY]);
                self.0.push(text.clone());
                // A server refuses more.
                if self.0.len() > Position::MOST {
                    self.0.remove(0);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.remember_in(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.remember_in(value)),
            _ => {}
        }
    }

    /// Returns the path of the client with its positions. `since` in the query of the path is from before them.
    pub(super) fn path(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let is_other = |part: &&str| !part.is_empty() && part.split('=').next() != Some("since");
        let since = format!("since={}", self.0.join(","));
        let query: Vec<&str> = query.split('&').filter(is_other).chain([&*since]).collect();
        format!("{path}?{}", query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Id, Reign};
    use crate::name::GroupName;

    fn position(group: &str) -> String {
        Position::new(&GroupName::new(group).unwrap(), Reign::default(), Id::random()).to_string()
    }

    #[test]
    fn newest_position_of_each_group_is_in_path() {
        let mut positions = Positions::default();
        let [old, other, new] = ["a", "b", "a"].map(position);
        assert_eq!(positions.path("/ws?since=x"), "/ws?since=x");
        positions.remember(&json!({"hello": old}).to_string());
        positions.remember(&json!([{"event": {"at": other}}, 7, null]).to_string());
        positions.remember(&json!({"message": "hi", "at": new}).to_string());
        positions.remember(&json!({"lost": "forgotten", "at": null}).to_string());
        positions.remember("not JSON");
        assert_eq!(positions.path("/ws"), format!("/ws?since={other},{new}"));
        assert_eq!(positions.path("/ws?since=x&token=t"), format!("/ws?token=t&since={other},{new}"));
    }

    #[test]
    fn client_never_names_more_positions_than_server_takes() {
        let mut positions = Positions::default();
        for number in 0..100 {
            positions.remember(&json!(position(&format!("group-{number}"))).to_string());
        }
        assert_eq!(positions.0.len(), Position::MOST);
    }
}
