//! What cannot be read: a method that is not finished, or no Rust. The compiler has said so before it called the macro, and
//! would say so again if it were given back.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::Attribute;
use syn::parse::Parser;

use super::role::exact_helper;
use crate::diagnostics::Diagnostics;
use crate::source::function_name;

/// Says that a method is left out. Gives the helper attributes that it has.
pub(super) fn report(method: &TokenStream, diagnostics: &mut Diagnostics) -> Vec<&'static str> {
    diagnostics
        .error(function_name(method), "`#[consumer]` cannot read this method as it is written, and leaves it out");
    let mut found = Vec::new();
    without(method.clone(), &mut found);
    found
}

/// An item that is no block, without the helper attributes in it: it is one error, and not one for each of its methods.
pub(super) fn without_helpers(item: TokenStream) -> TokenStream {
    let inner = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut inner = Group::new(Delimiter::Brace, without(group.stream(), &mut Vec::new()));
            inner.set_span(group.span());
            TokenTree::Group(inner)
        }
        token => token,
    };
    item.into_iter().map(inner).collect()
}

fn without(tokens: TokenStream, found: &mut Vec<&'static str>) -> TokenStream {
    let mut rest = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let Some(next) = tokens.peek()
            && let Some(helper) = helper([token.clone(), next.clone()])
        {
            found.push(helper);
            tokens.next();
        } else {
            rest.extend([token]);
        }
    }
    rest
}

fn helper(tokens: [TokenTree; 2]) -> Option<&'static str> {
    let attributes = Attribute::parse_outer.parse2(tokens.into_iter().collect()).ok()?;
    attributes.first().and_then(exact_helper)
}
