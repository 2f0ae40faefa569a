//! The items next to a macro's own item, read from the source file.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tokens::text;

/// The tokens directly in a module, in a function or in the file itself.
pub(crate) struct Scope(Vec<TokenTree>);

/// `#[consumer] impl ChatConsumer { .. }`.
struct Item<'a> {
    /// The names of the attributes above it.
    attributes: Vec<String>,
    /// All tokens after `impl`, also those after the block.
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
    /// Returns the scope that contains `impl head { body }`.
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

    /// Returns the `impl` blocks of the scope.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> {
        self.items().filter_map(move |item| {
            let at = item.rest.iter().position(|token| is(token, Delimiter::Brace))?;
            let head: TokenStream = item.rest[..at].iter().cloned().collect();
            Some(Block { attributes: item.attributes, head: text(head), body: text(&item.rest[at]) })
        })
    }

    fn items(&self) -> impl Iterator<Item = Item<'_>> {
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
                    TokenTree::Ident(word) if word == "impl" => {
                        return Some(Item { attributes, rest: &self.0[at..] });
                    }
                    TokenTree::Punct(end) if end.as_char() == ';' => attributes.clear(),
                    token if is(token, Delimiter::Brace) => attributes.clear(),
                    _ => {}
                }
            }
            None
        })
    }
}

/// Returns the last word of an attribute's path: `consumer` for `#[channels_runtime::consumer(..)]`.
fn name(attribute: TokenStream) -> Option<String> {
    let path = attribute.into_iter().take_while(|token| matches!(token, TokenTree::Ident(_) | TokenTree::Punct(_)));
    path.filter_map(|token| if let TokenTree::Ident(word) = token { Some(word.to_string()) } else { None }).last()
}

fn is(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}
