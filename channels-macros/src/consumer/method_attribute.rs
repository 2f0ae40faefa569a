//! The helper attributes: the attributes of methods that `#[consumer]` reads.

use proc_macro2::{TokenStream, TokenTree};
use syn::Attribute;
use syn::parse::Parser;

use crate::suggest::near;

const HELPERS: [&str; 7] =
    ["connect", "receive", "handler", "disconnect", "layer_lost", "layer_restored", "history_lost"];

pub(super) const HELPERS_IN_WORDS: &str = "`#[connect]`, `#[receive(\"name\")]`, `#[handler(\"event.name\")]`, `#[disconnect]`, \
                                `#[layer_lost]`, `#[layer_restored]` and `#[history_lost]`";

/// Returns the name of a helper attribute, by the last word of its path.
pub(super) fn exact(attribute: &Attribute) -> Option<&'static str> {
    let word = &attribute.path().segments.last()?.ident;
    HELPERS.into_iter().find(|helper| word == helper)
}

/// Returns the name of a helper attribute and `true`, or of the one that a misspelt attribute probably means and
/// `false`.
pub(super) fn exact_or_near(attribute: &Attribute) -> Option<(&'static str, bool)> {
    if let Some(helper) = exact(attribute) {
        return Some((helper, true));
    }
    let word = attribute.path().get_ident()?.to_string();
    // `#[event(..)]` belongs above a struct, so that above a method it means `handler`.
    if word == "event" {
        return Some(("handler", false));
    }
    near(&word, HELPERS).map(|helper| (helper, false))
}

/// Returns the helper attributes among tokens, and the tokens without them.
pub(super) fn split(tokens: TokenStream) -> (Vec<&'static str>, TokenStream) {
    let (mut found, mut rest) = (Vec::new(), TokenStream::new());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let Some(next) = tokens.peek()
            && let Some(helper) = of_tokens([token.clone(), next.clone()])
        {
            found.push(helper);
            tokens.next();
        } else {
            rest.extend([token]);
        }
    }
    (found, rest)
}

fn of_tokens(tokens: [TokenTree; 2]) -> Option<&'static str> {
    let attributes = Attribute::parse_outer.parse2(tokens.into_iter().collect()).ok()?;
    attributes.first().and_then(exact)
}
