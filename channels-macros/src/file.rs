//! The file that a macro is called in: what stands around its own tokens, which it is not given.
//!
//! Only mistakes are looked for here. What a file does not tell (an editor's is not on the disk, and what a macro makes is in no
//! file) the compiler reports in its own words.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use crate::source::text;

/// A file, and where its lines begin.
pub(crate) struct File {
    pub(crate) text: String,
    lines: Vec<usize>,
}

/// The file of the macro's call.
pub(crate) fn of_the_call() -> Option<Rc<File>> {
    thread_local! {
        // A compiler lives for one compilation, in which no file changes.
        static FILES: RefCell<HashMap<PathBuf, Option<Rc<File>>>> = RefCell::default();
    }
    let path = Span::call_site().local_file()?;
    FILES.with_borrow_mut(|files| files.entry(path).or_insert_with_key(|path| File::read(path).map(Rc::new)).clone())
}

impl File {
    fn read(path: &Path) -> Option<Self> {
        Some(Self::new(fs::read_to_string(path).ok()?))
    }

    fn new(text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// What stands before a place.
    pub(crate) fn before(&self, place: Span) -> &str {
        let start = place.start();
        let line = start.line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        let column = self.text[line..].char_indices().nth(start.column).map_or(0, |(at, _)| at);
        &self.text[..line + column]
    }
}

/// The traits that are derived by attributes at the end of the text, behind which another attribute stands.
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
        // What is no attribute (an array behind a `#[` in a string) cannot be above an item.
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

/// What stands directly in a module, in a function, or in the file itself.
pub(crate) struct Scope(Vec<TokenTree>);

/// `#[consumer] impl ChatConsumer { .. }`, or `enum ChatEvent`.
struct Item<'a> {
    /// The names of the attributes above it.
    attributes: Vec<String>,
    /// `ChatConsumer { .. }`; `ChatEvent`, and what follows.
    rest: &'a [TokenTree],
}

/// `#[consumer] impl ChatConsumer { .. }`.
pub(crate) struct Block {
    /// The names of the attributes above it.
    pub(crate) attributes: Vec<String>,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Scope {
    /// The scope in which `impl head { body }` stands.
    pub(crate) fn around(tokens: TokenStream, head: &str, body: &str) -> Option<Self> {
        let scope = Self(tokens.into_iter().collect());
        if scope.blocks().any(|block| block.head == head && block.body == body) {
            return Some(scope);
        }
        scope.0.into_iter().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                Self::around(group.stream(), head, body)
            }
            _ => None,
        })
    }

    /// Its `impl` blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> {
        self.items(&["impl"]).filter_map(move |item| {
            let at = item.rest.iter().position(|token| is(token, Delimiter::Brace))?;
            let head: TokenStream = item.rest[..at].iter().cloned().collect();
            Some(Block { attributes: item.attributes, head: text(head), body: text(&item.rest[at]) })
        })
    }

    /// Whether a type of this name is defined in it in any case.
    pub(crate) fn defines(&self, name: &str) -> bool {
        self.items(&["enum", "struct", "union", "type", "trait"]).any(|item| {
            let is_conditional = item.attributes.iter().any(|attribute| attribute == "cfg");
            !is_conditional && matches!(item.rest.first(), Some(TokenTree::Ident(word)) if word == name)
        })
    }

    fn items(&self, kinds: &'static [&'static str]) -> impl Iterator<Item = Item<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let mut attributes = Vec::new();
            while let Some(token) = self.0.get(at) {
                at += 1;
                match token {
                    TokenTree::Punct(hash) if hash.as_char() == '#' => {
                        if let Some(TokenTree::Group(attribute)) = self.0.get(at) {
                            attributes.extend(name(attribute.stream()));
                            at += 1;
                        }
                    }
                    TokenTree::Ident(word) if kinds.iter().any(|kind| word == kind) => {
                        return Some(Item { attributes, rest: &self.0[at..] });
                    }
                    // The end of an item.
                    TokenTree::Punct(end) if end.as_char() == ';' => attributes.clear(),
                    token if is(token, Delimiter::Brace) => attributes.clear(),
                    _ => {}
                }
            }
            None
        })
    }
}

/// `consumer` of `#[channels_runtime::consumer(..)]`.
fn name(attribute: TokenStream) -> Option<String> {
    let path = attribute.into_iter().take_while(|token| matches!(token, TokenTree::Ident(_) | TokenTree::Punct(_)));
    path.filter_map(|token| if let TokenTree::Ident(word) = token { Some(word.to_string()) } else { None }).last()
}

fn is(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_above_is_seen() {
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
    fn a_place_is_found_by_its_line_and_its_letter() {
        let source = "struct Ä;\n#[derive(A)] fn ä() {}";
        let file = File::new(source.to_owned());
        let tokens: TokenStream = source.parse().unwrap();
        let body = tokens.into_iter().last().unwrap();
        assert_eq!(file.before(body.span()), "struct Ä;\n#[derive(A)] fn ä() ");
    }

    #[test]
    fn a_definition_is_seen_in_its_own_scope() {
        let scope = |source: &str| Scope::around(source.parse().unwrap(), "Chat", "{}").unwrap();
        assert!(scope("impl Chat {} pub enum ChatEvent { A }").defines("ChatEvent"));
        assert!(
            scope("#[derive(A)] struct ChatEvent; mod a { type ChatEvent = u8; impl Chat {} }").defines("ChatEvent")
        );
        for other in [
            "impl Chat {} mod a { enum ChatEvent {} }",
            "enum ChatEvent {} mod a { impl Chat {} }",
            "impl Chat {} #[cfg(test)] enum ChatEvent {}",
            "impl Chat {} enum ChatEvents {} fn f(event: ChatEvent) {}",
            "impl Chat {} impl ChatEvent {} // enum ChatEvent",
        ] {
            assert!(!scope(other).defines("ChatEvent"), "{other}");
        }
    }
}
