//! The text of Python's source: strings, documentation, identifiers.

use std::fmt::Write;

/// The words that cannot be names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Returns whether a key can be an attribute of a class body, and keeps its spelling there: Python changes `__key` to
/// `_Class__key`, and normalises letters outside of ASCII.
pub(super) fn is_attribute(key: &str) -> bool {
    let is_word = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && key.chars().all(|next| next.is_ascii_alphanumeric() || next == '_');
    is_word && !is_keyword(key) && !key.starts_with("__")
}

/// Returns a string literal.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::from('"');
    for character in text.chars() {
        match character {
            '"' => literal.push_str("\\\""),
            '\n' => literal.push_str("\\n"),
            other => push(&mut literal, other),
        }
    }
    literal.push('"');
    literal
}

/// Returns the lines of a docstring.
pub(super) fn docstring(text: &str, indent: &str) -> String {
    let text = text.trim().replace("\r\n", "\n");
    let mut inner = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' => inner.push('\n'),
            // Three quotes in a row, or one more at the end, would end the string.
            '"' if matches!(characters.peek(), None | Some('"')) => inner.push_str("\\\""),
            other => push(&mut inner, other),
        }
    }
    let mut lines = inner.lines();
    let mut literal = format!("{indent}\"\"\"{}", lines.next().unwrap_or_default());
    let mut is_long = false;
    for line in lines {
        is_long = true;
        literal.push('\n');
        if !line.trim().is_empty() {
            let _ = write!(literal, "{indent}{}", line.trim_end());
        }
    }
    if is_long {
        let _ = write!(literal, "\n{indent}");
    }
    literal + "\"\"\"\n"
}

/// Returns the lines of a comment.
pub(super) fn comment(text: &str, indent: &str) -> String {
    let mut comment = String::new();
    for line in text.trim().lines() {
        let line: String = line.chars().filter(|next| !next.is_control()).collect();
        let _ = writeln!(comment, "{indent}# {}", line.trim_end());
    }
    comment
}

/// Pushes a character of a string. Control characters, and those that turn the direction of writing, are escaped.
fn push(literal: &mut String, character: char) {
    match character {
        '\\' => literal.push_str("\\\\"),
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            let _ = write!(literal, "\\u{:04x}", u32::from(character));
        }
        control if control.is_control() => {
            let _ = write!(literal, "\\x{:02x}", u32::from(control));
        }
        other => literal.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("it's \"x\"\n\\\0\u{202e}é"), r#""it's \"x\"\n\\\x00\u202eé""#);
    }

    #[test]
    fn docstrings_end_where_they_should() {
        assert_eq!(docstring("Says \"hi\"", "    "), "    \"\"\"Says \"hi\\\"\"\"\"\n");
        assert_eq!(docstring(r#"""" \"#, ""), r#""""\"\"" \\""""#.to_owned() + "\n");
        assert_eq!(docstring(r#"a\""#, ""), r#""""a\\\"""""#.to_owned() + "\n");
        assert_eq!(docstring("One.\n\n  Two. \n", "  "), "  \"\"\"One.\n\n    Two.\n  \"\"\"\n");
        assert_eq!(docstring("", ""), "\"\"\"\"\"\"\n");
    }

    #[test]
    fn attributes_are_plain_words() {
        for key in ["id", "_id", "match", "type", "A1"] {
            assert!(is_attribute(key), "{key}");
        }
        for key in ["class", "from", "a-b", "", "1a", "__a", "é", "None"] {
            assert!(!is_attribute(key), "{key}");
        }
    }
}
