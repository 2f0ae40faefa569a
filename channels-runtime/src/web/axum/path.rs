//! The path of a route in axum's notation.

/// Returns the names of the captures of a path: `room` and `rest` for `/ws/{room}/{*rest}`.
pub(super) fn captures(path: &str) -> Vec<&str> {
    path.split('/')
        .filter_map(|segment| {
            // Doubled braces are literal.
            let open = segment.match_indices('{').find(|(at, _)| {
                let braces = segment[*at..].chars().take_while(|character| *character == '{').count();
                let before = segment[..*at].chars().rev().take_while(|character| *character == '{').count();
                before == 0 && braces % 2 == 1
            })?;
            let name = &segment[open.0..].trim_start_matches('{');
            Some(name[..name.find('}')?].trim_start_matches('*'))
        })
        .collect()
}

/// Returns the same path with a last slash if it has none, and without it otherwise. `None` if there is no such path.
pub(super) fn with_other_end(path: &str) -> Option<String> {
    match path.strip_suffix('/') {
        Some("") => None,
        Some(without) => Some(without.into()),
        None if path.rsplit('/').next().is_some_and(|last| last.starts_with("{*")) => None,
        None => Some(format!("{path}/")),
    }
}

/// Returns a path without the names of its captures and without its last slash: paths that are equal then match the same requests.
pub(super) fn without_names(path: &str) -> String {
    let unnamed = captures(path).into_iter().fold(path.to_owned(), |path, name| {
        let named = [format!("{{{name}}}"), format!("{{*{name}}}")].into_iter().find(|named| path.contains(named));
        named.map_or(path.clone(), |named| path.replacen(&named, if named.contains('*') { "{*}" } else { "{}" }, 1))
    });
    unnamed.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_named_in_order() {
        assert_eq!(captures("/ws/chat"), [] as [&str; 0]);
        assert_eq!(captures("/ws/{room}/in/{user}/"), ["room", "user"]);
        assert_eq!(captures("/files/{*rest}"), ["rest"]);
        assert_eq!(captures("/a-{id}.json"), ["id"]);
        assert_eq!(captures("/{{literal}}/{id}"), ["id"]);
    }

    #[test]
    fn paths_without_names_are_equal_if_they_match_the_same_requests() {
        assert_eq!(without_names("/ws/{room}/in/{user}/"), without_names("/ws/{user}/in/{room}"));
        assert_eq!(without_names("/ws/{room}"), "/ws/{}");
        assert_eq!(without_names("/files/{*rest}"), "/files/{*}");
        assert_eq!(without_names("/"), "");
    }

    #[test]
    fn other_path_differs_only_in_trailing_slash() {
        assert_eq!(with_other_end("/ws/{room}").as_deref(), Some("/ws/{room}/"));
        assert_eq!(with_other_end("/ws/{room}/").as_deref(), Some("/ws/{room}"));
        assert_eq!(with_other_end("/"), None);
        assert_eq!(with_other_end("/files/{*rest}"), None);
    }
}
