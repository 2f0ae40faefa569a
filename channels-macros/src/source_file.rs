//! The source file of a macro's call: the text outside the tokens that the macro receives.
//!
//! The file is read for error messages only. It never changes the expansion of a correct program. With the file, the
//! macros report four mistakes: a serde derive above `#[event]`, a second `#[consumer]` block of one type, two consumers
//! whose enums would have one name, and an enum name that another item already has. Without the file, the compiler
//! reports these mistakes as conflicts in code that the user never wrote: one error for the derive, without the remedy,
//! and up to twelve for a second block.
//!
//! The checks are skipped if there is no file, if it cannot be read, or if it does not contain the macro's call at the
//! position that the compiler names.
//!
//! Incremental builds stay correct. The compiler itself has read the file in this compilation, so cargo already rebuilds
//! the crate if the file changes, and each rebuild expands the macros again.
//!
//! rust-analyzer may expand a macro while the file has unsaved changes. The comparison with the macro's call, and the
//! search for the macro's own item in the file, then skip the checks, so that the editor shows no error about an
//! outdated file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use proc_macro2::{Span, TokenStream, TokenTree};

/// A file and the offsets of its lines.
pub(crate) struct File {
    pub(crate) text: String,
    lines: Vec<usize>,
}

/// Returns the file of the macro's call, if it is readable and contains the call.
pub(crate) fn of_the_call() -> Option<Rc<File>> {
    thread_local! {
        // A compiler process runs one compilation, during which no file changes.
        static FILES: RefCell<HashMap<PathBuf, Option<Rc<File>>>> = RefCell::default();
    }
    let call = Span::call_site();
    let path = call.local_file()?;
    let file = FILES
        .with_borrow_mut(|files| files.entry(path).or_insert_with_key(|path| File::read(path).map(Rc::new)).clone())?;
    file.contains(call).then_some(file)
}

impl File {
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        // The compiler drops the same before it counts columns.
        Some(Self::new(text.trim_start_matches('\u{feff}').replace("\r\n", "\n")))
    }

    fn new(text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// Returns the text before a span.
    pub(crate) fn before(&self, place: Span) -> &str {
        &self.text[..self.start(place)]
    }

    /// Returns whether the file contains the text of a span at its position.
    fn contains(&self, place: Span) -> bool {
        place.source_text().is_some_and(|text| self.text[self.start(place)..].starts_with(&text))
    }

    fn start(&self, place: Span) -> usize {
        let start = place.start();
        let line = start.line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        let column = self.text[line..].char_indices().nth(start.column).map_or(0, |(at, _)| at);
        line + column
    }
}

/// Returns the words in the `derive` attributes at the end of the text, which ends before another attribute.
pub(crate) fn derived_above(before: &str) -> Vec<String> {
    let mut derived = Vec::new();
    let mut rest = before.trim_end();
    loop {
        let line = rest.rsplit('\n').next().unwrap_or_default();
        if line.trim_start().starts_with("//") {
            rest = rest[..rest.len() - line.len()].trim_end();
            continue;
        }
        let Some(start) = rest.ends_with(']').then(|| rest.rfind("#[")).flatten() else { return derived };
        // Not an attribute, for example an array after a `#[` in a string.
        let Ok(attribute) = rest[start..].parse::<TokenStream>() else { return derived };
        let mut words = words(attribute).into_iter();
        if words.next().is_some_and(|word| word == "derive") {
            derived.extend(words);
        }
        rest = rest[..start].trim_end();
    }
}

fn words(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => found.push(word.to_string()),
            TokenTree::Group(group) => found.extend(words(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_above_lists_derives_of_same_item() {
        let above = |source: &str| derived_above(source).join(" ");
        assert_eq!(above("struct A;\n\n#[derive(Debug, Clone)]\n"), "Debug Clone");
        assert_eq!(
            above("#[derive(\n    Debug,\n    serde::Serialize,\n)]\n/// Docs.\n#[allow(a[0])]\n"),
            "Debug serde Serialize"
        );
        assert_eq!(above("#[derive(Serialize)]\n#[derive(Clone)]\n    "), "Clone Serialize");
        for other in [
            "#[derive(Serialize)]\nstruct A;\n",
            "#[derive(Serialize)]\nstruct A {}\n/// Docs.\n",
            "const A: [u8; 1] = [1]",
            "",
        ] {
            assert_eq!(above(other), "", "{other}");
        }
    }

    #[test]
    fn span_after_multibyte_letters_is_found() {
        let source = "struct Ä;\n#[derive(A)] fn ä() {}";
        let file = File::new(source.to_owned());
        let tokens: TokenStream = source.parse().unwrap();
        let body = tokens.into_iter().last().unwrap();
        assert_eq!(file.before(body.span()), "struct Ä;\n#[derive(A)] fn ä() ");
        assert!(file.contains(body.span()));
        let edited = File::new(format!("// A line.\n{source}"));
        assert!(!edited.contains(body.span()));
    }
}
