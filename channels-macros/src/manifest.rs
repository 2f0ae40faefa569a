//! The name of the runtime in the `Cargo.toml` of the crate that is compiled.
//!
//! The macros read only dependencies, so they need no parser for all of TOML, which every user would have to compile. A manifest
//! that they do not understand is treated as one without a renamed runtime.

use std::path::Path;
use std::{env, fs};

const RUNTIME: &str = "channels-runtime";

/// Returns the name of the runtime if the crate renames it: `chan` for `chan = { package = "channels-runtime" }`.
pub(crate) fn renamed_runtime() -> Option<String> {
    let folder = env::var_os("CARGO_MANIFEST_DIR")?;
    let read = |folder: &Path| fs::read_to_string(folder.join("Cargo.toml")).ok();
    let folder = Path::new(&folder);
    let workspace = || folder.ancestors().filter_map(read).find(|text| statements(text).iter().any(is_of_workspace));
    renamed(&read(folder)?, workspace)
}

/// Returns the new name of the runtime. `workspace` reads the manifest of the workspace.
fn renamed(manifest: &str, workspace: impl FnOnce() -> Option<String>) -> Option<String> {
    let own = dependencies(manifest, false);
    if own.iter().any(|dependency| dependency.name == RUNTIME && dependency.package.is_none()) {
        return None;
    }
    let is_runtime = |dependency: &Dependency| dependency.package.as_deref() == Some(RUNTIME);
    let found = own.iter().find(|dependency| is_runtime(dependency)).map(|dependency| dependency.name.clone());
    let name = found.or_else(|| {
        let shared = dependencies(&workspace()?, true).into_iter().filter(is_runtime);
        shared.map(|dependency| dependency.name).find(|name| own.iter().any(|dependency| dependency.name == *name))
    })?;
    Some(name.replace('-', "_"))
}

#[derive(Debug, PartialEq)]
struct Dependency {
    name: String,
    /// The value of `package`.
    package: Option<String>,
}

/// Returns the dependencies of the package, or those of the workspace.
fn dependencies(manifest: &str, of_workspace: bool) -> Vec<Dependency> {
    let mut found = Vec::new();
    for (path, value) in statements(manifest) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let rest = match (of_workspace, path.as_slice()) {
            (true, ["workspace", "dependencies", rest @ ..]) => rest,
            (false, ["dependencies" | "dev-dependencies", rest @ ..]) => rest,
            (false, ["target", _, "dependencies" | "dev-dependencies", rest @ ..]) => rest,
            _ => continue,
        };
        let (name, package) = match rest {
            [name] => (name, package(&value)),
            [name, "package"] => (name, unquoted(&value)),
            [name, ..] => (name, None),
            [] => continue,
        };
        found.push(Dependency { name: (*name).to_owned(), package });
    }
    found
}

fn is_of_workspace((path, _): &(Vec<String>, String)) -> bool {
    path.first().is_some_and(|first| first == "workspace")
}

/// Returns the value of `package` in an inline table: `a` for `{ version = "1", package = "a" }`.
fn package(value: &str) -> Option<String> {
    let table = value.strip_prefix('{')?.strip_suffix('}')?;
    let mut entries = table.split(',').filter_map(|entry| entry.split_once('='));
    entries.find(|(key, _)| key.trim() == "package").and_then(|(_, value)| unquoted(value))
}

fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    Some(text.strip_prefix(quote)?.strip_suffix(quote)?.to_owned())
}

/// Returns the keys of a manifest, each with the path of its table, and their values. A table without keys has no value.
fn statements(manifest: &str) -> Vec<(Vec<String>, String)> {
    let (mut found, mut table) = (Vec::new(), Vec::new());
    for line in lines(manifest) {
        if let Some(header) = line.strip_prefix('[') {
            table = keys(header.trim_matches(['[', ']']));
            found.push((table.clone(), String::new()));
        } else if let Some((key, value)) = line.split_once('=') {
            found.push((table.iter().cloned().chain(keys(key)).collect(), value.trim().to_owned()));
        }
    }
    found
}

/// Returns the parts of a dotted key: `target`, `cfg(unix)` and `dependencies` for `target.'cfg(unix)'.dependencies`.
fn keys(dotted: &str) -> Vec<String> {
    let (mut keys, mut quote) = (vec![String::new()], None);
    for letter in dotted.trim().chars() {
        match letter {
            '"' | '\'' if quote.is_none() => quote = Some(letter),
            _ if quote == Some(letter) => quote = None,
            '.' if quote.is_none() => keys.push(String::new()),
            _ => keys.last_mut().expect("it starts with one").push(letter),
        }
    }
    keys.iter().map(|key| key.trim().to_owned()).collect()
}

/// Returns the lines without comments. A value of several lines is one line.
fn lines(manifest: &str) -> Vec<String> {
    let (mut lines, mut line, mut depth) = (Vec::new(), String::new(), 0_usize);
    let mut rest = manifest;
    while let Some(letter) = rest.chars().next() {
        let mut end = letter.len_utf8();
        match letter {
            '#' => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '"' | '\'' => {
                let many = if letter == '"' { "\"\"\"" } else { "'''" };
                let quote = if rest.starts_with(many) { many } else { &many[..1] };
                end = string_end(rest, quote);
            }
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            '\n' if depth == 0 => {
                lines.push(std::mem::take(&mut line).trim().to_owned());
                rest = &rest[end..];
                continue;
            }
            _ => {}
        }
        line.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    lines.push(line.trim().to_owned());
    lines
}

/// Returns the length of the string that `text` begins with.
fn string_end(text: &str, quote: &str) -> usize {
    let mut at = quote.len();
    while let Some(next) = text[at..].chars().next() {
        if text[at..].starts_with(quote) {
            return at + quote.len();
        }
        at += next.len_utf8();
        if next == '\\' && quote.starts_with('"') {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed_alone(manifest: &str) -> Option<String> {
        renamed(manifest, || None)
    }

    #[test]
    fn renamed_runtime_is_found_in_every_notation() {
        for manifest in [
            "[dependencies]\nchan = { package = \"channels-runtime\", version = \"0.1\" }",
            "[dependencies]\r\nchan = { version = \"0.1\", features = [\r\n  \"redis\", # the bus\r\n], package = 'channels-runtime' }\r\n",
            "[dependencies.chan]\nversion = \"0.1\"\npackage = \"channels-runtime\" # renamed",
            "[dependencies]\nserde = \"1\"\nchan.version = \"0.1\"\nchan.package = \"channels-runtime\"",
            "dependencies.chan = { package = \"channels-runtime\" }",
            "[dev-dependencies]\n\"chan\" = { package = \"channels-runtime\" }",
            "[target.'cfg(unix)'.dependencies]\nchan = { package = \"channels-runtime\" }",
            "[package]\ndescription = \"\"\"\n[ { ' # \\\"\"\"\"\n[dependencies]\nchan = { package = \"channels-runtime\" }",
        ] {
            assert_eq!(renamed_alone(manifest).as_deref(), Some("chan"), "{manifest}");
        }
        let dashed = "[dependencies]\nmy-chan = { package = \"channels-runtime\" }";
        assert_eq!(renamed_alone(dashed).as_deref(), Some("my_chan"));
    }

    #[test]
    fn runtime_with_its_own_name_wins() {
        for manifest in [
            "[dependencies]\nchannels-runtime = \"0.1\"",
            "[dependencies]\nchannels-runtime.workspace = true\n[dev-dependencies]\nchan = { package = \"channels-runtime\" }",
            "[dependencies.channels-runtime]\nversion = \"0.1\"",
            "[dependencies]\nchan = { package = \"another\" }",
            "[dependencies]\n# chan = { package = \"channels-runtime\" }",
            "[package]\nname = \"channels-runtime\"",
            "[workspace.dependencies]\nchan = { package = \"channels-runtime\" }",
            "[features]\nchan = { package = \"channels-runtime\" }",
            "",
            "[\n\"'{",
        ] {
            assert_eq!(renamed_alone(manifest), None, "{manifest}");
        }
    }

    #[test]
    fn name_of_the_workspace_counts_if_the_crate_uses_it() {
        let workspace = || {
            Some(
                "[workspace.dependencies]\nother = { package = \"channels-runtime\" }\nchan = { package = \"channels-runtime\" }"
                    .to_owned(),
            )
        };
        assert_eq!(renamed("[dependencies]\nchan.workspace = true", workspace).as_deref(), Some("chan"));
        assert_eq!(renamed("[dependencies]\nchan = { workspace = true }", workspace).as_deref(), Some("chan"));
        assert_eq!(renamed("[dependencies]\nserde.workspace = true", workspace), None);
        assert_eq!(renamed("[dependencies]\nchannels-runtime.workspace = true", workspace), None);
    }
}
